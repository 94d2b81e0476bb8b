"""The connection through which the writer of the prediction log stores."""

import time
from typing import Any

import sqlalchemy as sa

from . import log_tables
from .policy import LogPolicy, Row
from .retention import prune

MAY_PASS = {"OperationalError", "InterfaceError", "TimeoutError"}


class Database:
    """The connection of a writer."""

    def __init__(self, place: str, policy: LogPolicy) -> None:
        self.policy = policy
        self.engine = log_tables.connect(place)
        log_tables.create(self.engine)
        self.months: set[str] = set()
        self.prune_at = 0.0

    def store(self, predictions: list[Row], outcomes: list[dict[str, Any]], traffic: list[dict[str, Any]]) -> None:
        """All or nothing. Raises what SQLAlchemy does."""
        if self.engine.dialect.name == "postgresql":
            for month in {row[1][:7] for row in predictions} - self.months:
                log_tables.create_partition(self.engine, month)
                self.months.add(month)
        with self.engine.begin() as connection:
            if predictions:
                log_tables.insert_predictions(connection, predictions)
            self.insert(connection, log_tables.insert_outcomes(self.engine), outcomes)
            self.insert(connection, log_tables.insert_new(self.engine, log_tables.traffic), traffic)
        if self.policy.keep_seconds is not None and time.monotonic() >= self.prune_at:
            prune(self.engine, time.time() - self.policy.keep_seconds)
            self.prune_at = time.monotonic() + 3600

    @staticmethod
    def insert(connection: sa.Connection, statement: Any, rows: list[dict[str, Any]]) -> None:
        """Where there are any."""
        if rows:
            connection.execute(statement, rows)

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def may_pass(error: Exception) -> bool:
    """Whether the same may be stored later: a database that is away or full, and not a row that it refuses.

    The errors are those of SQLAlchemy or of a driver, which have the names of PEP 249 alike.
    """
    return any(kind.__name__ in MAY_PASS for kind in type(getattr(error, "orig", None) or error).__mro__)


def reason(error: Exception) -> str:
    """The first line of what a driver says, without the statement and its values, which may be personal."""
    cause = getattr(error, "orig", None) or error
    return next(iter(str(cause).strip().splitlines()), type(cause).__name__)
