"""Outcomes told to the prediction log from a file, a database or the rows held, and what is forgotten of a subject."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import pandas as pd
import sqlalchemy as sa

from ..data import partitions
from ..data.source_files import expand, read_file
from ..data.source_query import read_sql
from ..errors import ProjectError
from ..prediction_log import retention
from ..prediction_log.log_tables import insert_outcomes, outcomes, predictions
from ..prediction_log.policy import KEY, LogPolicy, id_text, key_of, stored_id
from ..settings import paths
from ..settings.params import Params, Sql
from .open_log import opened

CHUNK = 5000
"""Outcomes in one transaction."""

PREDICTION_ID = "id"
"""The column of a prediction's own id."""


@dataclass(frozen=True)
class Recorded:
    """What became of outcomes."""

    rows: int
    new: int
    repeated: int
    """The log held the same value."""
    corrected: int
    outdated: int
    """The log held one that was known later."""
    waiting: int
    """Of no prediction in the log, so far."""

    def __str__(self) -> str:
        parts = [
            f"{self.new:,} new",
            f"{self.corrected:,} corrected",
            f"{self.repeated:,} held already",
            f"{self.outdated:,} older than the one held",
        ]
        waiting = f"; {self.waiting:,} are of no prediction in the log, and wait for it" if self.waiting else ""
        return f"{self.rows:,} outcomes: {', '.join(parts)}{waiting}"


def record(params: Params, place: str, source: str) -> Recorded:
    """Hand the outcomes of a source to the log at `place`. Raises ProjectError where either cannot be used.

    A source is a path or glob of CSV or Parquet files, `URL::query` for a database, or nothing for the rows of
    `data/raw`. Of several outcomes for an id, the one known last counts; telling the same twice changes nothing.
    """
    policy, key = policy_of(params), secret(params)
    counted: Counter[str] = Counter()
    with opened(place) as engine:
        for table in tables_of(params, source):
            rows = rows_of(table, params, policy, key, source or str(paths.RAW))
            for start in range(0, len(rows), CHUNK):
                counted += store(engine, rows[start : start + CHUNK])
    return Recorded(*(counted[name] for name in ("rows", "new", "repeated", "corrected", "outdated", "waiting")))


def policy_of(params: Params) -> LogPolicy:
    """How ids are stored."""
    return LogPolicy(hash_id=params.predictions.hash_id)


def secret(params: Params) -> bytes:
    """What ids are hashed with. Raises ProjectError where it is needed and not set."""
    return key_of(policy_of(params), os.environ.get(KEY, ""))


def tables_of(params: Params, source: str) -> Iterator[pd.DataFrame]:
    """The outcomes of a source, in parts."""
    columns = params.columns
    if not source:
        yield partitions.read([columns.id, columns.target])
    elif "::" in source:
        url, _, query = source.partition("::")
        yield from read_sql(Sql(url=url, query=query), None, None)
    else:
        files = list(expand([source]))
        if not files:
            raise ProjectError(f"{source}: there is no such file")
        for file in files:
            yield read_file(file, [columns.id, PREDICTION_ID])


def rows_of(table: pd.DataFrame, params: Params, policy: LogPolicy, key: bytes, name: str) -> list[dict[str, Any]]:
    """A table as rows of `outcomes`. Raises ProjectError where it has no id, or what is no outcome."""
    columns = params.columns
    key_column = next((one for one in (columns.id, PREDICTION_ID) if one in table), None)
    value_column = next((one for one in (columns.target, "outcome") if one in table), None)
    if key_column is None or value_column is None:
        needed = f"{columns.id} or {PREDICTION_ID}" if key_column is None else f"{columns.target} or outcome"
        raise ProjectError(f"{name} has no column {needed}: it has {', '.join(map(str, table.columns[:20]))}")
    known = table.dropna(subset=[key_column, value_column])
    if params.task == "regression":
        values = pd.to_numeric(known[value_column], errors="coerce")
        if values.isna().any():
            bad = known[value_column][values.isna()].iloc[0]
            raise ProjectError(f"{name}: {value_column} has {bad!r:.60}, which is no number")
        known = known.assign(**{value_column: values})
    now = datetime.now(UTC)
    moments = [now] * len(known)
    if "known_at" in known:
        try:
            moments = [
                moment.to_pydatetime() for moment in pd.to_datetime(known["known_at"], utc=True, format="ISO8601")
            ]
        except (ValueError, TypeError) as error:
            raise ProjectError(f"{name}: known_at has what is no moment in ISO 8601 ({error})") from None
    latest: dict[str, dict[str, Any]] = {}
    for row_id, value, moment in zip(known[key_column], known[value_column].tolist(), moments, strict=True):
        stored = stored_id(id_text(row_id), policy, key)
        if stored not in latest or latest[stored]["known_at"] <= moment:
            encoded = msgspec.json.encode(value).decode()
            latest[stored] = {"key": stored, "value": encoded, "known_at": moment, "corrections": 0}
    return list(latest.values())


def store(engine: sa.Engine, rows: list[dict[str, Any]]) -> Counter[str]:
    """Store some outcomes, and tell how many were of which kind."""
    keys = [row["key"] for row in rows]
    with engine.begin() as connection:
        columns = (outcomes.c.key, outcomes.c.value, outcomes.c.known_at)
        held = {
            row.key: (row.value, row.known_at.replace(tzinfo=UTC))
            for row in connection.execute(sa.select(*columns).where(outcomes.c.key.in_(keys)))
        }
        asked = sa.select(predictions.c.id, predictions.c.row_id).where(
            predictions.c.id.in_(keys) | predictions.c.row_id.in_(keys)
        )
        predicted = {key for row in connection.execute(asked) for key in row}
        connection.execute(insert_outcomes(engine), rows)
    counted = Counter({"rows": len(rows)})
    for row in rows:
        value, known_at = held.get(row["key"], (None, None))
        if value is None:
            counted["new"] += 1
        elif value == row["value"]:
            counted["repeated"] += 1
        else:
            counted["outdated" if known_at is not None and row["known_at"] < known_at else "corrected"] += 1
        counted["waiting"] += row["key"] not in predicted
    return counted


def forget_rows(params: Params, place: str, row_ids: list[str]) -> str:
    """Delete all that the log holds of some ids, and say how much that was."""
    with opened(place) as engine:
        gone, told = retention.forget(engine, row_ids, policy_of(params), secret(params))
    return f"deleted {gone:,} predictions and {told:,} outcomes of {', '.join(row_ids)}"
