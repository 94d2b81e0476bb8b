"""The log of predictions as the service sees it: what was answered waits here until the process that writes took it.

What the database cannot take at once waits in memory. Where that is full, predictions are left out and counted, and
the service goes on; once the database is back, what waited is stored.
"""

import logging
import math
import random
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import ProjectError
from ..prediction_log.handover import BUCKETS, Handover, Outcome, Receipt, Traffic, add_answered
from .log_process import LogProcess, WriterEnded

MAX_HANDOVER_BYTES = 1_000_000
"""Stored in one transaction, beside at least one request."""

MAX_WAITING_BYTES = 64_000_000
"""Held in memory until they are stored; what comes on top is left out."""

OUTCOME_BYTES = 300
"""What an outcome is reckoned with."""

PAUSE = 1.0
"""Seconds from a failure to the next attempt."""

GATHERING = 0.2
"""Seconds from one look at what waits to the next: a transaction costs more than many rows."""

MAX_DEATHS = 2
"""Of the process over one handover, which is then left out."""

CLOSING_SECONDS = 15.0
"""How long an end of the service waits for the last ones to be stored."""

log = logging.getLogger(__name__)


@dataclass
class Waiting:
    """What will be stored in one transaction."""

    content: bytearray = field(default_factory=bytearray)
    """Requests and replies."""
    rows: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    size: int = 0
    """Bytes that it takes in memory, about."""


@dataclass
class Count:
    """How many requests there were."""

    requests: int = 0
    rows: int = 0
    seconds: list[int] = field(default_factory=lambda: [0] * len(BUCKETS))
    """By `BUCKETS`."""


Kind = tuple[int, int, str]
"""Of traffic: minute since 1970, status, and the column for which requests were refused, or nothing."""


