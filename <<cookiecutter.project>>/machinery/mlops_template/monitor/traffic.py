"""How the service did: requests, refusals and latency, as the log has them by minute."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import sqlalchemy as sa

from ..prediction_log.handover import BUCKETS
from ..prediction_log.log_tables import traffic


@dataclass(frozen=True)
class ServiceLevel:
    """Requests of a stretch of time."""

    requests: int
    refused: int
    """Because a row broke a rule, or there was no model."""
    failed: int
    """Of status 500 and above."""
    p95: float | None
    """Seconds within which 95 % were answered, by the upper end of a bucket; None without requests."""
    refused_for: list[tuple[str, int]]
    """Columns, the most frequent first."""


def service_of(engine: sa.Engine, model: str, begin: datetime, end: datetime) -> ServiceLevel:
    """What the log has of a model between two moments."""
    columns = traffic.c
    statement: Any = sa.select(columns.status, columns["column"], columns.requests, columns.seconds).where(
        columns.minute >= begin, columns.minute < end, columns.model == model
    )
    by_status: Counter[int] = Counter()
    by_column: Counter[str] = Counter()
    seconds = np.zeros(len(BUCKETS))
    with engine.connect() as connection:
        for status, column, requests, buckets in connection.execute(statement).tuples():
            by_status[status] += requests
            if status == 200:
                seconds += msgspec.json.decode(buckets)
            elif column:
                by_column[column] += requests
    total = sum(by_status.values())
    failed = sum(count for status, count in by_status.items() if status >= 500)
    return ServiceLevel(
        total, total - by_status[200] - failed, failed, percentile(seconds, 0.95), by_column.most_common(3)
    )


def percentile(seconds: "np.ndarray[tuple[int], np.dtype[np.float64]]", share: float) -> float | None:
    """The upper end of the bucket that a share of the requests is within; None where that is the last, or none."""
    if not seconds.sum():
        return None
    place = int(np.searchsorted(np.cumsum(seconds), share * seconds.sum()))
    return BUCKETS[place] if np.isfinite(BUCKETS[place]) else None
