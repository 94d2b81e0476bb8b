"""The models that predicted in the latest window: the champion, one before it, a shadow."""

from datetime import datetime

import numpy as np
import pandas as pd
import sqlalchemy as sa

from ..evaluation.evaluate import with_interval
from ..evaluation.intervals import resamples
from ..integrations.revisions import champions
from ..prediction_log.ids import first_id
from ..prediction_log.log_tables import predictions
from ..training.statistics import Metric
from .champion_view import MonitoredModel
from .figures import MIN_ROWS
from .logged_rows import CHUNK, JoinedOutcomes, decode_values, predicted
from .monitoring import Value, Version


def versions_of(
    engine: sa.Engine, model: MonitoredModel, metric: Metric, begin: datetime, end: datetime, n_bootstrap: int
) -> list[Version]:
    """Each model with predictions in a stretch of time, the one with most first; none where there is but one.

    Their rows need not be the same: `compare --live` compares two models on rows that both predicted.
    """
    log = predictions.c
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
                *performance(connection, model, metric, digest, within, n_bootstrap),
            )
            for digest, count in rows
        ]


def performance(
    connection: sa.Connection,
    model: MonitoredModel,
    metric: Metric,
    digest: str,
    within: tuple[sa.ColumnElement[bool], ...],
    n_bootstrap: int,
) -> tuple[int, Value | None]:
    """(rows with outcomes, the primary metric of at most `CHUNK` of them), None where it cannot be told.

    That is so where they are too few, where the other model predicts other classes, and for a metric of the owner's.
    """
    joined, log = JoinedOutcomes(predictions), predictions.c
    source = joined.joined(predictions)
    with_outcome = (log.model == digest, *within, joined.outcome.is_not(None))
    known: int = connection.execute(sa.select(sa.func.count()).select_from(source).where(*with_outcome)).scalar_one()
    if known < MIN_ROWS or model.by_rows:
        return known, None
    asked = sa.select(log.prediction, joined.outcome, log.at).select_from(source).where(*with_outcome)
    values, outcomes, moments = zip(*connection.execute(asked.order_by(log.id.desc()).limit(CHUNK)), strict=True)
    decoded = decode_values(f"[{','.join(values)}]")
    width = len(model.names) + (model.model.classes is not None)  # with the class decided for
    if any(len(row) != width for row in decoded):
        return known, None
    truth = model.truths(pd.Series(outcomes, dtype=object))
    told = truth.notna()
    if told.sum() < MIN_ROWS:
        return known, None
    scored = model.scored(predicted(decoded, model.names)[told], truth[told].infer_objects(), None)
    block = np.asarray(pd.factorize(pd.to_datetime(pd.Series(moments)).dt.floor("D"))[0])[told.to_numpy()]
    block = np.unique(block, return_inverse=True)[1]
    return known, Value(**with_interval(metric, scored, block, resamples(block, n_bootstrap)))
