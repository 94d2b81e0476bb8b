"""A request's body as the arrays that the model takes, or one sentence on what is wrong with it.

All of a body is decoded and checked in one pass by msgspec, then turned into arrays column by column.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from ..errors import ProjectError
from .model_code import INPUTS, ModelCode
from .schema import Column, Schema

MAX_NUMBER = 3.4028235e38
"""The model computes in single precision: what is beyond would become infinite."""

PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$(?:\[(?P<row>\d+)\])?(?:\.(?P<column>.*))?`)?", re.DOTALL)
FIELD = re.compile(r"Object (?P<how>missing required|contains unknown) field `(?P<column>.*)`", re.DOTALL)
FIELD_IN_LIST = re.compile(rf"{FIELD.pattern} - at `\$\[(?P<row>\d+)\]`", re.DOTALL)
"""As in a list of rows: since an unknown name may look like a place, only the last place is one."""

MAX_NAME_LENGTH = 100
"""Characters of a column's name that are repeated."""

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


class RequestRejected(Exception):
    """A request that gets no answer, with the HTTP status, and row (from 0) and column where they are known."""

    def __init__(self, status: int, detail: str, row: int | None = None, column: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.row, self.column = status, detail, row, column


@dataclass(frozen=True)
class Batch:
    """Rows as the model takes them, and what is unusual about them."""

    numbers: NDArray[np.float64]
    """[rows, numeric columns then dates], NaN where a value is missing."""
    categories: NDArray[np.object_]
    """[rows, categorical columns then texts]"""
    missing: dict[str, int]
    """Absent values by column, where there are any."""
    unseen: dict[str, int]
    """Values by column that the model was not trained on, where there are any."""
    ids: list[Any] | None = None
    """The contract's id of each row, None where no row has one."""


class Values(NamedTuple):
    """The checked values of a request's rows."""

    rows: list[tuple[Any, ...]]
    ids: list[Any] | None
    """As in `Batch`."""
    missing: dict[str, int]
    """As in `Batch`, where inputs are derived."""


@dataclass(frozen=True)
class Derivation:
    """How a model with derived inputs gets them."""

    compute: Callable[[list[tuple[Any, ...]], list[str]], tuple[NDArray[np.float64], NDArray[np.object_]]]
    """From rows of values, and the columns' names, to numbers and categories as in `Batch`. Raises ProjectError."""
    upcast: frozenset[str]
    """The columns that pandas gives another type where a value is absent: whole numbers and booleans."""


class Omissions:
    """Counts the colons that are not there because columns were left out, for which msgspec fills in values."""

    def __init__(self) -> None:
        self.colons = 0

    def __call__(self, colons: int) -> None:
        self.colons += colons


class Decoder:
    """Turns bodies into batches, by the transform that the model carries; with `derivation`, by its features, too."""

    def __init__(self, schema: Schema, max_rows: int, code: ModelCode, derivation: Derivation | None = None) -> None:
        self.numbers, self.categories, self.max_rows = schema.numbers, schema.categories, max_rows
        self.transform, self.derivation = code.module(INPUTS), derivation
        columns = list(enumerate(schema.ordered))
        self.names = [column.name for _, column in columns]
        self.id_place = place_of_id(schema)
        names = [*self.names, *([schema.id] if self.id_place == len(columns) and schema.id else [])]
        self.colons = sum(map(colons_of, names))
        self.colons_in_names = self.colons > len(names)
        self.texts = [place for place, column in columns if column.type in ("string", "datetime")]
        if self.id_place == len(columns):
            self.texts.append(self.id_place)
        self.dates = [
            (place, column) for place, column in columns if column.kind == "date" or column.type == "datetime"
        ]
        self.limited = [
            (place, column, {*column.allowed, None} if column.nullable else set(column.allowed))
            for place, column in columns
            if column.allowed is not None
        ]
        self.nullable = [(place, column.name) for place, column in columns if column.nullable]
        self.omissions = Omissions()
        row = row_type(schema, self.omissions)
        self.one = msgspec.json.Decoder(row)
        self.many = msgspec.json.Decoder(Annotated[list[row], Meta(min_length=1, max_length=max_rows)])  # type: ignore[valid-type]
        missing = self.transform.MISSING
        self.known = [None if column.known is None else {*column.known, missing} for column in self.categories]
        self.as_category = [
            self.transform.as_text if column.kind == "text" else self.transform.as_category
            for column in self.categories
        ]

    def __call__(self, body: bytes) -> Batch:
        """The batch that a body holds. Raises RequestRejected."""
        return self.batches([self.values(body)])[0]

    def values(self, body: bytes) -> Values:
        """The values that a body holds, each checked by itself. Raises RequestRejected."""
        rows = self.rows(body)
        for place, column, allowed in self.limited:
            if not allowed.issuperset([row[place] for row in rows]):
                refuse_others(rows, place, column, allowed)
        ids = None if self.id_place is None else [row[self.id_place] for row in rows]
        if ids and ids.count(None) == len(ids):
            ids = None
        if self.derivation is None:
            return Values(rows, ids, {})
        if self.id_place == len(self.names):
            rows = [row[:-1] for row in rows]
        missing = {name: sum(row[place] is None for row in rows) for place, name in self.nullable}
        if self.dates:
            rows = [self.with_moments(number, row, self.transform.as_moment) for number, row in enumerate(rows)]
        return Values(rows, ids, {name: count for name, count in missing.items() if count})

    def upcast(self, values: Values) -> list[str]:
        """The columns whose type is another in this request, since it lacks a value there."""
        columns = self.derivation.upcast if self.derivation else frozenset()
        return [name for name in values.missing if name in columns]

    def batches(self, requests: list[Values]) -> list[Batch]:
        """A batch for each of some requests. Raises RequestRejected where one of them has none.

        Inputs are derived for all of them at once: they must be alike in `upcast`, or the type of a column that one
        request lacks a value in would be another for the next.
        """
        if self.derivation is None:
            return [self.batch(values) for values in requests]
        try:
            numbers, categories = self.derivation.compute(
                [row for values in requests for row in values.rows], self.names
            )
        except ProjectError as error:
            raise RequestRejected(422, f"the model's features cannot be computed: {error}") from None
        batches, start = [], 0
        for values in requests:
            own = slice(start, start := start + len(values.rows))
            batches.append(Batch(numbers[own], categories[own], values.missing, {}, values.ids))
        return batches

    def batch(self, values: Values) -> Batch:
        """The batch of a model without derived inputs. Raises RequestRejected."""
        numbers, missing = self.as_numbers(values.rows)
        categories, unseen = self.as_categories(values.rows, missing)
        return Batch(numbers, categories, missing, unseen, values.ids)

    def rows(self, body: bytes) -> list[tuple[Any, ...]]:
        """The values of each row, numbers before categories."""
        self.omissions.colons = 0
        several = body.lstrip()[:1] == b"["
        try:
            decoded = self.many.decode(body) if several else [self.one.decode(body)]
        except msgspec.ValidationError as error:
            raise self.refusal(str(error), several) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RequestRejected(
                400, f"the body is no JSON: {str(error).removeprefix('JSON is malformed: ')}"
            ) from None
        rows = list(map(msgspec.structs.astuple, decoded))
        surplus = colons(body) - len(rows) * self.colons + self.omissions.colons
        if (surplus or self.colons_in_names) and not self.explains(surplus, rows, body):
            refuse_columns_given_twice(body)
        return rows

    def explains(self, surplus: int, rows: list[tuple[Any, ...]], body: bytes) -> bool:
        """Whether the texts in rows hold all the colons beside those that the columns need, so that none comes twice.

        Where one may be escaped, which makes up for one too many, it does not tell.
        """
        if b"\\u003a" in body or b"\\u003A" in body:
            return False
        texts = [row[place] for row in rows for place in self.texts]
        return "".join([text for text in texts if isinstance(text, str)]).count(":") == surplus

    def refusal(self, message: str, several: bool) -> RequestRejected:
        """What msgspec found in one row or in several, in the words of whoever sent it."""
        row: str | None
        column: str | None
        field = (FIELD_IN_LIST if several else FIELD).fullmatch(message)
        if field:
            row, column = field["row"] if several else None, shortened(field["column"])
            what = "is missing" if field["how"] == "missing required" else "is no column of this model"
        else:
            parts = PLACE.fullmatch(message)
            what, row, column = parts.group("what", "row", "column") if parts else (message, None, None)
            if what.startswith("Expected `array` of length"):
                return RequestRejected(422, f"a request holds 1 to {self.max_rows:,} rows")
            for technical, plain in WORDS.items():
                what = re.sub(technical, plain, what)
        where = [f"row {row}"] * (row is not None) + [f"column {column}"] * (column is not None)
        return RequestRejected(422, ": ".join([*where, what]), None if row is None else int(row), column)

    def as_numbers(self, rows: list[tuple[Any, ...]]) -> tuple[NDArray[np.float64], dict[str, int]]:
        """Numbers and days since 1970, and how many of each column are missing."""
        width = len(self.numbers)
        if self.dates:
            rows = [self.with_moments(number, row, self.days) for number, row in enumerate(rows)]
        numbers = np.array([row[:width] for row in rows], dtype=np.float64).reshape(len(rows), width)
        gaps = np.isnan(numbers)
        if not gaps.any():
            return numbers, {}
        absent = gaps.sum(axis=0).tolist()
        return numbers, {column.name: count for column, count in zip(self.numbers, absent, strict=True) if count}

    def days(self, text: str, written: str | None) -> float:
        """The days since 1970 of a date. Raises ValueError when it is none."""
        days: float = self.transform.as_days(self.transform.as_moment(text, written))
        return days

    def with_moments(
        self, number: int, row: tuple[Any, ...], convert: Callable[[str, str | None], Any]
    ) -> tuple[Any, ...]:
        """A row with its dates converted. Raises RequestRejected where one is none."""
        changed = list(row)
        for place, column in self.dates:
            if row[place] is not None:
                try:
                    changed[place] = convert(row[place], column.format)
                except ValueError:
                    written = f" or like {column.format}" if column.format else ""
                    raise RequestRejected(
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
        for number, (column, categories_seen) in enumerate(zip(self.categories, self.known, strict=True)):
            place = len(self.numbers) + number
            values = [row[place] for row in rows]
            if column.nullable and None in values:
                missing[column.name] = values.count(None)
            if column.nullable or column.type != "string":
                values = list(map(self.as_category[number], values))
            if categories_seen is not None and not categories_seen.issuperset(values):
                unseen[column.name] = sum(value not in categories_seen for value in values)
            categories[:, number] = values
        return categories, unseen


def shortened(name: str) -> str:
    """A name that may be as long as a body, to be repeated."""
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[:MAX_NAME_LENGTH]}…"


def place_of_id(schema: Schema) -> int | None:
    """Where the contract's id stands in a decoded row: behind the columns, if it is none of them."""
    names = [column.name for column in schema.ordered]
    if schema.id is None:
        return None
    return names.index(schema.id) if schema.id in names else len(names)


def colons_of(name: str) -> int:
    """How many a row has for a column: the one before the value, and those within the name."""
    return 1 + name.count(":")


def colons(body: bytes) -> int:
    """How many there are: one for each value of flat rows, and those within names and texts."""
    if len(body) < 2000:
        return body.count(b":")
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord(":")))  # several times as fast on long ones


