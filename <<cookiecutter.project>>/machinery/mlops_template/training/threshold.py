"""The decision threshold of a binary classifier: a number, or that at which a metric is best out of fold."""

from dataclasses import replace

import numpy as np
import pandas as pd

from ..errors import ProjectError
from ..serving.model_code import ModelCode
from ..settings.params import Params
from .metrics import metric_named
from .scored import Scored
from .search import Setting, folds_of, predict_fold

CANDIDATES = 200
"""Thresholds that are tried: quantiles of the predicted probabilities."""

DEFAULT = 0.5


def threshold_of(
    setting: Setting, train: pd.DataFrame, params: Params, code: ModelCode, judge: ModelCode
) -> float | None:
    """The threshold of `model.threshold`, None where the target has not two classes.

    Where it names a metric, the setting is fitted and scored on the folds of the search, in order of time, and the
    threshold is taken at which the metric of all rows scored is best. `train` has the derived columns, too; `judge` has
    the owner's metrics. Raises ProjectError when the metric does not depend on the threshold.
    """
    asked = params.model.threshold
    if params.task == "regression" or train[params.columns.target].nunique() != 2:
        if asked != DEFAULT:
            raise ProjectError(f"model.threshold is {asked}: there is one only where the target has two classes")
        return None
    if isinstance(asked, float):
        return asked
    parts = [predict_fold(setting, fold, train, params, code) for fold in folds_of(train, params)]
    scored = Scored(
        "binary",
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.prediction for part in parts]),
        rows=pd.concat([part.rows for part in parts if part.rows is not None]),
    )
    return best_threshold(scored, asked, judge)


def best_threshold(scored: Scored, name: str, judge: ModelCode) -> float:
    """The threshold at which a metric of these rows is best; of equals, that nearest to a half.

    Parameters
    ----------
    scored : Scored
        Out-of-fold predictions of a binary task.
    name : str
        Of the metric.
    judge : ModelCode
        With the owner's metrics.

    Returns
    -------
    float
        A probability, from the quantiles of those predicted.

    Raises
    ------
    ProjectError
        When the metric is the same at every threshold.
    """
    metric = metric_named(name, scored, judge, "model.threshold")
    candidates = np.unique(np.quantile(scored.prediction, np.linspace(0, 1, CANDIDATES + 1)).round(6))
    values = np.array([metric.value(replace(scored, threshold=float(one))) for one in candidates])
    values = values if metric.higher_is_better else -values
    if np.nanmax(values) == np.nanmin(values):
        raise ProjectError(
            f"model.threshold: {name} is the same at every threshold: name a metric of decisions, or 0.5"
        )
    best = candidates[values == np.nanmax(values)]
    return float(best[np.abs(best - DEFAULT).argmin()])
