"""A request's body as the arrays that the model takes, or one sentence on what is wrong with it.

All of a body is decoded and checked in one pass by msgspec, then turned into arrays column by column.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from .schema import MISSING, Column, Schema, as_category, as_days

LARGEST = 3.4028235e38
"""The model computes in single precision: what is beyond would become infinite."""

PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$(?:\[(?P<row>\d+)\])?(?:\.(?P<column>.*))?`)?$", re.DOTALL)
FIELD = re.compile(r"^Object (?:missing required|contains unknown) field `(?P<column>.*)`$", re.DOTALL)
WORDS = {
    r"\barray\b": "list",
    r"\b(float|int)\b": "number",
    r"\bstr\b": "string",
    r"\bbool\b": "boolean",
    r"number \| number": "number",
    r" \| ": " or ",
    "`": "",
    "^Expected": "expected",
    "^Number": "number",
    " that's a multiple of 1.0": " without a fraction",
}


class Refused(Exception):
    """A request that gets no answer, with the HTTP status, and row (from 0) and column where they are known."""

    def __init__(self, status: int, detail: str, row: int | None = None, column: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.row, self.column = status, detail, row, column


@dataclass(frozen=True)
class Batch:
    """Rows as the model takes them, and what is unusual about them."""

    numbers: NDArray[np.float64]
    """[rows, numbers], NaN where a value is missing."""
    categories: NDArray[np.object_]
    """[rows, categories]"""
    missing: dict[str, int]
    """Absent values by column, where there are any."""
    unseen: dict[str, int]
    """Values by column that the model was not trained on, where there are any."""


class Omissions:
    """Counts the values that msgspec fills in for columns that were left out."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


class Decoder:
    """Turns bodies into batches."""

    def __init__(self, schema: Schema, max_rows: int) -> None:
        self.numbers, self.categories, self.max_rows = schema.numbers, schema.categories, max_rows
        self.width = len(schema.columns)
        self.dates = [place for place, column in enumerate(self.numbers) if column.kind == "date"]
        self.limited = [
            (place, column, {*column.allowed, None} if column.nullable else set(column.allowed))
            for place, column in enumerate(self.numbers + self.categories)
            if column.allowed is not None
        ]
        self.omissions = Omissions()
        row = row_type(schema, self.omissions)
        self.one = msgspec.json.Decoder(row)
        self.many = msgspec.json.Decoder(Annotated[list[row], Meta(min_length=1, max_length=max_rows)])  # type: ignore[valid-type]
        self.known = [None if column.known is None else {*column.known, MISSING} for column in self.categories]

    def __call__(self, body: bytes) -> Batch:
        """The batch that a body holds. Raises Refused."""
        rows = self.rows(body)
        for place, column, allowed in self.limited:
            if not allowed.issuperset([row[place] for row in rows]):
                refuse_others(rows, place, column, allowed)
        numbers, missing = self.as_numbers(rows)
        categories, unseen = self.as_categories(rows, missing)
        return Batch(numbers, categories, missing, unseen)

    def rows(self, body: bytes) -> list[tuple[Any, ...]]:
        """The values of each row, numbers before categories."""
        self.omissions.count = 0
        try:
            found = self.many.decode(body) if body.lstrip()[:1] == b"[" else [self.one.decode(body)]
        except msgspec.ValidationError as error:
            raise self.refusal(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(400, f"the body is no JSON: {str(error).removeprefix('JSON is malformed: ')}") from None
        if colons(body) != len(found) * self.width - self.omissions.count:
            refuse_columns_given_twice(body)
        return list(map(msgspec.structs.astuple, found))

    def refusal(self, message: str) -> Refused:
        """What msgspec found, in the words of whoever sent it."""
        parts = PLACE.match(message)
        what, row, column = parts.group("what", "row", "column") if parts else (message, None, None)
        if what.startswith("Expected `array` of length"):
            return Refused(422, f"a request holds 1 to {self.max_rows:,} rows")
        field = FIELD.match(what)
        if field:
            column = field["column"]
            what = "is missing" if "missing" in what.partition("`")[0] else "is no column of this model"
        for technical, plain in WORDS.items():
            what = re.sub(technical, plain, what)
        where = [f"row {row}"] * (row is not None) + [f"column {column}"] * (column is not None)
        return Refused(422, ": ".join([*where, what]), None if row is None else int(row), column)

    def as_numbers(self, rows: list[tuple[Any, ...]]) -> tuple[NDArray[np.float64], dict[str, int]]:
        """Numbers and days since 1970, and how many of each column are missing."""
        width = len(self.numbers)
        if self.dates:
            rows = [self.with_days(number, row) for number, row in enumerate(rows)]
        numbers = np.array([row[:width] for row in rows], dtype=np.float64).reshape(len(rows), width)
        gaps = np.isnan(numbers)
        if not gaps.any():
            return numbers, {}
        absent = gaps.sum(axis=0).tolist()
        return numbers, {column.name: count for column, count in zip(self.numbers, absent, strict=True) if count}

    def with_days(self, number: int, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """A row with its dates as numbers."""
        changed = list(row)
        for place in self.dates:
            column = self.numbers[place]
            if row[place] is not None:
                try:
                    changed[place] = as_days(row[place], column.format)
                except ValueError:
                    written = f" or like {column.format}" if column.format else ""
                    raise Refused(
                        422,
                        f"row {number}: column {column.name}: {row[place]!r:.60} is no date in ISO 8601{written}",
                        number,
                        column.name,
                    ) from None
        return tuple(changed)

    def as_categories(
        self, rows: list[tuple[Any, ...]], missing: dict[str, int]
    ) -> tuple[NDArray[np.object_], dict[str, int]]:
        """Categories as text, and how many of each column were never seen; those that are absent go to `missing`."""
        categories = np.empty((len(rows), len(self.categories)), dtype=object)
        unseen: dict[str, int] = {}
        for number, (column, known) in enumerate(zip(self.categories, self.known, strict=True)):
            place = len(self.numbers) + number
            values = [row[place] for row in rows]
            if column.nullable and None in values:
                missing[column.name] = values.count(None)
            if column.nullable or column.type != "string":
                values = [as_category(value) for value in values]
            if known is not None and not known.issuperset(values):
                unseen[column.name] = sum(value not in known for value in values)
            categories[:, number] = values
        return categories, unseen


def colons(body: bytes) -> int:
    """How many there are: one for each value of flat rows, and those within texts."""
    if len(body) < 2000:
        return body.count(b":")
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord(":")))  # several times as fast on long ones


