"""Derived columns: added by the owner's features.py, and what a request needs for them."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import ProjectError
from ..serving.model_code import FEATURES, ModelCode
from ..settings import paths
from ..settings.params import Columns

PROBED_ROWS = 200
"""Rows by which the columns are found that derived ones are computed from."""


def with_features(rows: pd.DataFrame, code: ModelCode, columns: Columns) -> pd.DataFrame:
    """The rows with the derived columns, which never see the target. Raises ProjectError where features are missing."""
    target = [columns.target] if columns.target in rows else []
    added: pd.DataFrame = code.add_features(rows.drop(columns=target))
    if columns.target in added:
        raise ProjectError(f"{code.folder / FEATURES}.py: add_features adds {columns.target}, the target: leave it out")
    missing = [name for name in columns.features if name not in added]
    if missing:
        raise ProjectError(
            f"columns in {paths.PARAMS} names {', '.join(missing)}, which neither the data nor add_features in "
            f"{code.folder / FEATURES}.py has: correct the name, or derive the column there"
        )
    return added.assign(**{name: rows[name] for name in target})


def describe_inputs(rows: pd.DataFrame, train: pd.DataFrame, code: ModelCode, columns: Columns) -> dict[str, Any]:
    """Which inputs are derived, and what a row needs: the columns of a request, with their types in pandas."""
    derived = [name for name in columns.features if name not in rows or not rows[name].equals(train[name])]
    taken = [name for name in columns.features if name in rows]
    if derived:
        taken += sources_of(derived, rows.drop(columns=columns.target).iloc[evenly(len(rows), PROBED_ROWS)], code)
    return {"derived": derived, "request": {name: str(rows[name].dtype) for name in dict.fromkeys(taken)}}


def sources_of(derived: list[str], rows: pd.DataFrame, code: ModelCode) -> list[str]:
    """The columns without which the derived ones cannot be computed from these rows, or come out otherwise."""
    whole = code.add_features(rows)[derived]
    sources = []
    for name in rows:
        try:
            without = code.add_features(rows.drop(columns=name))
            same = all(column in without and without[column].equals(whole[column]) for column in derived)
        except ProjectError:
            same = False
        if not same:
            sources.append(str(name))
    return sources


def evenly(rows: int, count: int) -> NDArray[np.int64]:
    """The places of so many rows, from the first to the last, or of all."""
    return np.unique(np.linspace(0, rows - 1, min(count, rows)).astype("int64"))
