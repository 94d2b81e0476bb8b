"""Held-out rows as the service meets them: as JSON, decoded and turned into inputs by its own code."""

import json
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..serving.rows import RequestRejected
from ..serving.runtime import Predict, decoder
from ..serving.schema import Column, Kind, Schema, Type
from ..training.artifact import Model
from ..training.records import as_records

BATCH = 100

KINDS: dict[str, Kind] = {"numeric": "numeric", "categorical": "categorical", "dates": "date", "text": "text"}
"""What a schema calls the kinds of columns."""


def predictions_of_service(
    model: Model, predict: Predict, rows: pd.DataFrame
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """What the service predicts for rows as the contract has them, and the places of those that it does not refuse."""
    decode = decoder(open_schema(model), model.card, model.code, BATCH)
    records, kept, predictions = as_records(rows[list(model.request)]), [], []
    for start in range(0, len(records), BATCH):
        try:
            batch = decode(json.dumps(records[start : start + BATCH]).encode())
        except RequestRejected:
            continue  # such as a number beyond single precision
        predictions.append(predict(batch.numbers, batch.categories))
        kept.append(np.arange(start, start + len(predictions[-1])))
    if not predictions:
        return np.empty(0, dtype="int64"), np.empty((0, 1))
    return np.concatenate(kept), np.concatenate(predictions)


def open_schema(model: Model) -> Schema:
    """The columns of a request with their types, and no rule of the contract."""
    kind_of = {name: KINDS[kind] for kind, names in model.kinds.items() for name in names}
    columns = [
        Column(name=name, kind=kind_of.get(name, "source"), type=type_of(dtype), nullable=True)
        for name, dtype in model.request.items()
    ]
    return Schema(columns=columns, task=model.card["task"])


def type_of(dtype: str) -> Type:
    """The contract's type of a column that pandas holds as this."""
    types: dict[str, Type] = {"int": "integer", "float": "number", "bool": "boolean", "datetime": "datetime"}
    return next((name for start, name in types.items() if dtype.startswith(start)), "string")