def refuse_others(rows: list[tuple[Any, ...]], place: int, column: Column, allowed: set[Any]) -> None:
    """Raise Refused for the first value that is none of those that the contract allows."""
    for number, row in enumerate(rows):
        if row[place] not in allowed:
            listed = ", ".join(str(value) for value in column.allowed or ())
            what = f"row {number}: column {column.name}: {row[place]!r:.60} is none of {listed:.1000}"
            raise Refused(422, what, number, column.name)


def row_type(schema: Schema, omitted: Callable[[], None]) -> type[msgspec.Struct]:
    """A row as msgspec decodes it: numbers before categories; `omitted` is called for each nullable one left out."""
    columns = schema.numbers + schema.categories
    names = {f"c{number}": column.name for number, column in enumerate(columns)}
    fields: list[Any] = []
    for field, column in zip(names, columns, strict=True):
        if column.nullable:
            fields.append((field, value_type(column) | None, msgspec.field(default_factory=omitted)))
        else:
            fields.append((field, value_type(column)))
    return msgspec.defstruct(
        "Row", fields, rename=names.get, kw_only=True, frozen=True, gc=False, forbid_unknown_fields=True
    )


def value_type(column: Column) -> Any:
    """What msgspec checks of one value by itself."""
    low = -LARGEST if column.min is None else column.min
    high = LARGEST if column.max is None else column.max
    if column.type == "boolean":
        return bool
    if column.type in ("string", "datetime"):
        return str
    if column.type == "number":
        return Annotated[float, Meta(ge=low, le=high)]
    whole: Any = Annotated[float, Meta(ge=low, le=high, multiple_of=1.0)]
    if column.kind == "numeric":
        return whole
    return Annotated[int, Meta(ge=max(math.ceil(low), -(2**63)), le=min(math.floor(high), 2**63 - 1))] | whole


def refuse_columns_given_twice(body: bytes) -> None:
    """Raise Refused when an object of the body, which is known to be JSON, holds a name twice."""

    def unique(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise Refused(422, f"column {name}: is given twice in a row", column=name)

    json.loads(body, object_pairs_hook=unique)
