"""What a table never seen before is about: the task, the type and role of each column, what cannot be used."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from ..data.contract import EPOCHS, Contract, Rule, conform, convert, to_datetime, to_string
from ..errors import ProjectError
from ..settings.params import Task, describe
from .column_type import ColumnType, is_code, type_of
from .leaks import leak, leak_of_several

MAX_CLASSES = 20
"""A whole-number target with more values than this is a quantity."""

MAX_MISSING = 0.5
MAX_TEXTS = 0.5
"""A text column with more distinct values than this share of the rows names the rows."""

PROSE_WORDS = 3


@dataclass(frozen=True)
class Inferred:
    """The task, the rule and (for features) the role of each column, and why the others are left out."""

    task: Task
    classes: list[Any]
    rules: dict[str, Rule]
    roles: dict[str, str]
    """Feature → numeric, categorical, dates or text."""
    left_out: dict[str, str]
    doubt: str | None = None
    """What several columns together give away."""


def infer(
    rows: pd.DataFrame, target: str, time: str | None, id_column: str, formats: dict[str, str] | None = None
) -> Inferred:
    """Look at every column. Raises ProjectError when the target cannot be predicted at all.

    `formats`: how the texts of some columns are written, where the user says it.
    """
    types = {str(name): type_of(rows[name], str(name) == time) for name in rows}
    types |= {
        name: ColumnType("string")
        for name, kind in types.items()
        if kind == ColumnType("integer") and name not in (target, time, id_column) and is_code(name, rows[name])
    }
    types |= {name: stated(rows[name], written) for name, written in (formats or {}).items()}
    kinds = {name: kind.name for name, kind in types.items()}
    refuse_infinite(rows, kinds)
    rules = {name: Rule.model_validate({"type": kind.name, "format": kind.format}) for name, kind in types.items()}
    rows = rows.assign(**{name: convert(rows[name], rule)[0] for name, rule in rules.items() if rule.type != "string"})
    task, classes = task_of(rows[target], kinds[target])
    rules = {name: rule_of(rows[name], kind) for name, kind in types.items()}
    rules[id_column] = Rule(type="string", unique=True)
    if task == "classification":
        settings = {"type": kinds[target], "allowed": classes, "format": types[target].format}
        rules[target] = Rule.model_validate(settings)
    else:
        rules[target] = rules[target].model_copy(update={"type": "number", "nullable": False})
    if time:
        if kinds[time] != "datetime":
            raise ProjectError(
                f"--time {time}: {no_date(rows[time])} is no date or moment such as 2013-01-31 05:15; "
                f"if it is one, say how it is written, as in --format {time}=%d.%m.%Y"
            )
        rules[time] = rules[time].model_copy(update={"nullable": False})
    roles: dict[str, str] = {}
    left_out: dict[str, str] = {}
    typed = conform(rows, Contract(columns=rules))
    for name in kinds:
        if name in (target, time, id_column):
            continue
        reason = unusable(typed[name], kinds[name]) or leak(typed[name], kinds[name], typed[target], task)
        if reason:
            left_out[name] = reason
            rules[name] = Rule(type=rules[name].type, format=rules[name].format, nullable=True)
        else:
            roles[name] = role_of(typed[name], kinds[name])
    numeric = [name for name, role in roles.items() if role == "numeric"]
    return Inferred(task, classes, rules, roles, left_out, leak_of_several(typed[numeric], typed[target], task))


def refuse_infinite(rows: pd.DataFrame, kinds: dict[str, str]) -> None:
    """Raise ProjectError that names the first column with infinite values: no model takes them."""
    for name, kind in kinds.items():
        is_number = kind in ("number", "integer") and pd.api.types.is_numeric_dtype(rows[name])
        infinite = int((rows[name].abs() == float("inf")).sum()) if is_number else 0
        if infinite:
            raise ProjectError(f"{name} is infinite in {infinite:,} of {len(rows):,} rows: leave these values empty")


def task_of(target: pd.Series, kind: str) -> tuple[Task, list[Any]]:
    """(the task, the classes in order)."""
    missing = int(target.isna().sum())
    if missing:
        raise ProjectError(f"{target.name} is missing in {missing:,} of {len(target):,} rows: leave those rows out")
    distinct = target.nunique()
    if distinct < 2:
        raise ProjectError(f"{target.name} has the same value in every row: there is nothing to predict")
    if kind == "datetime":
        raise ProjectError(f"{target.name} is a date: predict a number of days or a class instead")
    if kind == "number" or (kind == "integer" and distinct > MAX_CLASSES):
        return "regression", []
    if kind == "string" and distinct > max(MAX_CLASSES, len(target) // 20):
        raise ProjectError(f"{target.name} is text with {distinct:,} values: a class needs more rows than that")
    if kind == "boolean":
        return "classification", [False, True]
    values = target.astype("int64" if kind == "integer" else "str").unique()
    return "classification", sorted(value.item() if isinstance(value, np.generic) else value for value in values)


def stated(column: pd.Series, written: str) -> ColumnType:
    """The type of a column whose format the user gives. Raises ProjectError where a value is not written so."""
    name = "datetime" if "%" in written.rstrip("%") or written in EPOCHS else "number"
    try:
        rule = Rule.model_validate({"type": name, "format": written})
    except ValidationError as error:
        raise ProjectError(f"--format {column.name}={written}: {describe(error, Rule)}") from None
    values, wrong = convert(column, rule)
    if wrong.any():
        raise ProjectError(f"--format {column.name}={written}: {column[wrong].iloc[0]!s:.60} is not written so")
    whole = name == "number" and bool((values.dropna() % 1 == 0).all())
    return ColumnType("integer" if whole else name, written)


def rule_of(column: pd.Series, kind: ColumnType) -> Rule:
    """The rule: its type, whether values may be missing and, for numbers, the range seen, widened.

    A range is widened by its own length to both sides, but not below 0 where nothing negative was seen.
    """
    nullable = bool(column.isna().any())
    present = column.dropna()
    name = "number" if kind.name == "integer" and pd.api.types.is_float_dtype(column) else kind.name
    settings = {"type": name, "nullable": nullable, "format": kind.format}
    if name not in ("number", "integer") or present.empty:
        return Rule.model_validate(settings)
    low, high = float(present.min()), float(present.max())
    length = (high - low) or abs(high) or 1.0
    least = max(0.0, low - length) if low >= 0 else low - length
    return Rule.model_validate({**settings, "min": rounded(least, length), "max": rounded(high + length, length)})


def rounded(bound: float, length: float) -> float:
    """A bound to the second digit of the range's length: less would leave out what was seen where that is narrow."""
    return float(round(bound, 1 - math.floor(math.log10(length))))


