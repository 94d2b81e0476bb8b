"""The writer of the prediction log: what was asked and answered, stored behind the answers and never in their way.

What the database cannot take at once waits in memory. Where that is full, predictions are left out and counted, and
the service goes on; once the database is back, what waited is stored.
"""

import logging
import math
import os
import random
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from .policy import LogPolicy, Row, id_text, stored_id

MAX_BATCH_BYTES = 2_000_000
"""Stored in one transaction, beside at least one entry."""

MAX_WAITING_BYTES = 64_000_000
"""Held in memory until they are stored; what comes on top is left out."""

ROW_BYTES = 300
"""What a row of an entry is reckoned with beside its part of the body."""

PAUSE = 1.0
"""Seconds from a failure to the next attempt."""

GATHERING = 0.2
"""Seconds that entries are waited for after a first one: a transaction costs more than many rows."""

CLOSING_SECONDS = 15.0
"""How long an end of the service waits for the last ones to be stored."""

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, math.inf)
"""Upper ends of the latencies, in seconds, that requests are counted by."""

log = logging.getLogger(__name__)
encode = msgspec.json.Encoder().encode
split_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
decode_row = msgspec.json.Decoder(dict[str, Any]).decode


class Answered(NamedTuple):
    """A request that was answered, as the service hands it over."""

    request: str
    """What the ids of its predictions begin with."""
    at: float
    """Unix time in seconds."""
    model: str
    """Its digest."""
    body: bytes
    ids: list[Any] | None
    """The contract's id of each row, None where no row has one."""
    values: list[list[Any]]
    """The predictions, one list a row."""

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, about."""
        return len(self.body) + ROW_BYTES * len(self.values)


class Outcome(NamedTuple):
    """What truly happened to the row of a prediction."""

    key: str
    """The id of the prediction, or the contract's id of its row."""
    value: bytes
    """As JSON."""
    known_at: datetime

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, about."""
        return len(self.key) + len(self.value) + ROW_BYTES


class Traffic(NamedTuple):
    """Requests of one kind in one minute."""

    minute: int
    """Since 1970."""
    model: str
    status: int
    column: str
    """For which they were refused, or nothing."""


@dataclass
class Count:
    """How many there were."""

    requests: int = 0
    rows: int = 0
    seconds: list[int] = field(default_factory=lambda: [0] * len(BUCKETS))
    """By `BUCKETS`."""


@dataclass
class PredictionLog:
    """A database to which one thread adds what the service hands over. Several processes may share it."""

    place: str
    """A URL or the path of a SQLite file: see `log_tables.database_url`."""
    policy: LogPolicy = field(default_factory=LogPolicy)
    id_column: str = ""
    """The contract's id, as rows of a request may have it."""
    key: bytes = b""
    """What ids are hashed with."""
    count_lost: Callable[[int], None] = lambda number: None
    """Told by any thread how many more rows were lost."""
    kept: int = 0
    """Rows."""
    lost: int = 0
    """Rows."""
    why_lost: str = ""
    _failure: str = ""
    """Of the last attempt to write, empty where it went well."""
    _entries: deque[Answered | Outcome] = field(default_factory=deque, repr=False)
    _bytes: int = 0
    """Of the entries, and of those that are being stored."""
    _traffic: dict[Traffic, Count] = field(default_factory=dict, repr=False)
    _ended: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)
    _worker: str = field(default_factory=lambda: os.urandom(6).hex())

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)
        self._thread.start()

    def add(self, entry: Answered | Outcome) -> bool:
        """Hand over a request that was answered, or an outcome. Returns at once, and raises nothing.

        Whether it will be tried to store it.
        """
        if self.policy.sample < 1 and isinstance(entry, Answered) and random.random() >= self.policy.sample:
            return False
        return self.keep(entry)

    def keep(self, entry: Answered | Outcome) -> bool:
        """The same for one that belongs to a request of the sample."""
        size = entry.size
        with self._changed:
            if self._bytes + size > MAX_WAITING_BYTES:
                self._lose([entry], self._failure or "the database is slower than the requests come")
                return False
            self._entries.append(entry)
            self._bytes += size
            if len(self._entries) == 1:
                self._changed.notify()
        return True

    def count(self, model: str, status: int, rows: int, seconds: float, column: str = "") -> None:
        """Count a request, whether it was answered or refused."""
        kind = Traffic(int(time.time() // 60), model, status, column)
        place = bisect_left(BUCKETS, seconds)
        with self._changed:
            counted = self._traffic.get(kind) or self._traffic.setdefault(kind, Count())
            counted.requests += 1
            counted.rows += rows
            counted.seconds[place] += 1

    def close(self) -> None:
        """Store what is waiting, as far as the database takes it now, and end."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread:
            self._thread.join(CLOSING_SECONDS)

    def _run(self) -> None:
        from .database import Database, may_pass, reason  # SQLAlchemy: a service without a log does without

        database: Database | None = None
        while True:
            entries, traffic = self._next()
            if not entries and not traffic:
                if self._ended:
                    break
                continue
            try:
                database = database or Database(self.place, self.policy)
                database.store(self._rows(entries), outcomes_of(entries, self.policy, self.key), self._counts(traffic))
                self.kept += sum(len(entry.values) for entry in entries if isinstance(entry, Answered))
                self._failure = ""
            except Exception as error:  # of SQLAlchemy, of a driver, or a driver that is missing
                self._failure = reason(error)
                if may_pass(error) and not self._ended:
                    self._put_back(entries, traffic)
                    self._warn(f"{self._failure}; they wait in memory")
                    self._pause()
                else:
                    self._forget(entries)
                    with self._changed:
                        self._lose(entries, self._failure)
                continue
            self._forget(entries)
        if database:
            database.close()

    def _next(self) -> tuple[list[Answered | Outcome], dict[Traffic, Count]]:
        """What to store now: entries, and the traffic of the minutes that are over; all when the log is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._entries or self._ended, timeout=60 - time.time() % 60)
            if self._entries and not self._ended:
                self._changed.wait_for(lambda: self._ended, timeout=GATHERING)
            taken: list[Answered | Outcome] = []
            size = 0
            while self._entries and (not taken or size + self._entries[0].size <= MAX_BATCH_BYTES):
                taken.append(self._entries.popleft())
                size += taken[-1].size
            now = math.inf if self._ended else time.time() // 60
            over = {kind: self._traffic.pop(kind) for kind in list(self._traffic) if kind.minute < now}
        return taken, over

    def _put_back(self, entries: list[Answered | Outcome], traffic: dict[Traffic, Count]) -> None:
        """What could not be stored comes first again."""
        with self._changed:
            self._entries.extendleft(reversed(entries))
            self._traffic.update(traffic)

    def _forget(self, entries: list[Answered | Outcome]) -> None:
        """Make room for others."""
        with self._changed:
            self._bytes -= sum(entry.size for entry in entries)

    def _lose(self, entries: list[Answered | Outcome], why: str) -> None:
        """Count what is left out, and say why where that is new."""
        number = sum(len(entry.values) if isinstance(entry, Answered) else 1 for entry in entries)
        self.lost += number
        self.count_lost(number)
        self._warn(why)

    def _warn(self, why: str) -> None:
        """Say once why predictions are not stored."""
        if why != self.why_lost:
            self.why_lost = why
            from .log_tables import describe

            log.warning("predictions are not stored in %s: %s", describe(self.place), why)

    def _pause(self) -> None:
        """What failed would fail again at once, at the expense of the answers."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended, timeout=PAUSE)

    def _rows(self, entries: list[Answered | Outcome]) -> list[Row]:
        """Rows of `predictions`."""
        rows: list[Row] = []
        for entry in entries:
            if isinstance(entry, Answered):
                rows += self._rows_of(entry)
        return rows

    def _rows_of(self, entry: Answered) -> list[Row]:
        """A row of a request each."""
        several = entry.body.lstrip()[:1] == b"["
        parts: list[Any] = split_rows(entry.body) if several else [entry.body]
        ids = (None if self.id_column in self.policy.leave_out else entry.ids) or [None] * len(parts)
        left_out = {*self.policy.leave_out, *([self.id_column] if entry.ids else [])}
        at = moment_of(int(entry.at))
        rows = []
        for number, (part, row_id, values) in enumerate(zip(parts, ids, entry.values, strict=True)):
            features = bytes(part)
            if left_out:
                features = encode({name: value for name, value in decode_row(part).items() if name not in left_out})
            elif b"\n" in features or b"\r" in features:  # only between the values, where JSON allows it
                features = features.translate(None, b"\r\n")
            stored = None if row_id is None else stored_id(id_text(row_id), self.policy, self.key)
            prediction = encode(values).decode()
            rows.append((f"{entry.request}-{number}", at, entry.model, stored, features.decode(), prediction))
        return rows

    def _counts(self, traffic: dict[Traffic, Count]) -> list[dict[str, Any]]:
        """Rows of `traffic`."""
        return [
            {
                "minute": datetime.fromtimestamp(60 * kind.minute, UTC),
                "worker": self._worker,
                "model": kind.model,
                "status": kind.status,
                "column": kind.column,
                "requests": count.requests,
                "rows": count.rows,
                "seconds": encode(count.seconds).decode(),
            }
            for kind, count in traffic.items()
        ]


@lru_cache(maxsize=4)
def moment_of(second: int) -> str:
    """Unix time as both databases take it for a moment in UTC."""
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}.000000"


def outcomes_of(entries: list[Any], policy: LogPolicy, key: bytes) -> list[dict[str, Any]]:
    """Rows of `outcomes`: of several for a key the one known last, since one INSERT may not meet a key twice."""
    latest: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if isinstance(entry, Outcome):
            stored = stored_id(entry.key, policy, key)
            if stored not in latest or latest[stored]["known_at"] <= entry.known_at:
                row = {"key": stored, "value": entry.value.decode(), "known_at": entry.known_at, "corrections": 0}
                latest[stored] = row
    return list(latest.values())
