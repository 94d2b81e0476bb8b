"""The writer of the prediction log: of what the service hands over it stores rows, by the owner's policy."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from .database import Database
from .handover import Handover, Outcome, Setup, Traffic, answered
from .ids import second_of
from .log_tables import database_url
from .policy import LogPolicy, Row, id_text, stored_id

encode = msgspec.json.Encoder().encode
split_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
decode_row = msgspec.json.Decoder(dict[str, Any]).decode

Request = tuple[bytes, list[Row]]
"""A body, and the rows of `predictions` that come of it."""


class Replied(msgspec.Struct, gc=False):
    """A reply of the service."""

    predictions: list[dict[str, Any]]
    """Each with the id of the prediction before what was predicted."""


decode_reply = msgspec.json.Decoder(Replied).decode


class Writer:
    """A log that handovers are stored in. Several processes may share one."""

    def __init__(self, setup: Setup) -> None:
        """Nothing is asked of the database yet. Raises ProjectError where the place is none."""
        database_url(setup.place)
        self.setup = setup
        row = msgspec.defstruct("Row", [("id", Any, None)], rename={"id": setup.id_column}, gc=False)
        self._decode_id: Callable[[bytes], Any] = msgspec.json.Decoder(row).decode
        self._database: Database | None = None
        self._one_at_a_time = threading.Lock()

    def store(self, handover: Handover) -> list[Request]:
        """Store all or nothing, and give the requests. Raises what SQLAlchemy or a driver does."""
        requests = [(body, self._rows_of(body, reply)) for body, reply in answered(handover.answered)]
        outcomes = outcomes_of(handover.outcomes, self.setup.policy, self.setup.key)
        self.insert([row for _, rows in requests for row in rows], outcomes, list(map(self._count, handover.traffic)))
        return requests

    def insert(self, predictions: list[Row], outcomes: list[dict[str, Any]], traffic: list[dict[str, Any]]) -> None:
        """Store rows of the tables. Any thread may; raises as `store` does."""
        if not (predictions or outcomes or traffic):
            return
        with self._one_at_a_time:
            self._database = self._database or Database(self.setup.place, self.setup.policy)
            self._database.store(predictions, outcomes, traffic)

    def close(self) -> None:
        """Give back all connections."""
        if self._database:
            self._database.close()

    def _rows_of(self, body: bytes, reply: bytes) -> list[Row]:
        """The rows of `predictions` of a request."""
        several = body.lstrip()[:1] == b"["
        parts: list[Any] = split_rows(body) if several else [body]
        predictions = decode_reply(reply).predictions
        at = moment_of(second_of(predictions[0]["id"]))
        rows: list[Row] = []
        for part, prediction in zip(parts, predictions, strict=True):
            name, *predicted = prediction.values()
            row_id, features = self._kept(bytes(part))
            rows.append((name, at, self.setup.model, row_id, features.decode(), encode(predicted).decode()))
        return rows

    def _kept(self, row: bytes) -> tuple[str | None, bytes]:
        """The contract's id, and the features, of a row of a request."""
        policy, id_column = self.setup.policy, self.setup.id_column
        row_id = self._decode_id(row).id if id_column and id_column not in policy.leave_out else None
        left_out = policy.leave_out if row_id is None else [*policy.leave_out, id_column]
        if left_out:
            row = encode({name: value for name, value in decode_row(row).items() if name not in left_out})
        elif b"\n" in row or b"\r" in row:  # only between the values, where JSON allows it
            row = row.translate(None, b"\r\n")
        return None if row_id is None else stored_id(id_text(row_id), policy, self.setup.key), row

    def _count(self, counted: Traffic) -> dict[str, Any]:
        """A row of `traffic`."""
        return {
            "minute": datetime.fromtimestamp(60 * counted.minute, UTC),
            "worker": self.setup.worker,
            "model": self.setup.model,
            "status": counted.status,
            "column": counted.column,
            "requests": counted.requests,
            "rows": counted.rows,
            "seconds": encode(counted.seconds).decode(),
        }


@lru_cache(maxsize=4)
def moment_of(second: int) -> str:
    """Unix time as both databases take it for a moment in UTC."""
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}.000000"


def outcomes_of(outcomes: list[Outcome], policy: LogPolicy, key: bytes) -> list[dict[str, Any]]:
    """Rows of `outcomes`: of several for a key the one known last, since one INSERT may not meet a key twice."""
    latest: dict[str, dict[str, Any]] = {}
    for outcome in outcomes:
        stored = stored_id(outcome.key, policy, key)
        if stored not in latest or latest[stored]["known_at"] <= outcome.known_at:
            row = {"key": stored, "value": outcome.value.decode(), "known_at": outcome.known_at, "corrections": 0}
            latest[stored] = row
    return list(latest.values())
