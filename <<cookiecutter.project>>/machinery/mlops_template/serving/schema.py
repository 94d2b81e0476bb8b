"""`schema.json`: the columns of a row as the service takes it."""

import re
from pathlib import Path
from typing import Literal

import msgspec

from ..errors import ProjectError
from .files import SCHEMA_FILE

Kind = Literal["numeric", "categorical", "date", "text", "source"]
"""An input of the model or, as `source`, a column that derived inputs are computed from and nothing else."""

Type = Literal["number", "integer", "string", "boolean", "datetime"]
Value = bool | int | float | str

UNNAMEABLE = re.compile(r'["\\\x00-\x1f]')
"""What msgspec takes in the name of no field."""

TAKEN: dict[str, tuple[Type, ...]] = {
    "numeric": ("number", "integer", "boolean"),
    "categorical": ("string", "integer", "number", "boolean"),
    "date": ("datetime", "string"),
    "text": ("string",),
    "source": ("number", "integer", "string", "boolean", "datetime"),
}


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a row."""

    name: str
    kind: Kind
    type: Type
    min: float | None = None
    max: float | None = None
    allowed: list[Value] | None = None
    nullable: bool = False
    format: str | None = None
    """How a date is written beside ISO 8601, as for `strptime`."""
    example: Value | None = None
    known: list[str] | None = None
    """The categories that the model was trained on, as text; others are answered, and counted."""


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a row, in the order in which they are shown."""

    columns: list[Column]
    id: str | None = None
    """The contract's id column: a row may have it, so that its outcome can be told by it. It is no input."""
    task: Literal["classification", "regression"]

    def of_kind(self, kind: Kind) -> list[Column]:
        """The columns of a kind, in order."""
        return [column for column in self.columns if column.kind == kind]

    @property
    def numbers(self) -> list[Column]:
        """What the model takes as numbers: numeric columns, then dates."""
        return self.of_kind("numeric") + self.of_kind("date")

    @property
    def categories(self) -> list[Column]:
        """What the model takes as text: categorical columns, then texts."""
        return self.of_kind("categorical") + self.of_kind("text")

    @property
    def ordered(self) -> list[Column]:
        """All columns, in the order in which a request is decoded."""
        return self.numbers + self.categories + self.of_kind("source")


def load_schema(directory: Path) -> Schema:
    """Read `schema.json`. Raises ProjectError when it is damaged or holds what cannot be served."""
    path = directory / SCHEMA_FILE
    try:
        schema = msgspec.json.decode(path.read_bytes(), type=Schema)
    except OSError as error:
        raise ProjectError(f"{path} cannot be read ({error.strerror}): make it with `deploy package`") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} is damaged ({error}): make it again with `deploy package`") from None
    if schema.id is not None and UNNAMEABLE.search(schema.id):
        schema = msgspec.structs.replace(schema, id=None)
    for column in schema.columns:
        if column.type not in TAKEN[column.kind]:
            raise ProjectError(
                f"{column.name} is {column.kind} in params.yaml, but a {column.type} in contract.yaml: "
                "correct one of them"
            )
        if UNNAMEABLE.search(column.name):
            raise ProjectError(
                f"the column {column.name!r} cannot be served: a name must hold no quotation mark, backslash or "
                "control character; rename it where the data come from, in params.yaml and in contract.yaml"
            )
    return schema