@dataclass
class PredictionLog:
    """What waits, and the thread that hands it over."""

    process: LogProcess
    sample: float = 1.0
    """Share of the requests that are kept."""
    count_lost: Callable[[int], None] = lambda number: None
    """Told how many more rows and outcomes were lost."""
    count_shadow_lost: Callable[[int], None] = lambda number: None
    """Told how many more rows the shadow left out."""
    kept: int = 0
    """Rows."""
    lost: int = 0
    """Rows and outcomes."""
    why_lost: str = ""
    failure: str = ""
    """Of the last attempt to store, empty where it went well."""
    _waiting: deque[Waiting] = field(default_factory=deque, repr=False)
    _bytes: int = 0
    """Of what waits, and of what is being stored."""
    _counts: dict[Kind, Count] = field(default_factory=dict, repr=False)
    _shadow_waiting: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _ended: threading.Event = field(default_factory=threading.Event, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    def start(self) -> None:
        """Begin to store. Raises ProjectError where the log never could be written."""
        try:
            self.process.start()
        except WriterEnded as error:
            self._warn(str(error))
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)
        self._thread.start()

    def add(self, body: bytes, reply: bytes, rows: int) -> None:
        """Hand over a request that was answered. Returns at once, and raises nothing."""
        if self.sample < 1 and random.random() >= self.sample:
            return
        with self._lock:
            waiting = self._room_for(len(body) + len(reply))
            if waiting:
                add_answered(waiting.content, body, reply)
                waiting.rows += rows
                return
        self._lose(rows, self.failure or "the database is slower than the requests come")

    def add_outcomes(self, outcomes: list[Outcome]) -> int:
        """Hand over outcomes, and tell how many of them were taken. Returns at once, and raises nothing."""
        with self._lock:
            for taken, outcome in enumerate(outcomes):
                waiting = self._room_for(OUTCOME_BYTES)
                if not waiting:
                    return taken
                waiting.outcomes.append(outcome)
        return len(outcomes)

    def count(self, status: int, rows: int, seconds: float, column: str = "") -> None:
        """Count a request, whether it was answered or refused."""
        kind = (int(time.time() // 60), status, column)
        place = bisect_left(BUCKETS, seconds)
        with self._lock:
            counted = self._counts.get(kind) or self._counts.setdefault(kind, Count())
            counted.requests += 1
            counted.rows += rows
            counted.seconds[place] += 1

    def close(self) -> None:
        """Store what is waiting, as far as the database takes it now, and end."""
        self._ended.set()
        if self._thread:
            self._thread.join(CLOSING_SECONDS)
            self.process.kill()  # where it has not ended by now
            self._thread.join(PAUSE)

    def _room_for(self, size: int) -> Waiting | None:
        """Where so many bytes more can wait, None where there are too many. Takes the lock for granted."""
        if self._bytes + size > MAX_WAITING_BYTES:
            return None
        if not self._waiting or self._waiting[-1].size + size > MAX_HANDOVER_BYTES:
            self._waiting.append(Waiting())
        self._bytes += size
        self._waiting[-1].size += size
        return self._waiting[-1]

    def _run(self) -> None:
        while not self._ended.wait(GATHERING):
            self._store_waiting()
        self._store_waiting()
        self.process.end()

    def _store_waiting(self) -> None:
        """Store what waits, also the traffic of minutes that are over, as long as it goes well.

        What came meanwhile is gathered until the next time, but for what fills a handover; at the end all is stored.
        While the shadow has something to do, it is asked how far it is.
        """
        more = True
        while more:
            with self._lock:
                waiting = self._waiting.popleft() if self._waiting else Waiting()
                now = math.inf if self._ended.is_set() else time.time() // 60
                counts = {kind: self._counts.pop(kind) for kind in list(self._counts) if kind[0] < now}
            ended = self._ended.is_set()
            if not (waiting.size or counts or (self._shadow_waiting and not ended)):
                return
            more = self._store(waiting, counts) and (len(self._waiting) > 1 or ended)

    def _store(self, waiting: Waiting, counts: dict[Kind, Count]) -> bool:
        """Store it or count it as lost; False where it has to wait longer."""
        traffic = [Traffic(*kind, count.requests, count.rows, count.seconds) for kind, count in counts.items()]
        receipt = self._hand_over(Handover(waiting.content, waiting.outcomes, traffic))
        self.failure = receipt.failure
        if receipt.failure and receipt.may_pass and not self._ended.is_set():
            with self._lock:
                self._waiting.appendleft(waiting)
                self._counts.update(counts)
            self._warn(f"{receipt.failure}; they wait in memory")
            self._ended.wait(PAUSE)  # what failed would fail again at once
            return False
        with self._lock:
            self._bytes -= waiting.size
        if receipt.failure:
            self._lose(waiting.rows + len(waiting.outcomes), receipt.failure)
        else:
            self.kept += waiting.rows
        self._shadow_waiting = receipt.shadow_waiting
        self.count_shadow_lost(receipt.shadow_lost)
        return True

    def _hand_over(self, handover: Handover) -> Receipt:
        """What became of it. A process that has died is replaced, and given again what it may have died of."""
        why = ""
        for _ in range(MAX_DEATHS):
            try:
                if not self.process.alive():
                    self._start_again()
            except (WriterEnded, ProjectError) as error:
                return Receipt(str(error), True, 0, 0)
            try:
                return self.process.store(handover)
            except WriterEnded as error:
                why = str(error)
        return Receipt(why, False, 0, 0)

    def _start_again(self) -> None:
        """Start another process in the place of one that died, with which went what its shadow had not predicted."""
        self.count_shadow_lost(self._shadow_waiting)
        self._shadow_waiting = 0
        self._ended.wait(PAUSE)  # one that cannot start keeps dying
        self.process.start()

    def _lose(self, number: int, why: str) -> None:
        """Count what is left out, and say why where that is new."""
        self.lost += number
        self.count_lost(number)
        self._warn(why)

    def _warn(self, why: str) -> None:
        """Say once why predictions are not stored."""
        if why != self.why_lost:
            self.why_lost = why
            log.warning("predictions are not stored in %s: %s", self.process.opened.place, why)
