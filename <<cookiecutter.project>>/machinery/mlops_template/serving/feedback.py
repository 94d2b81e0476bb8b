"""`POST /feedback`: what truly happened to rows that were predicted."""

import math
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..prediction_log.handover import Outcome
from ..prediction_log.policy import id_text
from .rows import RequestRejected

encode = msgspec.json.Encoder().encode


class Item(msgspec.Struct, forbid_unknown_fields=True):
    """An outcome as it is sent."""

    id: str | int
    """Of a prediction, or the contract's id of the row that it was for."""
    outcome: bool | int | float | str
    known_at: datetime | None = None
    """When it was known, now where nothing is said; of several for an id, the one known last counts."""


def read_outcomes(body: bytes, card: dict[str, Any], max_rows: int) -> list[Outcome]:
    """The outcomes of a body, which holds one or a list of them. Raises RequestRejected."""
    several = body.lstrip()[:1] == b"["
    kind: Any = Annotated[list[Item], Meta(min_length=1, max_length=max_rows)] if several else Item
    try:
        decoded = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise RequestRejected(422, f'{error}: send {{"id": …, "outcome": …}} or a list of them') from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestRejected(400, f"the body is no JSON: {error}") from None
    now = datetime.now(UTC)
    items = decoded if several else [decoded]
    return [outcome_of(row, item, card["classes"], now) for row, item in enumerate(items)]


def outcome_of(row: int, item: Item, classes: list[Any] | None, now: datetime) -> Outcome:
    """An item as the log takes it. Raises RequestRejected."""
    known_at = item.known_at or now
    known_at = known_at.replace(tzinfo=UTC) if known_at.tzinfo is None else known_at.astimezone(UTC)
    return Outcome(id_text(item.id), encode(true_value(row, item.outcome, classes)), known_at)


def true_value(row: int, value: Any, classes: list[Any] | None) -> Any:
    """The class, as the model has it, or the number that an outcome is. Raises RequestRejected."""
    if classes is None:
        if isinstance(value, bool | str) or not math.isfinite(value):
            raise RequestRejected(422, f"row {row}: the outcome {value!r:.60} is no number", row)
        return value
    for name in classes:
        if id_text(name) == id_text(value):
            return name
    listed = ", ".join(map(str, classes))
    raise RequestRejected(422, f"row {row}: the outcome {value!r:.60} is none of {listed:.1000}", row)
