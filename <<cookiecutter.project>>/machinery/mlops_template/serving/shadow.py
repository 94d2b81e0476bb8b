"""A second model that predicts what the first was asked. Its answers go to the log of predictions, to nobody else."""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..prediction_log.writer import Answered, PredictionLog
from .runtime import Served, answers, decide

MAX_WAITING_BYTES = 16_000_000
"""Of requests that wait for it; what comes on top is left out."""

MAX_AT_ONCE = 16
"""Requests that are predicted together: while that lasts, an answer may have to wait."""

PAUSE = 0.001
"""Seconds in between, for answers."""

NICE = 10
"""Of its thread, where the system has such a thing for threads: answers come first."""

SECONDS = 0.05
"""That requests are gathered for: to predict many at once costs less."""

log = logging.getLogger(__name__)


@dataclass
class Shadow:
    """The other model in a thread of its own, behind the answers."""

    served: Served
    kept_in: PredictionLog
    max_rows: int
    count_lost: Callable[[int], None] = lambda number: None
    """Told how many more rows it left out."""
    why_lost: str = ""
    _entries: deque[Answered] = field(default_factory=deque, repr=False)
    _bytes: int = 0
    _ended: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    def start(self) -> None:
        """Begin to predict."""
        self.decode = self.served.decoder(self.max_rows * MAX_AT_ONCE)
        self.decide = decide(self.served.card)
        self.digest = str(self.served.release["digest"])
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def offer(self, entry: Answered) -> None:
        """Hand over a request that was answered. Returns at once, and raises nothing."""
        with self._changed:
            if self._bytes + entry.size <= MAX_WAITING_BYTES:
                self._entries.append(entry)
                self._bytes += entry.size
                if len(self._entries) == 1:
                    self._changed.notify()
                return
        self._lose(len(entry.values), "it is slower than the requests come")

    def close(self) -> None:
        """Predict what is waiting, and end."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread:
            self._thread.join(5)

    def _run(self) -> None:
        if hasattr(os, "setpriority"):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        while True:
            time.sleep(PAUSE)
            with self._changed:
                if not self._entries and not self._ended:
                    self._changed.wait_for(lambda: self._entries or self._ended)
                    self._changed.wait_for(lambda: self._ended, timeout=SECONDS)
                taken = [self._entries.popleft() for _ in range(min(len(self._entries), MAX_AT_ONCE))]
            if not taken and self._ended:
                return
            try:
                self._predict(taken)
            except Exception:  # of one of them, which is then known
                for entry in taken:
                    try:
                        self._predict([entry])
                    except Exception as error:  # RequestRejected, or whatever a model raises
                        self._lose(len(entry.values), " ".join(f"{type(error).__name__}: {error}".split())[:300])
            with self._changed:
                self._bytes -= sum(entry.size for entry in taken)

    def _predict(self, entries: list[Answered]) -> None:
        """Predict the rows of some requests together."""
        bodies = [entry.body.strip() for entry in entries]
        rows = b",".join(body[1:-1] if body[:1] == b"[" else body for body in bodies)
        batch = self.decode(b"[" + rows + b"]")
        predictions = self.served.predict(batch.numbers, batch.categories)
        values = answers(predictions, self.decide)
        place = 0
        for entry in entries:
            own = values[place : place + len(entry.values)]
            place += len(own)
            self.kept_in.keep(entry._replace(model=self.digest, values=own))

    def _lose(self, rows: int, why: str) -> None:
        """Count what is left out, and say why where that is new."""
        self.count_lost(rows)
        if why != self.why_lost:
            self.why_lost = why
            log.warning("the shadow leaves requests out: %s", why)