def refuse_others(rows: list[tuple[Any, ...]], place: int, column: Column, allowed: set[Any]) -> None:
    """Raise RequestRejected for the first value that is none of those that the contract allows."""
    for number, row in enumerate(rows):
        if row[place] not in allowed:
            listed = ", ".join(str(value) for value in column.allowed or ())
            what = f"row {number}: column {column.name}: {row[place]!r:.60} is none of {listed:.1000}"
            raise RequestRejected(422, what, number, column.name)


def row_type(schema: Schema, omitted: Callable[[int], None]) -> type[msgspec.Struct]:
    """A row as msgspec decodes it: numbers before categories; `omitted` is told the colons of each one left out."""
    columns = schema.ordered
    names = {f"c{number}": column.name for number, column in enumerate(columns)}
    fields: list[Any] = []
    for field, column in zip(names, columns, strict=True):
        if column.nullable:
            left_out = partial(omitted, colons_of(column.name))
            fields.append((field, value_type(column) | None, msgspec.field(default_factory=left_out)))
        else:
            fields.append((field, value_type(column)))
    if schema.id is not None and place_of_id(schema) == len(columns):
        names["id"] = schema.id
        fields.append(("id", str | int | None, msgspec.field(default_factory=partial(omitted, colons_of(schema.id)))))
    return msgspec.defstruct(
        "Row", fields, rename=names.get, kw_only=True, frozen=True, gc=False, forbid_unknown_fields=True
    )


def value_type(column: Column) -> Any:
    """What msgspec checks of one value by itself."""
    low = -MAX_NUMBER if column.min is None else column.min
    high = MAX_NUMBER if column.max is None else column.max
    if column.type == "boolean":
        return bool
    if column.type in ("string", "datetime"):
        return str
    if column.type == "number":
        return Annotated[float, Meta(ge=low, le=high)]
    whole: Any = Annotated[float, Meta(ge=low, le=high, multiple_of=1.0)]
    if column.kind in ("numeric", "source"):
        return whole
    return Annotated[int, Meta(ge=max(math.ceil(low), -(2**63)), le=min(math.floor(high), 2**63 - 1))] | whole


def refuse_columns_given_twice(body: bytes) -> None:
    """Raise RequestRejected when an object of the body, which is known to be JSON, holds a name twice."""

    def unique(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise RequestRejected(422, f"column {name}: is given twice in a row", column=name)

    json.loads(body, object_pairs_hook=unique)
