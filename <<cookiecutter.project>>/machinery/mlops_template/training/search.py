"""Which candidate, with which parameters: cross-validation within the training rows, in order of time."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import loguniform, randint, uniform
from sklearn.model_selection import KFold, ParameterGrid, ParameterSampler, StratifiedKFold, TimeSeriesSplit
from threadpoolctl import threadpool_limits

from ..console.progress import progress
from ..serving.model_code import ModelCode
from ..settings.params import Candidate, Params, Range
from .cluster import address_of_cluster, cluster
from .features import evenly
from .metrics import metric_named, number
from .pipeline import build, fit_pipeline, labels
from .scored import Scored, as_scored
from .statistics import mean_of_defined

STARTING = 8.0
"""Seconds: what is over sooner is not worth processes, which take some to start."""

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Setting:
    """An estimator with one value for each parameter."""

    estimator: str
    params: dict[str, Any]


@dataclass(frozen=True)
class SearchResult:
    """A setting with its score on each fold (None: undefined there), their mean, and whether it won."""

    setting: Setting
    scores: list[float | None]
    mean: float | None
    chosen: bool


def settings_of(candidates: list[Candidate], draws: int, seed: int) -> list[Setting]:
    """Every setting to try: each candidate as it is, or its whole grid, or draws from its ranges."""
    settings = []
    for candidate in candidates:
        space = {name: distribution(values) for name, values in candidate.ranges.items()}
        finite = all(isinstance(values, list) for values in space.values())
        if finite and len(ParameterGrid(space)) <= draws:
            drawn = list(ParameterGrid(space))
        else:
            drawn = list(ParameterSampler(space, draws, random_state=seed))
        for values in drawn:
            plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}
            settings.append(Setting(candidate.estimator, {**candidate.params, **plain}))
    return settings


def distribution(values: list[Any] | Range) -> Any:
    """What `ParameterSampler` draws from."""
    if isinstance(values, list):
        return values
    if values.log:
        return LogInteger(values.low, values.high) if values.integer else loguniform(values.low, values.high)
    if values.integer:
        return randint(int(values.low), int(values.high) + 1)
    return uniform(values.low, values.high - values.low)


@dataclass(frozen=True)
class LogInteger:
    """Whole numbers, evenly in their logarithm."""

    low: float
    high: float

    def rvs(self, random_state: np.random.RandomState) -> int:
        """One draw, as `ParameterSampler` asks for it."""
        return int(loguniform(self.low, self.high).rvs(random_state=random_state).round())


def folds_of(train: pd.DataFrame, params: Params) -> list[Fold]:
    """Row numbers (fit, score) of each fold. With a time column, what is scored is newer than what is fitted."""
    count = params.model.search.folds
    target = train[params.columns.target]
    if params.columns.time:
        return list(TimeSeriesSplit(count).split(target))
    if params.task == "regression":
        return list(KFold(count).split(target))
    return list(StratifiedKFold(count).split(target, target.astype("str")))


def predict_fold(setting: Setting, fold: Fold, train: pd.DataFrame, params: Params, code: ModelCode) -> Scored:
    """A setting, fitted on one side of a fold and scored on the other. One thread, so that every machine agrees."""
    trained_on, held = (train.iloc[rows] for rows in fold)
    kinds = params.columns.kinds
    # Else scikit-learn would hand parts of a fit back to the cluster, which meanwhile gives this worker another one.
    with threadpool_limits(1), joblib.parallel_config("threading", n_jobs=1):
        pipeline = build(code, setting.estimator, setting.params, kinds, params.model.seed)
        target = labels(trained_on, params.columns, params.task)
        fit_pipeline(pipeline, setting.estimator, setting.params, code.inputs(trained_on, kinds), target, params.task)
        ready = code.inputs(held, kinds)
        if params.task == "regression":
            classes, predictions = None, pd.DataFrame({"prediction": pipeline.predict(ready)})
        else:
            classes = list(pipeline.classes_)
            names = [f"probability_{name}" for name in classes]
            predictions = pd.DataFrame(pipeline.predict_proba(ready), columns=names)
    positive = classes[-1] if classes and params.columns.positive is None else params.columns.positive
    threshold = params.model.threshold if isinstance(params.model.threshold, float) else None
    return as_scored(held[params.columns.target], predictions, classes, positive, threshold, held)


def score(
    setting: Setting, fold: Fold, train: pd.DataFrame, params: Params, code: ModelCode, judge: ModelCode
) -> float:
    """The primary metric of a setting on one fold, more being better; `judge` has the owner's metrics."""
    scored = predict_fold(setting, fold, train, params, code)
    metric = metric_named(params.gates.primary, scored, judge)
    return metric.value(scored) if metric.higher_is_better else -metric.value(scored)


def search(
    train: pd.DataFrame, params: Params, code: ModelCode, judge: ModelCode, alone: bool = False
) -> list[SearchResult]:
    """Every setting with its scores, in the order given; one of them is chosen: the best mean, the first of equals.

    `train` has the derived columns, too; `judge` has the owner's metrics.

    A single setting is chosen without being scored; of more than `model.search.rows` rows so many are used, evenly
    spread. Runs on the local cores, or on the Dask cluster whose scheduler `DASK_SCHEDULER_ADDRESS` names; `alone`,
    where the caller is itself one of many, in this process, as does what takes a few seconds.
    """
    settings = settings_of(params.model.candidates, params.model.search.n_iter, params.model.seed)
    if len(settings) == 1:
        return [SearchResult(settings[0], [], None, True)]
    if params.model.search.rows:
        train = train.iloc[evenly(len(train), params.model.search.rows)].reset_index(drop=True)
    folds = folds_of(train, params)
    cells = [(setting, fold) for setting in settings for fold in folds]
    scored = cell_scores(cells, train, params, code, judge, alone)
    fold_scores = list(scored if alone else progress(scored, len(cells), "searching"))
    scores = np.array(fold_scores).reshape(len(settings), len(folds))
    means = [mean_of_defined(list(row)).item() for row in scores]
    best = int(np.argmax(np.nan_to_num(means, nan=-np.inf)))
    return [
        SearchResult(setting, [number(score) for score in row], number(mean), index == best)
        for index, (setting, row, mean) in enumerate(zip(settings, scores, means, strict=True))
    ]


def cell_scores(
    cells: list[tuple[Setting, Fold]],
    train: pd.DataFrame,
    params: Params,
    code: ModelCode,
    judge: ModelCode,
    alone: bool,
) -> Iterator[float]:
    """The score of each setting on each fold, in their order: in this process as long as that is soon over."""
    done, began = 0, time.perf_counter()
    while done < len(cells) and (alone or soon(began, done, len(cells))):
        yield score(*cells[done], train, params, code, judge)
        done += 1
    if done < len(cells):
        with cluster():
            run = joblib.Parallel(n_jobs=-1, return_as="generator")
            yield from run(joblib.delayed(score)(*cell, train, params, code, judge) for cell in cells[done:])


def soon(began: float, done: int, cells: int) -> bool:
    """Whether the cells left take less time here than other processes take to start; the first is always tried."""
    if address_of_cluster():
        return False
    return not done or (time.perf_counter() - began) / done * (cells - done) < STARTING
