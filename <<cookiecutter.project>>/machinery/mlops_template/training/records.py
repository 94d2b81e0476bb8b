"""Rows as the JSON objects that a request and the golden rows hold."""

from typing import Any

import pandas as pd


def as_records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as objects, None where a value is missing; numbers to the last bit, which a tree may ask for."""
    columns = {str(name): [as_json(value) for value in rows[name].tolist()] for name in rows}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def as_json(value: Any) -> Any:
    """A cell as a request holds it; a whole number of a column that has gaps is whole again."""
    if pd.isna(value) or value in (float("inf"), float("-inf")):  # JSON has no infinity
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return int(value) if isinstance(value, float) and value.is_integer() else value
