"""Other models on the rows of the holdout: what age costs the challenger, and whether a simpler one does as well."""

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from ..errors import ProjectError
from ..settings.params import Params
from ..training.artifact import Model
from ..training.features import evenly
from ..training.metrics import number
from ..training.pipeline import build, fit_pipeline, labels
from ..training.scored import Array, Scored
from ..training.statistics import Metric
from .comparison import Difference
from .doubts import LINEAR_MODELS
from .intervals import interval_of_difference, support

ROWS = 20_000
"""That a model of some age is fitted on at most: how much it loses with age, not how good it is, is asked."""

LINEAR_ROWS = 100_000
"""That a linear model is fitted on at most: from more it learns next to nothing."""

LINEAR = {"classification": f"{LINEAR_MODELS}LogisticRegression", "regression": f"{LINEAR_MODELS}Ridge"}


@dataclass(frozen=True)
class Holdout:
    """The rows on which models are held against each other, and how: n_rows rows in n_blocks blocks."""

    ready: pd.DataFrame
    """The inputs of the challenger's pipeline."""
    scored: Callable[[pd.DataFrame], Scored]
    """From the predictions of a model."""
    metric: Metric
    block: Array
    weights: Array
    """Of shape (n_resamples, n_blocks)."""

    def difference(self, ours: Scored, theirs: Scored) -> Difference:
        """Ours minus theirs, with the 95 % interval of a paired bootstrap."""
        draws = self.metric.resampled(ours, self.block, self.weights)
        draws -= self.metric.resampled(theirs, self.block, self.weights)
        value = self.metric.value(ours) - self.metric.value(theirs)
        deciding = support(self.metric, ours, self.block).deciding
        return Difference(number(value), *map(number, interval_of_difference(value, draws, deciding)))


def alternatives(
    model: Model, train: pd.DataFrame, holdout: Holdout, challenger: Scored, params: Params
) -> dict[str, Any]:
    """What `reports/alternatives.json` holds.

    Parameters
    ----------
    model : Model
        The challenger.
    train : DataFrame
        All rows that it was trained on, in order of time.
    holdout : Holdout
    challenger : Scored
        What it predicts for the rows of the holdout.
    params : Params

    Returns
    -------
    dict
        `estimator`: the challenger's. `linear`: the value of a linear model, the challenger minus it, and whether it
        is better beyond noise; None where the challenger is linear itself, or the owner's pipeline takes no linear
        model. `older`: for each age of `evaluate.ages` that the rows reach, an older model minus the newest.
    """
    return {
        "estimator": model.card["estimator"],
        "linear": linear(model, train, holdout, challenger, params),
        "older": older(model, train, holdout, params),
    }


def linear(
    model: Model, train: pd.DataFrame, holdout: Holdout, challenger: Scored, params: Params
) -> dict[str, Any] | None:
    """A linear model with its defaults, on the same columns, beside the challenger."""
    if model.card["estimator"].startswith(LINEAR_MODELS):
        return None
    estimator = LINEAR[params.task]
    try:
        theirs = predicted(model, estimator, {}, train.iloc[evenly(len(train), LINEAR_ROWS)], holdout, params)
    except ProjectError as error:
        print(f"no linear model beside the challenger: {error}")
        return None
    if theirs is None:
        return None
    value, delta = number(holdout.metric.value(theirs)), holdout.difference(challenger, theirs)
    return {
        "estimator": estimator,
        "value": value,
        "difference": asdict(delta),
        "better": delta.sign(holdout.metric.higher_is_better) == "▼",
    }


def older(model: Model, train: pd.DataFrame, holdout: Holdout, params: Params) -> list[dict[str, Any]]:
    """Models of the challenger's setting, each of a stretch of rows of the same length that ended so long before.

    What remains of an age is what the world has changed: all are fitted on as many rows. Ages beyond half of what the
    training rows span are left out.

    Notes
    -----
    A curve of quality by age, as Breck et al. (2017), "The ML Test Score", Model 4, ask for.
    """
    if not params.evaluate.ages or params.columns.time is None:
        return []
    times = train[params.columns.time]
    end, span = times.max(), times.max() - times.min()
    ages = {age: pd.Timedelta(age) for age in params.evaluate.ages if pd.Timedelta(age) <= span / 2}
    if not ages:
        return []
    length = span - max(ages.values())
    windows = {age: np.flatnonzero((times > end - back - length) & (times <= end - back)) for age, back in ages.items()}
    newest = np.flatnonzero(times > end - length)
    count = min(ROWS, len(newest), *map(len, windows.values()))

    def of_window(places: Array) -> Scored | None:
        rows = train.iloc[places[evenly(len(places), count)]]
        return predicted(model, model.card["estimator"], model.card["params"], rows, holdout, params)

    fresh = of_window(newest) if count else None
    if fresh is None:
        return []
    found = [(age, of_window(places)) for age, places in windows.items()]
    return [
        {"age": age, "difference": asdict(holdout.difference(aged, fresh))} for age, aged in found if aged is not None
    ]


def predicted(
    model: Model, estimator: str, values: dict[str, Any], rows: pd.DataFrame, holdout: Holdout, params: Params
) -> Scored | None:
    """What an estimator of these parameters, fitted on rows by the challenger's own code, predicts for the holdout.

    None where the rows lack a class that the challenger knows.
    """
    target = labels(rows, params.columns, params.task)
    if model.classes is not None and set(pd.unique(target)) != set(model.classes):
        return None
    ready = model.inputs(rows.reset_index(drop=True))
    pipeline = build(model.code, estimator, values, model.kinds, params.model.seed)
    with warnings.catch_warnings(), threadpool_limits(1):  # so few rows are not worth a second thread
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit_pipeline(pipeline, estimator, values, ready, target, params.task)
    return holdout.scored(replace(model, pipeline=pipeline).predict_inputs(holdout.ready))