def no_date(column: pd.Series) -> object:
    """The first value that keeps a column from being one of dates: where most are, that is not the first of all."""
    none = column[to_datetime(to_string(column)).isna() & column.notna()]
    return (none if 0 < len(none) < len(column) / 2 else column.dropna()).iloc[0]


def unusable(column: pd.Series, kind: str) -> str | None:
    """Why a column cannot be a feature, None where it can."""
    missing, distinct = column.isna().mean(), column.nunique()
    if missing > MAX_MISSING:
        return f"{missing:.0%} of its values are missing"
    if distinct <= 1:
        return "it has the same value in every row"
    if kind == "string" and names_rows(column) and not is_prose(column):
        return f"text that names the rows: {distinct:,} values in {len(column):,} rows"
    if kind == "integer" and distinct == len(column) and column.max() - column.min() + 1 == len(column):
        return "it numbers the rows"
    return None


def names_rows(column: pd.Series) -> bool:
    """Whether a text column has too many distinct values for a category."""
    return column.nunique() > max(50, MAX_TEXTS * len(column))


def is_prose(column: pd.Series) -> bool:
    """Whether a text column is made of words, as a comment or a title is: three or more in half of its values."""
    return bool(column.dropna().str.count(r"\S+").median() >= PROSE_WORDS)


def role_of(column: pd.Series, kind: str) -> str:
    """The kind of feature: numeric, categorical, dates or text."""
    if kind == "string":
        return "text" if names_rows(column) and is_prose(column) else "categorical"
    return "dates" if kind == "datetime" else "numeric"
