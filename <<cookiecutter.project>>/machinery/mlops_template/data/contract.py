"""`contract.yaml`: what every row must satisfy, checked with pandera. Yours to change."""

import re
import unicodedata
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pandera.errors
import pandera.pandas as pa
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ..errors import ProjectError
from ..settings.params import Columns, describe
from ..settings.paths import CONTRACT, PARAMS

EXAMPLES = 5

NUMBERS = {
    "1,234.5": (",", "."),
    "1.234,5": (".", ","),
    "1 234,5": (" ", ","),
    "1'234.5": ("'", "."),
    "1234,5": ("", ","),
}
"""How numbers are written as text, other than 1234.5: (what stands between thousands, the decimal sign)."""

PLAIN_NUMBER = "1234.5"
PERCENT = "5 %"
"""The format of a number with a sign of per cent, which is left out: 5 % is 5."""

FORMATS = " | ".join((*NUMBERS, PERCENT, "any of these with the sign of a currency, as in $1234.5"))
"""The formats of numbers, for people."""

TRUTHS = {"true": True, "t": True, "yes": True, "y": True, "1": True, "1.0": True}
TRUTHS |= {"false": False, "f": False, "no": False, "n": False, "0": False, "0.0": False}

ABSENT = ["", "NA", "N/A", "n/a", "#NA", "#N/A", "#N/A N/A", "null", "NULL", "nan", "NaN", "-nan", "-NaN"]
ABSENT += ["<NA>", "None", "none", "NONE", "N.A.", "n.a.", "?", "-", "--", "."]
ABSENT += ["1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"]
ABSENT += ["#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!"]
"""How programs write that a number, date or truth is missing. As a text only the first is: `NA` is also Namibia."""


EXACT = 2**53
"""Beyond it not every whole number is one of floating point."""


class Rule(BaseModel):
    """What the values of one column must satisfy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["number", "integer", "string", "boolean", "datetime"]
    min: float | None = None
    max: float | None = None
    allowed: list[bool | int | float | str] | None = None
    nullable: bool = False
    unique: bool = False
    format: str | None = None
    """How text is written: a datetime such as %d/%m/%Y, ISO 8601 by default; a number as one of `NUMBERS`, or 5 %."""

    @model_validator(mode="after")
    def _fits_the_type(self) -> "Rule":
        if self.type not in ("number", "integer") and (self.min is not None or self.max is not None):
            raise ValueError(f"min and max are for numbers, not for a {self.type}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"no value is at least {self.min:g} and at most {self.max:g}: are min and max swapped?")
        if self.allowed == []:
            raise ValueError("allowed is empty, so that no value is: name the values, or leave it out")
        if self.format is not None and self.type not in ("datetime", "number", "integer"):
            raise ValueError(f"format is for a datetime or a number, not for a {self.type}")
        if self.format is not None and self.type != "datetime" and not is_number_format(self.format):
            raise ValueError(f"a number is not written as {self.format}, but as {FORMATS}")
        return self


class Contract(BaseModel):
    """The rules of all columns; a column without one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: dict[str, Rule]


@dataclass(frozen=True)
class Violation:
    """A rule that some rows break, with the first few of them."""

    column: str
    rule: str
    rows: int
    examples: list[str]


def load_contract(path: Path = CONTRACT) -> Contract:
    """Read `contract.yaml`. Raises ProjectError that names the rule which is wrong."""
    try:
        return Contract.model_validate(YAML(typ="safe").load(path))
    except FileNotFoundError:
        raise ProjectError(f"{path} is missing: restore it with `git checkout {path}`") from None
    except YAMLError as error:
        raise ProjectError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise ProjectError(f"{path}: {describe(error, Contract)}") from None


def refuse_gaps(columns: Columns, contract: Contract) -> None:
    """Raise ProjectError when the contract lacks the id, the time or the target; a feature may be a derived column."""
    named = [columns.id, columns.target, *([columns.time] if columns.time else [])]
    unknown = [name for name in named if name not in contract.columns]
    if unknown:
        raise ProjectError(
            f"{PARAMS} names {', '.join(unknown)}, but {CONTRACT} has no such column: correct one of them"
        )


