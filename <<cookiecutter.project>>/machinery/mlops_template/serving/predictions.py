"""The log of predictions: what was asked and answered, in SQLite, for evaluation once the truth is known.

It is written behind the answers and never in their way: where it cannot keep up or the disk is full, predictions are
left out and counted, and the service goes on.
"""

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

TABLE = """
create table if not exists predictions (
    id text primary key, at real not null, model text not null, request text not null, answer text not null
) without rowid
"""
BATCH = 1000
"""Entries written in one transaction."""

WAITING_BYTES = 64_000_000
"""Held in memory until they are written; what comes on top is left out."""

PAUSE = 1.0
"""Seconds from a failure to the next attempt."""

SECONDS = 5.0
"""How long another process may hold the file."""

Entry = tuple[str, float, str, bytes, bytes]
"""Id, Unix time in seconds, the model's digest, the request and its answer as the JSON they were."""

Row = tuple[str, float, str, str, str]
"""The same as the table has it."""

log = logging.getLogger(__name__)


@dataclass
class PredictionLog:
    """A file to which one thread adds what the service hands over. Several processes may share it."""

    file: Path
    count_lost: Callable[[int], None] = lambda number: None
    """Told by any thread how many more were lost."""
    kept: int = 0
    lost: int = 0
    why_lost: str = ""
    _failure: str = ""
    """Of the last attempt to write, empty where it went well."""
    _entries: deque[Entry] = field(default_factory=deque, repr=False)
    _bytes: int = 0
    _ended: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)
    _writer: threading.Thread | None = field(default=None, repr=False)

    def start(self) -> None:
        """Begin to write."""
        self._writer = threading.Thread(target=self._write, name="predictions", daemon=True)
        self._writer.start()

    def add(self, entry: Entry) -> None:
        """Hand over a prediction. Returns at once, and raises nothing."""
        size = len(entry[3]) + len(entry[4])
        with self._changed:
            if self._bytes + size > WAITING_BYTES:
                self._lose(1, self._failure or "the disk is slower than the requests come")
                return
            self._entries.append(entry)
            self._bytes += size
            self._changed.notify()

    def close(self) -> None:
        """Write what is waiting, and end."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._writer:
            self._writer.join()

    def _write(self) -> None:
        connection: sqlite3.Connection | None = None
        while entries := self._next():
            try:
                connection = connection or self._open()
                with connection:
                    connection.executemany("insert or ignore into predictions values (?, ?, ?, ?, ?)", entries)
                self.kept += len(entries)
                self._failure = ""
            except sqlite3.Error as error:
                self._failure = str(error)
                self._lose(len(entries), self._failure)
                if connection:
                    connection.close()
                connection = None
                self._pause()
        if connection:
            connection.close()

    def _lose(self, number: int, why: str) -> None:
        """Count what is left out, and say why where that is new."""
        with self._changed:
            self.lost += number
            self.count_lost(number)
            if why != self.why_lost:
                self.why_lost = why
                log.warning("predictions are not kept in %s: %s", self.file, why)

    def _next(self) -> list[Row]:
        """The next entries to write, as text; none when all is written and the log is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._entries or self._ended)
            taken = [self._entries.popleft() for _ in range(min(BATCH, len(self._entries)))]
            self._bytes -= sum(len(request) + len(reply) for *_, request, reply in taken)
        return [(key, at, model, request.decode(), reply.decode()) for key, at, model, request, reply in taken]

    def _pause(self) -> None:
        """What failed would fail again at once, at the expense of the answers."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended, timeout=PAUSE)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, timeout=SECONDS)
        try:
            connection.execute("pragma journal_mode = wal")  # reading does not hold up writing
            connection.execute("pragma synchronous = normal")
            connection.execute(TABLE)
        except sqlite3.Error:
            connection.close()
            raise
        return connection
