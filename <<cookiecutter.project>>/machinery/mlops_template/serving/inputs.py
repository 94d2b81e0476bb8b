"""What a model is given, made from values as the contract has them: the one transform of training and service.

A copy of this file lies in each model's directory, and is what its rows go through. So it imports nothing of the
project, and pandas only where a frame is given: a service that needs none has none.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

MISSING = "(missing)"
"""The category that stands for an absent value."""

EPOCH, DAY = datetime(1970, 1, 1), timedelta(days=1)


def as_category(value: object) -> str:
    """A value as a category: whole numbers as integers are, True and False, an absent one as MISSING."""
    if value is None:
        return MISSING
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def as_text(value: object) -> str:
    """A value as text for TF-IDF and the like: an absent one is empty."""
    return "" if value is None else str(value)


def as_moment(text: str, written: str | None = None) -> datetime:
    """The moment that a text names, in UTC where it has a time zone, without one. Raises ValueError when it is none."""
    try:
        if written is None:
            raise ValueError
        moment = datetime.strptime(text, written)
    except ValueError:
        moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise ValueError(text) from None


def as_days(moment: datetime) -> float:
    """Days since 1970."""
    return (moment - EPOCH) / DAY


def inputs(rows: Any, kinds: dict[str, list[str]]) -> Any:
    """The model's inputs: float64 numbers (dates as days since 1970), categories and texts.

    `rows` is a DataFrame that has the columns of `kinds`, which lists them under "numeric", "categorical", "dates" and
    "text". Returns a DataFrame of the same index with these columns, in this order.
    """
    import pandas as pd

    ready: dict[str, Any] = {name: as_floats(rows[name]) for name in kinds["numeric"]}
    for name in kinds["categorical"]:
        ready[name] = by_value(rows[name], as_category)
    for name in kinds["dates"]:
        ready[name] = (pd.to_datetime(rows[name]) - pd.Timestamp(EPOCH)) / pd.Timedelta(DAY)
    for name in kinds["text"]:
        ready[name] = by_value(rows[name], as_text)
    return pd.DataFrame(ready, index=rows.index)


def as_floats(column: Any) -> Any:
    """A column as float64, NaN where it is absent. Raises TypeError for a time or a stretch of it, which has a unit."""
    return column.to_numpy("float64") if column.dtype.kind in "iufb" else column.astype("float64")


def by_value(column: Any, convert: Any) -> Any:
    """A column as text: each distinct value, and the absent one, is converted once."""
    import pandas as pd

    if column.dtype == "str":
        return column.fillna(convert(None))
    places, values = pd.factorize(column)
    texts = [convert(value) for value in values.tolist()]
    return pd.Series(pd.array([*texts, convert(None)], dtype="str").take(places), index=column.index)


def frame(rows: Sequence[Sequence[Any]], dtypes: dict[str, str]) -> Any:
    """Rows of values, in the order of `dtypes`, as the DataFrame that training had: with its types."""
    import pandas as pd

    columns = {
        name: as_array(values, dtypes[name]) for name, values in zip(dtypes, zip(*rows, strict=True), strict=True)
    }
    return pd.DataFrame(columns)


def as_array(values: tuple[Any, ...], dtype: Any) -> Any:
    """Values as an array of a type; where some are absent, integers are floats, as in a DataFrame."""
    import numpy as np
    import pandas as pd

    if None in values and dtype.startswith("int"):
        dtype = "float64"
    elif None in values and dtype == "bool":
        dtype = "boolean"
    if dtype.startswith("datetime"):
        return pd.to_datetime(pd.Series(values, dtype="object")).astype(dtype)
    if dtype in ("float64", "int64"):
        return np.array(values, dtype)
    return pd.array(values, dtype=dtype)
