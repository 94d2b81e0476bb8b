"""Permutation importance: what the challenger loses where the values of one column are shuffled."""

import numpy as np
import pandas as pd

from ..settings.params import Params
from ..training.artifact import Model
from ..training.metrics import number
from ..training.scored import Array, Scored, as_scored
from ..training.statistics import Metric
from .doubts import Importance
from .intervals import interval_of_difference, resamples, support

ROWS = 5_000
COLUMNS = 200
"""Of a wider table none is shuffled: it would take longer than the training."""

DRAWS = 200


def importance(model: Model, rows: pd.DataFrame, metric: Metric, params: Params, block: Array) -> Importance:
    """What the metric loses on the rows where the values of one column are shuffled.

    Parameters
    ----------
    model : Model
    rows : DataFrame of n_rows rows
        The holdout. Of more than `ROWS` rows as many are taken, evenly spread.
    metric : Metric
        The primary one.
    params : Params
    block : array of shape (n_rows,)

    Returns
    -------
    dict of column → {"value", "low", "high"}
        The loss, in the metric's unit, positive where the model is worse without the column, with its 95 % interval;
        in order of the loss. Columns are those of a request, so that what features.py derives counts for its source.

    Notes
    -----
    Permutation importance: Breiman (2001), "Random Forests", section 10. Of columns that say the same, each loses
    little. Original and shuffled rows are scored on the same resamples of whole blocks.
    """
    if len(model.request) > COLUMNS:
        return {}
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), ROWS)).astype(int))
    rows = rows.iloc[chosen].reset_index(drop=True)
    block = np.unique(block[chosen], return_inverse=True)[1]
    truth, positive, random = rows[params.columns.target], model.card["positive"], np.random.default_rng(0)
    weights, sign = resamples(block, DRAWS), 1 if metric.higher_is_better else -1

    def scored(table: pd.DataFrame) -> Scored:
        return as_scored(truth, model.predict(table), model.classes, positive, model.threshold, table)

    def measured(scored: Scored) -> tuple[float, Array]:
        return sign * metric.value(scored), sign * metric.resampled(scored, block, weights)

    original = scored(rows)
    deciding = support(metric, original, block).deciding
    value, draws = measured(original)
    importances = {}
    for name in model.request:
        shuffled = rows[name].iloc[random.permutation(len(rows))].set_axis(rows.index)
        without, drawn = measured(scored(rows.assign(**{name: shuffled})))
        low, high = interval_of_difference(value - without, draws - drawn, deciding)
        importances[str(name)] = {"value": number(value - without), "low": number(low), "high": number(high)}
    return dict(sorted(importances.items(), key=lambda item: -(item[1]["value"] or 0.0)))
