"""A second model that predicts what the first was asked. Its answers go to the log of predictions, to nobody else."""

import logging
import os
import sys
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from ..prediction_log.database import may_pass, reason
from ..prediction_log.policy import Row
from ..prediction_log.writer import Request, Writer
from .batching import predict_together
from .runtime import Served, answers, decide

MAX_WAITING_BYTES = 16_000_000
"""Of requests that wait for it; what comes on top is left out."""

MAX_AT_ONCE = 200
"""Requests that are predicted and stored together."""

ROW_BYTES = 300
"""What a row is reckoned with beside its part of the body, which its features are, too."""

PAUSE = 1.0
"""Seconds from a failure to store to the next attempt."""

CLOSING_SECONDS = 5.0
"""How long an end waits for the last ones to be predicted."""

log = logging.getLogger(__name__)
encode = msgspec.json.Encoder().encode


@dataclass
class Shadow:
    """The other model in a thread of its own, in the process that writes the log."""

    served: Served
    kept_in: Writer
    max_rows: int
    why_lost: str = ""
    _requests: deque[Request] = field(default_factory=deque, repr=False)
    _bytes: int = 0
    """Of the requests, and of those that are being predicted."""
    _waiting: int = 0
    """Rows of them."""
    _lost: int = 0
    """Rows since the last time that it was told."""
    _ended: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    def start(self) -> None:
        """Begin to predict."""
        self.decode = self.served.decoder(self.max_rows)
        self.decide = decide(self.served.card)
        self.digest = str(self.served.release["digest"])
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def offer(self, requests: list[Request]) -> None:
        """Hand over requests that were answered and stored. Returns at once, and raises nothing."""
        with self._changed:
            for body, rows in requests:
                if self._bytes + size_of(body, rows) <= MAX_WAITING_BYTES:
                    self._requests.append((body, rows))
                    self._bytes += size_of(body, rows)
                    self._waiting += len(rows)
                else:
                    self._lose(len(rows), "it is slower than the requests come")
            self._changed.notify()

    def told(self) -> tuple[int, int]:
        """How many rows were lost since the last time, and how many wait."""
        with self._changed:
            lost, self._lost = self._lost, 0
            return lost, self._waiting

    def close(self) -> None:
        """Predict what is waiting, and end."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread:
            self._thread.join(CLOSING_SECONDS)

    def _run(self) -> None:
        yield_to_others()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._requests or self._ended)
                taken = [self._requests.popleft() for _ in range(min(len(self._requests), MAX_AT_ONCE))]
            if not taken:
                return
            self._store(self._predict([body for body, _ in taken], [rows for _, rows in taken]))
            with self._changed:
                self._bytes -= sum(size_of(*one) for one in taken)
                self._waiting -= sum(len(rows) for _, rows in taken)

    def _predict(self, bodies: list[bytes], logged: list[list[Row]]) -> list[Row]:
        """The rows of some requests with what this model predicts, which are the logged ones but for that."""
        predicted: list[Row] = []
        for rows, outcome in zip(logged, predict_together(self.served, self.decode, bodies), strict=True):
            if isinstance(outcome, Exception):  # RequestRejected, or whatever a model raises
                why = " ".join(f"{type(outcome).__name__}: {outcome}".split())[:300]
                with self._changed:
                    self._lose(len(rows), why)
                continue
            values = answers(outcome[1], self.decide)
            for (name, at, _, row_id, features, _), own in zip(rows, values, strict=True):
                predicted.append((name, at, self.digest, row_id, features, encode(own).decode()))
        return predicted

    def _store(self, rows: list[Row]) -> None:
        """Store rows, later where the database does not take them now. Meanwhile others wait."""
        while rows:
            try:
                self.kept_in.insert(rows, [], [])
                return
            except Exception as error:  # of SQLAlchemy or of a driver
                with self._changed:
                    if self._ended or not may_pass(error):
                        self._lose(len(rows), reason(error))
                        return
                    self._changed.wait_for(lambda: self._ended, timeout=PAUSE)

    def _lose(self, rows: int, why: str) -> None:
        """Count what is left out, and say why where that is new. Takes the lock for granted."""
        self._lost += rows
        if why != self.why_lost:
            self.why_lost = why
            log.warning("the shadow leaves requests out: %s", why)


def yield_to_others() -> None:
    """Have this thread, not its process, give up its core to whatever else wants it, where there is such a way.

    Linux lets any other process that awakes go before one with this policy (sched(7)), whereas a "nice" one keeps its
    core for the rest of its time slice: of some milliseconds, in which an answer would wait.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def size_of(body: bytes, rows: list[Row]) -> int:
    """Bytes that a request takes in memory, about."""
    return 2 * len(body) + ROW_BYTES * len(rows)
