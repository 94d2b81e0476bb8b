"""The models that predicted in the latest window: the champion, one before it, a shadow."""

from datetime import datetime, timedelta

import numpy as np
import sqlalchemy as sa

from ..evaluation.evaluate import with_interval
from ..evaluation.intervals import resamples
from ..integrations.revisions import champions
from ..prediction_log.ids import first_id
from ..prediction_log.log_tables import predictions
from ..training.statistics import Metric
from .champion_view import MonitoredModel, together
from .figures import MIN_ROWS
from .logged_rows import JoinedOutcomes, of_day, parts_of, predicted, width
from .monitoring import Value, Version


def versions_of(
    engine: sa.Engine, model: MonitoredModel, metric: Metric, days: list[datetime], n_bootstrap: int
) -> list[Version]:
    """Each model with predictions on days that follow one another, the one with most first; none where there is one.

    Their rows need not be the same: `compare --live` compares two models on rows that both predicted.
    """
    log = predictions.c
    begin, end = days[0], days[-1] + timedelta(days=1)
    within = (log.id >= first_id(begin.timestamp()), log.id < first_id(end.timestamp()))
    counted = sa.select(log.model, sa.func.count()).where(*within).group_by(log.model)
    with engine.connect() as connection:
        rows = sorted(connection.execute(counted).tuples(), key=lambda one: -one[1])
        if len(rows) < 2:
            return []
        numbers = {champion.digest: champion.number for champion in champions()}
        return [
            Version(
                f"champion {numbers[digest]}" if digest in numbers else digest[:8],
                count,
                *performance(connection, model, metric, digest, days, n_bootstrap),
            )
            for digest, count in rows
        ]


def performance(
    connection: sa.Connection,
    model: MonitoredModel,
    metric: Metric,
    digest: str,
    days: list[datetime],
    n_bootstrap: int,
) -> tuple[int, Value | None]:
    """(rows with outcomes, their primary metric), None where it cannot be told.

    That is so where they are too few, where the other model predicts other classes, and for a metric of the owner's.
    """
    joined, log = JoinedOutcomes(predictions), predictions.c
    asked = (
        sa.select(log.id, log.prediction, joined.outcome.label("outcome"))
        .select_from(joined.joined(predictions))
        .where(log.model == digest, joined.outcome.is_not(None))
    )
    known, alike, scored, block = 0, not model.by_rows, [], []
    expected = len(model.names) + (model.model.classes is not None)  # with the class decided for
    for number, day in enumerate(days):
        for part in parts_of(connection, asked.where(*of_day(predictions, day))):
            known += len(part)
            alike = alike and width(part["prediction"]) == expected
            if not alike:
                continue
            truth = model.truths(part["outcome"].to_pandas())
            told = truth.notna()
            mine = predicted(part["prediction"], model.names)
            scored.append(model.scored(mine[told], truth[told].infer_objects(), None))
            block.append(np.full(told.sum(), number))
    if not alike or sum(map(len, block)) < MIN_ROWS:
        return known, None
    by_day = np.unique(np.concatenate(block), return_inverse=True)[1]
    return known, Value(**with_interval(metric, together(scored), by_day, resamples(by_day, n_bootstrap)))