def conform(rows: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """The rows in the contract's order of columns and with its types, as far as their values have them.

    A column with a value of another type is left as it came; `check` then names the value.
    """
    present = [name for name in contract.columns if name in rows]
    columns: dict[Any, pd.Series] = {}
    for name in present:
        column, wrong = convert(rows[name], contract.columns[name])
        columns[name] = rows[name] if wrong.any() else column
    columns |= {name: rows[name] for name in rows if name not in contract.columns}
    return pd.DataFrame(columns, index=rows.index, copy=False)


def check(rows: pd.DataFrame, contract: Contract, id_column: str) -> list[Violation]:
    """Every rule that the rows break; columns are expected as `conform` leaves them."""
    violations = [Violation(name, "is missing", len(rows), []) for name in contract.columns if name not in rows] + [
        Violation(
            str(name), "is not in the contract", len(rows), examples(rows, rows[name].notna(), id_column, str(name))
        )
        for name in rows
        if name not in contract.columns
    ]
    schema = {}
    for name, rule in contract.columns.items():
        if name not in rows:
            continue
        wrong = convert(rows[name], rule)[1]
        if wrong.any():
            violations.append(violation(rows, wrong, id_column, name, f"type is {rule.type}"))
        else:
            schema[name] = pa.Column(None, checks_of(rule), nullable=rule.nullable, unique=rule.unique)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pa.DataFrameSchema(schema).validate(rows, lazy=True, inplace=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        for (name, rule_name), group in cases.groupby(["column", "check"], sort=False):
            broken = rows.index.isin(group["index"].dropna())
            label = {"not_nullable": "is not null", "field_uniqueness": "is unique"}.get(str(rule_name), str(rule_name))
            violations.append(violation(rows, pd.Series(broken, index=rows.index), id_column, str(name), label))
    return violations


def checks_of(rule: Rule) -> list[pa.Check]:
    """The rule's range and set of values as pandera checks, named as the contract names them."""
    checks = []
    if rule.min is not None:
        checks.append(pa.Check.ge(rule.min, error=f"min is {rule.min:g}"))
    if rule.max is not None:
        checks.append(pa.Check.le(rule.max, error=f"max is {rule.max:g}"))
    if rule.allowed is not None:
        checks.append(pa.Check.isin(rule.allowed, error=f"allowed are {', '.join(map(str, rule.allowed))}"))
    return checks


def violation(rows: pd.DataFrame, broken: pd.Series, id_column: str, column: str, rule: str) -> Violation:
    """The rows of a mask, as what they break."""
    return Violation(column, rule, int(broken.sum()), examples(rows, broken, id_column, column))


def examples(rows: pd.DataFrame, chosen: pd.Series, id_column: str, column: str) -> list[str]:
    """The first few rows of a mask: `id: value`."""
    first = rows[chosen.to_numpy()].head(EXAMPLES)
    ids = first.get(id_column, first.index)
    return [f"{name}: {value!s:.60}" for name, value in zip(ids, first[column], strict=True)]


DIGITS, YEAR = "%Y%m%d", "%Y"
"""The formats of dates that may come as numbers."""

SECONDS, MILLISECONDS = "seconds since 1970", "milliseconds since 1970"
EPOCHS: dict[str | None, Literal["s", "ms"]] = {SECONDS: "s", MILLISECONDS: "ms"}
"""The formats of moments that are a number of units: the unit."""

UTC = r"(?<=\d) (?:UTC|GMT)\s*$"
"""How BigQuery and others end a moment."""


def convert(column: pd.Series, rule: Rule) -> tuple[pd.Series, pd.Series]:
    """(the column with the rule's type, mask of the values that do not have it); what is infinite is no number."""
    converters: dict[str, Callable[[pd.Series], pd.Series]] = {
        "number": lambda texts: to_number(texts, rule.format),
        "integer": lambda texts: to_integer(texts, rule.format),
        "string": to_string,
        "boolean": to_boolean,
        "datetime": lambda texts: to_datetime(texts, rule.format),
    }
    column = column if rule.type == "string" else with_gaps(column)
    converted = converters[rule.type](column)
    wrong = converted.isna() & column.notna()
    if rule.type == "number":
        wrong |= converted.abs() == float("inf")
    return converted, wrong


def is_exact(low: int, high: int) -> bool:
    """Whether floating point holds each whole number between the two."""
    return max(-low, high) <= EXACT


def with_gaps(column: pd.Series) -> pd.Series:
    """Numbers, dates or truths, missing where a text says so."""
    return column.mask(column.isin(ABSENT)) if column.dtype == "str" else column


def to_number(column: pd.Series, written: str | None = None) -> pd.Series:
    """float64; a date is no number. `written`: the format of text."""
    if column.dtype == "float64":
        return column
    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.Series(float("nan"), index=column.index)
    if written and column.dtype == "str":
        column = plain_numbers(column, written)
    numbers: pd.Series[Any] = pd.to_numeric(column, errors="coerce")
    return numbers.astype("float64")


def currency_of(text: str) -> str | None:
    """The sign of a currency in a text, None where there is none."""
    return next((sign for sign in text if unicodedata.category(sign) == "Sc"), None)


def is_number_format(written: str) -> bool:
    """Whether numbers may be written so."""
    sign = currency_of(written)
    plain = written.replace(sign, "", 1).strip() if sign else written
    return plain in NUMBERS or (plain == PLAIN_NUMBER if sign else plain == PERCENT)


def plain_numbers(texts: pd.Series, written: str) -> pd.Series:
    """Numbers written in a format, as 1234.5; missing where a text is not written so.

    With the sign of a currency, which stands before or behind the number, brackets are a minus, as in ($5.00).
    """
    sign = currency_of(written)
    if sign:
        texts = texts.str.replace(r"^\s*\((.*)\)\s*$", r"-\1", regex=True)
        number, mark = r"(\d(?:[\d.,' ]*\d)?)", re.escape(sign)
        around = rf"^\s*([+-]?)\s*(?:{mark}\s*([+-]?){number}|{number}\s*{mark})\s*$"
        texts = texts.str.extract(around).fillna("").sum(axis=1).where(texts.notna())
        written = written.replace(sign, "", 1).strip()
        if written == PLAIN_NUMBER:
            return texts.where(texts.str.fullmatch(r"[+-]?\d+(?:\.\d+)?").fillna(False).astype("bool"))
    texts = texts.str.strip()
    if written == PERCENT:
        return texts.str.extract(r"^([+-]?\d+(?:\.\d+)?)\s*%$", expand=False)
    thousands, decimal = NUMBERS[written]
    groups = rf"[1-9]\d{{0,2}}(?:{re.escape(thousands)}\d{{3}})+|\d+" if thousands else r"\d+"
    fits = texts.str.fullmatch(rf"[+-]?(?:{groups})(?:{re.escape(decimal)}\d+)?").fillna(False).astype("bool")
    if thousands:
        texts = texts.str.replace(thousands, "", regex=False)
    return texts.str.replace(decimal, ".", regex=False).where(fits)


def to_integer(column: pd.Series, written: str | None = None) -> pd.Series:
    """int64, or float64 where values are missing; 1.5 is none. `written`: the format of text."""
    if pd.api.types.is_integer_dtype(column) and not column.hasnans:
        return column.astype("int64")
    if column.dtype == "str" and not written:
        exact = pd.to_numeric(column, errors="coerce")
        if exact.dtype == "int64":
            return exact
    numbers = to_number(column, written)
    whole = numbers.where(numbers % 1 == 0)
    return whole if whole.hasnans else whole.astype("int64")


def to_string(column: pd.Series) -> pd.Series:
    """Text; whole numbers that a missing value made into floats are written without `.0`."""
    if column.dtype == "str":
        return column
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    return column.astype("str").where(column.notna())


def to_boolean(column: pd.Series) -> pd.Series:
    """True and False, also from yes and no or 1 and 0; pandas' `boolean` where a value is missing."""
    if not pd.api.types.is_bool_dtype(column):
        column = column.astype("str").str.lower().map(TRUTHS).where(column.notna()).astype("boolean")
    return column if column.hasnans else column.astype("bool")


def to_datetime(column: pd.Series, written: str | None = None) -> pd.Series:
    """Moments without a time zone, those with one in UTC. `written`: the format of text.

    A bare number is none, but for 20240131, 2024 or a number of seconds where the format says so.
    """
    if written in EPOCHS and not pd.api.types.is_datetime64_any_dtype(column):
        return pd.to_datetime(to_number(column), unit=EPOCHS[written], errors="coerce").astype("datetime64[us]")
    if pd.api.types.is_numeric_dtype(column) and written in (DIGITS, YEAR):
        column = to_string(column)
    elif pd.api.types.is_numeric_dtype(column):
        return pd.Series(pd.NaT, index=column.index, dtype="datetime64[us]")
    if not pd.api.types.is_datetime64_any_dtype(column):
        texts = column.astype("str")
        if not written:
            texts = texts.str.replace(UTC, "Z", regex=True)
        zoned = bool(texts.str.contains(r"\d(?:Z|[+-]\d\d:?\d\d)\s*$", regex=True, na=False).any())
        column = pd.to_datetime(texts.where(column.notna()), errors="coerce", utc=zoned, format=written or "ISO8601")
    if column.dt.tz is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return column.astype("datetime64[us]")
