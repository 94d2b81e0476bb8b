"""What the service hands to the process that writes the log of predictions, and what it is told back."""

import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple

from .policy import LogPolicy

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, math.inf)
"""Upper ends of the latencies, in seconds, that requests are counted by."""

LENGTHS = Struct("<II")
"""Of a request's body and of its reply, which follow."""


class Setup(NamedTuple):
    """What the writer is told first."""

    place: str
    """A URL or the path of a SQLite file: see `log_tables.database_url`."""
    policy: LogPolicy
    id_column: str
    """The contract's id, as rows of a request may have it, empty where there is none."""
    key: bytes
    """What ids are hashed with."""
    worker: str
    """What the service's process is called where requests are counted, since several may count in one log."""
    model: str
    """The digest of the model that answers."""
    shadow: Path | None
    """The package of another model, which predicts the same requests."""
    max_rows: int
    """Of a request."""


class Opened(NamedTuple):
    """What the writer tells once it is ready."""

    refused: str
    """Why it never could write, else empty."""
    place: str
    """Without its password."""
    shadow: dict[str, Any] | None
    """The release of the other model."""
    no_shadow: str
    """Why there is none although there should be, else empty."""


class Outcome(NamedTuple):
    """What truly happened to the row of a prediction."""

    key: str
    """The id of the prediction, or the contract's id of its row."""
    value: bytes
    """As JSON."""
    known_at: datetime


class Traffic(NamedTuple):
    """Requests of one kind in one minute."""

    minute: int
    """Since 1970."""
    status: int
    column: str
    """For which they were refused, or nothing."""
    requests: int
    rows: int
    seconds: list[int]
    """By `BUCKETS`."""


class Handover(NamedTuple):
    """What is to be stored in one transaction."""

    answered: bytes | bytearray
    """Requests and their replies, as `add_answered` writes them."""
    outcomes: list[Outcome]
    traffic: list[Traffic]


class Receipt(NamedTuple):
    """What became of a handover."""

    failure: str
    """Why it was not stored, else empty."""
    may_pass: bool
    """Whether the same may be stored later."""
    shadow_lost: int
    """Rows that the other model left out since the last receipt."""
    shadow_waiting: int
    """Rows that it still has to predict."""


def add_answered(content: bytearray, body: bytes, reply: bytes) -> None:
    """Add a request and its reply."""
    content += LENGTHS.pack(len(body), len(reply))
    content += body
    content += reply


def answered(content: bytes | bytearray) -> Iterator[tuple[bytes, bytes]]:
    """The requests and their replies."""
    view, place = memoryview(content), 0
    while place < len(view):
        body, reply = LENGTHS.unpack_from(view, place)
        begin = place + LENGTHS.size
        place = begin + body + reply
        yield bytes(view[begin : begin + body]), bytes(view[begin + body : place])
