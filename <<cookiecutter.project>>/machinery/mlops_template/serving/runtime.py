"""The packaged model as a function from arrays to answers: ONNX Runtime, or the scikit-learn pipeline where need be.

The ONNX graph takes "numbers" (float32 [rows, numeric columns then dates as days since 1970], NaN where missing) and
"categories" (text [rows, categorical columns], "(missing)" where missing), each absent where there is no such column,
and gives "answers": [rows, classes] probabilities, or [rows, 1] predictions.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ProjectError
from .files import CARD_FILE, GOLDEN_FILE, ONNX_FILE, PIPELINE_FILE, RELEASE_FILE, SERVING_FILE, difference, read
from .rows import Batch, Decoder, Refused
from .schema import Schema, load_schema

Answer = Callable[[NDArray[np.float64], NDArray[np.object_]], NDArray[Any]]


@dataclass(frozen=True)
class Served:
    """A model that has been loaded, with what its package says of it."""

    schema: Schema
    answer: Answer
    """From numbers [rows, n] and categories [rows, m] to [rows, names]."""
    names: list[str]
    """What each column of the answers is."""
    golden_rows: Batch
    """Decoded once: each time it would cost more than the model."""
    card: dict[str, Any]
    golden: dict[str, Any]
    serving: dict[str, Any]
    release: dict[str, Any]

    def fault(self) -> str | None:
        """What is wrong with the answers to the golden rows, None when they are what they were in training."""
        found = self.answer(self.golden_rows.numbers, self.golden_rows.categories).tolist()
        return difference(
            [dict(zip(self.names, answer, strict=True)) for answer in found],
            self.golden["answers"],
            self.serving["tolerance"],
        )


def load(directory: Path) -> Served:
    """The model of a package. Raises ProjectError when it is damaged or answers its golden rows otherwise."""
    schema = load_schema(directory)
    card, golden = read(directory / CARD_FILE), read(directory / GOLDEN_FILE)
    serving, release = read(directory / SERVING_FILE), read(directory / RELEASE_FILE)
    try:
        if serving["runtime"] == "onnx":
            answer = onnx(directory / ONNX_FILE, schema)
        else:
            answer = pipeline(directory / PIPELINE_FILE, schema, card)
        rows = golden_batch(schema, golden["rows"])
        served = Served(schema, answer, answer_names(card), rows, card, golden, serving, release)
        fault = served.fault()
    except ProjectError:
        raise
    except Refused as refused:
        raise ProjectError(f"the golden rows of the model in {directory} are refused: {refused.detail}") from None
    except Exception as error:  # whatever a damaged file makes a library raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ProjectError(f"the model in {directory} does not run ({reason:.300}): package it anew") from None
    if fault:
        raise ProjectError(f"the model in {directory} does not answer as it did in training: {fault}")
    return served


def golden_batch(schema: Schema, rows: list[dict[str, Any]]) -> Batch:
    """The golden rows as the model takes them. Raises Refused, also where there are none."""
    if not rows:
        raise Refused(422, f"there is no row in {GOLDEN_FILE}")
    return Decoder(schema, len(rows))(json.dumps(rows).encode())


def answer_names(card: dict[str, Any]) -> list[str]:
    """What each answer is called, as in golden.json and wherever predictions are written."""
    if card["classes"] is None:
        return ["prediction"]
    return [f"probability_{name}" for name in card["classes"]]


def onnx(path: Path, schema: Schema) -> Answer:
    """The graph on one thread: a service has as many processes as it is given cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    takes_numbers, takes_categories = bool(schema.numbers), bool(schema.categories)

    def answer(numbers: NDArray[np.float64], categories: NDArray[np.object_]) -> NDArray[Any]:
        feeds: dict[str, NDArray[Any]] = {}
        if takes_numbers:
            feeds["numbers"] = numbers.astype(np.float32)
        if takes_categories:
            feeds["categories"] = categories
        found: NDArray[Any] = session.run(["answers"], feeds)[0]
        return found

    return answer


def pipeline(path: Path, schema: Schema, card: dict[str, Any]) -> Answer:
    """The pipeline itself. A pickle runs code: it is loaded where the package says so and nowhere else."""
    import joblib
    import pandas as pd

    fitted = joblib.load(path)
    predict = fitted.predict if card["classes"] is None else fitted.predict_proba
    number_names = [column.name for column in schema.numbers]
    category_names = [column.name for column in schema.categories]
    order = [name for kind in card["features"].values() for name in kind]

    def answer(numbers: NDArray[np.float64], categories: NDArray[np.object_]) -> NDArray[Any]:
        columns: dict[str, Any] = {name: numbers[:, place] for place, name in enumerate(number_names)}
        columns |= {name: pd.Series(categories[:, place], dtype="str") for place, name in enumerate(category_names)}
        found: NDArray[Any] = predict(pd.DataFrame(columns)[order])
        return found.reshape(len(found), -1)

    return answer
