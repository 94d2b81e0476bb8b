"""What leaves the prediction log: what is too old, and what is of one person."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from .ids import first_id
from .log_tables import DEFAULT_PARTITION, outcomes, partition_name, predictions, traffic
from .policy import LogPolicy, stored_id

CHUNK = 5000
"""Rows deleted in one transaction: as long as one lasts, nobody else writes to a SQLite file."""


def prune(engine: sa.Engine, before: float) -> None:
    """Delete predictions, outcomes and traffic from before a moment, in Unix seconds. Raises what SQLAlchemy does.

    Whole months leave PostgreSQL with their partition.
    """
    limit = datetime.fromtimestamp(before, UTC)
    if engine.dialect.name == "postgresql":
        drop_partitions(engine, limit)
    old = predictions.c.id < first_id(before)
    while delete_some(engine, predictions, [predictions.c.id, predictions.c.model], old):
        pass
    while delete_some(engine, outcomes, [outcomes.c.key], outcomes.c.known_at < limit):
        pass
    with engine.begin() as connection:
        connection.execute(sa.delete(traffic).where(traffic.c.minute < limit))


def delete_some(engine: sa.Engine, table: sa.Table, key: list[sa.Column[str]], old: sa.ColumnElement[bool]) -> bool:
    """Delete up to CHUNK rows, and tell whether there were as many."""
    chosen = sa.select(*key).where(old).limit(CHUNK)
    with engine.begin() as connection:
        deleted = connection.execute(sa.delete(table).where(sa.tuple_(*key).in_(chosen)))
    return deleted.rowcount == CHUNK


def drop_partitions(engine: sa.Engine, limit: datetime) -> None:
    """Drop the months that ended before a moment."""
    last = limit.replace(day=1) - timedelta(days=1)
    with engine.begin() as connection:
        names = sa.inspect(connection).get_table_names()
        prefix = f"{predictions.name}_"
        months = [name for name in names if name.startswith(prefix) and name != DEFAULT_PARTITION]
        for name in months:
            if name <= partition_name(last):
                connection.execute(sa.text(f"drop table if exists {name}"))


def forget(engine: sa.Engine, row_ids: list[str], policy: LogPolicy, key: bytes) -> tuple[int, int]:
    """Delete all that is stored of some ids, of the contract or of predictions: (predictions, outcomes) that were.

    Outcomes go that came by the id, and those that came by the ids of the deleted predictions.
    """
    stored = [stored_id(one, policy, key) for one in row_ids]
    of_subject = predictions.c.row_id.in_(stored) | predictions.c.id.in_(stored)
    with engine.begin() as connection:
        theirs = connection.execute(sa.select(predictions.c.id, predictions.c.row_id).where(of_subject)).all()
        keys = {*stored, *(one for row in theirs for one in row if one is not None)}
        gone = connection.execute(sa.delete(outcomes).where(outcomes.c.key.in_(keys)))
        connection.execute(sa.delete(predictions).where(of_subject))
    return len(theirs), gone.rowcount
