"""The metrics, as sums over blocks of rows, so that the bootstrap is cheap.

A resample of blocks is a weight for each block: a thousand resamples are one matrix product, not a thousand
passes over the rows. Each value is that of the scikit-learn function of the same name; the tests hold it to that.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from ..errors import ProjectError
from ..owner.dependencies import SOURCE
from ..owner.package import own_code
from ..serving.model_code import ModelCode

Array = NDArray[Any]
Kind = Literal["binary", "multiclass", "regression"]

RANK_BINS = 1024
"""Scores are resampled in so many bins of equal count, ties within one counting half."""

CALIBRATION_BINS = 10

SMALLEST_PROBABILITY = np.finfo("float64").eps


@dataclass(frozen=True)
class Scored:
    """Rows with their truth and a model's predictions.

    Attributes
    ----------
    kind : {"binary", "multiclass", "regression"}
    truth : array of shape (n_rows,)
        binary: 1 for the positive class, else 0. multiclass: the index of the class, -1 for one that the model does not
        know. regression: in the target's unit.
    prediction : array of shape (n_rows,) or (n_rows, n_classes)
        binary: the probability of the positive class. multiclass: that of each class. regression: in the target's unit.
    threshold : float or array of shape (n_rows,)
        Above this probability a binary decision is for the positive class.
    rows : DataFrame of shape (n_rows, n_columns) or None
        The rows with all columns of the data; None where only predictions are kept.
    """

    kind: Kind
    truth: Array
    prediction: Array
    threshold: float | Array = 0.5
    rows: pd.DataFrame | None = None

    def __getitem__(self, rows: Array) -> "Scored":
        table = None if self.rows is None else self.rows[rows] if rows.dtype == bool else self.rows.iloc[rows]
        threshold = self.threshold[rows] if isinstance(self.threshold, np.ndarray) else self.threshold
        return Scored(self.kind, self.truth[rows], self.prediction[rows], threshold, table)

    @property
    def decision(self) -> Array:
        """The class decided for, of shape (n_rows,): 0 or 1 by the threshold, or the index of the most probable."""
        if self.kind == "binary":
            return (self.prediction > self.threshold).astype("int64")
        return np.asarray(self.prediction.argmax(axis=1))

    def one_against_rest(self) -> Iterator[tuple[Array, Array]]:
        """(is it this class, its probability): once for a binary task, else for each class."""
        if self.kind == "binary":
            yield self.truth == 1, self.prediction
        else:
            for index in range(self.prediction.shape[1]):
                yield self.truth == index, self.prediction[:, index]

    def confidence(self) -> tuple[Array, Array]:
        """(does it happen, the probability given): of the positive, or of the most probable class."""
        if self.kind == "binary":
            return self.truth == 1, self.prediction
        return self.truth == self.prediction.argmax(axis=1), self.prediction.max(axis=1)


def as_scored(
    truth: pd.Series,
    predictions: pd.DataFrame,
    classes: list[Any] | None,
    positive: Any,
    threshold: float | None = None,
    rows: pd.DataFrame | None = None,
) -> Scored:
    """Truth and predictions, as `Model.predict` gives them, in the form that metrics take.

    `classes` are those the model knows, None for regression; `positive` and `threshold` matter where there are two.
    """
    if classes is None:
        predicted = predictions["prediction"].to_numpy("float64")
        return Scored("regression", truth.to_numpy("float64"), predicted, rows=rows)
    if len(classes) == 2:
        probability = predictions[f"probability_{positive}"].to_numpy("float64")
        happened = (truth == positive).to_numpy("int64")
        return Scored("binary", happened, probability, 0.5 if threshold is None else threshold, rows)
    indices = pd.Index(classes).get_indexer(pd.Index(truth))
    return Scored("multiclass", indices, predictions.to_numpy("float64"), rows=rows)


@dataclass(frozen=True)
class Metric:
    """`statistics` gives sums for each block, (blocks, k); `of` maps sums (…, k) to values (…)."""

    statistics: Callable[[Scored, Array, int], Array]
    of: Callable[[Array], Array]
    higher_is_better: bool
    exact: Callable[[Array, Array], float] | None = None
    """Where blocks hold an approximation: the exact value of one class against the rest."""
    whole: Callable[[Scored], float] | None = None
    """Where it is no function of sums: the value of some rows, which is computed again for each resample."""

    def value(self, scored: Scored) -> float:
        """The metric over all rows, NaN where they do not define it (a single class has no ROC curve)."""
        if self.whole:
            return self.whole(scored)
        if self.exact:
            classes = [
                (truth, probability) for truth, probability in scored.one_against_rest() if 0 < truth.sum() < len(truth)
            ]
            values = [float(self.exact(truth, probability)) for truth, probability in classes]
            return float(np.mean(values)) if values else float("nan")
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(self.of(self.statistics(scored, np.zeros(len(scored.truth), dtype="int64"), 1))[0])

    def resampled(self, scored: Scored, block: Array, weights: Array) -> Array:
        """The metric of each resample, (resamples,); `block` (n,) of each row, `weights` (resamples, blocks)."""
        if self.whole:
            everything = np.arange(len(block))
            return np.array([self.whole(scored[np.repeat(everything, drawn[block].astype(int))]) for drawn in weights])
        sums = self.statistics(scored, block, weights.shape[1])
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.concatenate([self.of(some @ sums) for some in np.array_split(weights, 10)])


def sum_by_block(block: Array, blocks: int, *per_row: Array) -> Array:
    """Sums of each (n,) array within each block: (blocks, arrays)."""
    return np.column_stack([np.bincount(block, weights=row, minlength=blocks) for row in per_row])


def mean_of(per_row: Callable[[Scored], Array]) -> tuple[Callable[..., Array], Callable[[Array], Array]]:
    """Statistics and value of a metric that is a mean over rows."""

    def statistics(scored: Scored, block: Array, blocks: int) -> Array:
        return sum_by_block(block, blocks, per_row(scored), np.ones(len(block)))

    return statistics, lambda sums: sums[..., 0] / sums[..., 1]


def ranks(scored: Scored, block: Array, blocks: int) -> Array:
    """For each class against the rest, its rows and the others in each bin of rising score.

    Parameters
    ----------
    scored : Scored
        n_rows rows.
    block : array of shape (n_rows,)
        The block of each row, from 0.
    blocks : int

    Returns
    -------
    array of shape (blocks, 2 * n_classes * RANK_BINS)
        A binary task has one class here: the positive one.
    """
    parts = []
    for truth, probability in scored.one_against_rest():
        edges = np.unique(np.quantile(probability, np.linspace(0, 1, RANK_BINS + 1)[1:-1]))
        where = block * RANK_BINS + np.searchsorted(edges, probability, side="left")
        for rows in (truth, ~truth):
            counts = np.bincount(where, weights=rows.astype("float64"), minlength=blocks * RANK_BINS)
            parts.append(counts.reshape(blocks, RANK_BINS))
    return np.concatenate(parts, axis=1)


def mean_of_defined(values: list[Array]) -> Array:
    """The mean over the first axis, of those that are defined; NaN where none is."""
    defined = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(defined, values, 0).sum(axis=0) / defined.sum(axis=0))


def classes_of(sums: Array) -> Iterator[tuple[Array, Array]]:
    """(counts of the class, counts of the rest), each (…, RANK_BINS), from what `ranks` gave."""
    parts = np.split(sums, sums.shape[-1] // RANK_BINS, axis=-1)
    yield from zip(parts[::2], parts[1::2], strict=True)


def area_under_roc(sums: Array) -> Array:
    """Area under the ROC curve: the share of pairs that are ranked rightly.

    Parameters
    ----------
    sums : array of shape (..., 2 * n_classes * RANK_BINS)
        From `ranks`.

    Returns
    -------
    array of shape (...)
        Between 0 and 1, averaged over classes; NaN where none has both members and others.

    Notes
    -----
    The Mann-Whitney statistic, ties counting half: Hanley and McNeil (1982), "The meaning and use of the area under a
    receiver operating characteristic (ROC) curve".
    """
    values = []
    for members, others in classes_of(sums):
        below = np.cumsum(others, axis=-1) - others / 2
        values.append((members * below).sum(axis=-1) / (members.sum(axis=-1) * others.sum(axis=-1)))
    return mean_of_defined(values)


def area_under_precision_recall(sums: Array) -> Array:
    """Average precision: the mean of precision over the steps of recall, from the highest score down.

    Parameters
    ----------
    sums : array of shape (..., 2 * n_classes * RANK_BINS)
        From `ranks`.

    Returns
    -------
    array of shape (...)
        Between 0 and 1, averaged over classes; NaN where none has a member.

    Notes
    -----
    As `sklearn.metrics.average_precision_score`, without interpolation.
    """
    values = []
    for members, others in classes_of(sums):
        hits = np.cumsum(members[..., ::-1], axis=-1)
        all_rows = hits + np.cumsum(others[..., ::-1], axis=-1)
        precision = np.divide(hits, all_rows, out=np.zeros_like(hits), where=all_rows > 0)
        values.append((precision * members[..., ::-1]).sum(axis=-1) / members.sum(axis=-1))
    return mean_of_defined(values)


def log_loss(scored: Scored) -> Array:
    """Minus the logarithm of the probability given to what happened.

    Parameters
    ----------
    scored : Scored
        n_rows rows of a classification.

    Returns
    -------
    array of shape (n_rows,)
        In nats, at most that of SMALLEST_PROBABILITY.

    Notes
    -----
    Good (1952), "Rational decisions".
    """
    if scored.kind == "binary":
        given = np.where(scored.truth == 1, scored.prediction, 1 - scored.prediction)
    else:
        given = np.where(scored.truth < 0, 0, np.take_along_axis(scored.prediction, scored.truth[:, None], 1)[:, 0])
    return np.asarray(-np.log(np.clip(given, SMALLEST_PROBABILITY, 1)))


def squared_distance(scored: Scored) -> Array:
    """Brier score of a row: squared distance of the probabilities from what happened.

    Parameters
    ----------
    scored : Scored
        n_rows rows of a classification.

    Returns
    -------
    array of shape (n_rows,)
        Between 0 and 1 for a binary task, 0 and 2 for several classes.

    Notes
    -----
    Brier (1950), "Verification of forecasts expressed in terms of probability"; of a binary task only the positive
    class is counted.
    """
    return np.asarray(sum((probability - truth) ** 2 for truth, probability in scored.one_against_rest()))


def confusion(scored: Scored, block: Array, blocks: int) -> Array:
    """True positives, false positives and false negatives of each class.

    Parameters
    ----------
    scored : Scored
        n_rows rows.
    block : array of shape (n_rows,)
        The block of each row, from 0.
    blocks : int

    Returns
    -------
    array of shape (blocks, 3 * n_classes)
        A binary task has one class here: the positive one.
    """
    decision = scored.decision
    indices = [1] if scored.kind == "binary" else range(scored.prediction.shape[1])
    per_row = []
    for index in indices:
        said, was = decision == index, scored.truth == index
        per_row += [said & was, said & ~was, ~said & was]
    return sum_by_block(block, blocks, *per_row)


def f1(sums: Array) -> Array:
    """Harmonic mean of precision and recall.

    Parameters
    ----------
    sums : array of shape (..., 3 * n_classes)
        From `confusion`.

    Returns
    -------
    array of shape (...)
        Between 0 and 1, averaged over classes (macro); 0 for a class without a true positive.

    Notes
    -----
    As `sklearn.metrics.f1_score(zero_division=0)`.
    """
    hits, false_alarms, misses = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
    total = 2 * hits + false_alarms + misses
    return np.asarray(np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0).mean(axis=-1))


def calibration(scored: Scored, block: Array, blocks: int) -> Array:
    """In each bin of probability: how often it happened, the sum of probabilities, rows.

    Parameters
    ----------
    scored : Scored
        n_rows rows.
    block : array of shape (n_rows,)
        The block of each row, from 0.
    blocks : int

    Returns
    -------
    array of shape (blocks, 3 * CALIBRATION_BINS)
    """
    happened, probability = scored.confidence()
    bin_ = np.minimum((probability * CALIBRATION_BINS).astype("int64"), CALIBRATION_BINS - 1)
    size = blocks * CALIBRATION_BINS
    parts = [
        np.bincount(block * CALIBRATION_BINS + bin_, weights=row, minlength=size).reshape(blocks, -1)
        for row in (happened.astype("float64"), probability, np.ones(len(block)))
    ]
    return np.concatenate(parts, axis=1)


def expected_calibration_error(sums: Array) -> Array:
    """Mean gap between probability and frequency, over bins of equal width, by their rows.

    Parameters
    ----------
    sums : array of shape (..., 3 * CALIBRATION_BINS)
        From `calibration`.

    Returns
    -------
    array of shape (...)
        Between 0 and 1.

    Notes
    -----
    Naeini, Cooper and Hauskrecht (2015), "Obtaining well calibrated probabilities using Bayesian binning".
    """
    happened, probability, rows = np.split(sums, 3, axis=-1)
    return np.asarray(np.abs(happened - probability).sum(axis=-1) / rows.sum(axis=-1))


def moments(scored: Scored, block: Array, blocks: int) -> Array:
    """Squared error, truth, squared truth (both from their mean), rows.

    Parameters
    ----------
    scored : Scored
        n_rows rows.
    block : array of shape (n_rows,)
        The block of each row, from 0.
    blocks : int

    Returns
    -------
    array of shape (blocks, 4)
    """
    error, truth = scored.prediction - scored.truth, scored.truth - scored.truth.mean()
    return sum_by_block(block, blocks, error**2, truth, truth**2, np.ones(len(truth)))


def r2(sums: Array) -> Array:
    """Coefficient of determination: the share of the target's variance that is explained.

    Parameters
    ----------
    sums : array of shape (..., 4)
        From `moments`.

    Returns
    -------
    array of shape (...)
        At most 1; not finite where the target is constant.
    """
    error, total, squares, rows = np.moveaxis(sums, -1, 0)
    return np.asarray(1 - error / (squares - total**2 / rows))


def rmse(sums: Array) -> Array:
    """Root of the mean squared error.

    Parameters
    ----------
    sums : array of shape (..., 4)
        From `moments`.

    Returns
    -------
    array of shape (...)
        In the target's unit.
    """
    return np.asarray(np.sqrt(sums[..., 0] / sums[..., 3]))


CLASSIFICATION = {
    "roc_auc": Metric(ranks, area_under_roc, True, exact=roc_auc_score),
    "average_precision": Metric(ranks, area_under_precision_recall, True, exact=average_precision_score),
    "log_loss": Metric(*mean_of(log_loss), False),
    "brier": Metric(*mean_of(squared_distance), False),
    "accuracy": Metric(*mean_of(lambda scored: (scored.decision == scored.truth).astype("float64")), True),
    "f1": Metric(confusion, f1, True),
    "calibration_error": Metric(calibration, expected_calibration_error, False),
}

REGRESSION = {
    "mae": Metric(*mean_of(lambda scored: np.abs(scored.prediction - scored.truth)), False),
    "rmse": Metric(moments, rmse, False),
    "r2": Metric(moments, r2, True),
    "mape": Metric(*mean_of(lambda scored: np.abs((scored.prediction - scored.truth) / scored.truth)), False),
}


@dataclass(frozen=True)
class OwnMetric:
    """A metric of the owner's, from `METRICS` in metrics.py.

    Parameters
    ----------
    name : str
        As in params.yaml and in the report.
    function : callable
        Takes a `Scored`. Returns an array of shape (n_rows,), of which the metric is the mean; that makes bootstrap
        intervals cheap. With `per_row=False` it returns the metric as one number, and is called for each resample.
    higher_is_better : bool
    kinds : list of {"binary", "multiclass", "regression"}
        The tasks that it is for.
    per_row : bool, default True
    """

    name: str
    function: Callable[[Scored], Any]
    higher_is_better: bool
    kinds: list[Kind]
    per_row: bool = True

    def metric(self, fault: Callable[[Exception], str]) -> Metric:
        """As the built-in ones are; what the owner's code raises becomes a ProjectError by `fault`."""

        def call(scored: Scored) -> Any:
            try:
                return self.function(scored)
            except Exception as error:
                raise ProjectError(fault(error)) from error

        def per_row(scored: Scored) -> Array:
            values = np.asarray(call(scored), dtype="float64")
            if values.shape != scored.truth.shape:
                raise ProjectError(
                    f"metrics.py: {self.name} returned an array of shape {values.shape} for {len(scored.truth)} rows: "
                    "return a number for each, or set per_row=False"
                )
            return values

        if self.per_row:
            return Metric(*mean_of(per_row), self.higher_is_better)
        nothing = mean_of(per_row)
        return Metric(*nothing, self.higher_is_better, whole=lambda scored: float(call(scored)))


def metrics_code() -> ModelCode:
    """The owner's metrics.py as it is now; nothing where there is no project here."""
    return own_code("metrics") if SOURCE.is_dir() else ModelCode({})


def own_metrics(code: ModelCode | None = None) -> dict[str, OwnMetric]:
    """The owner's metrics by name, as metrics.py has them now; `code` where that is not in this directory.

    Raises ProjectError when the module is broken, or a name is that of a built-in one.
    """
    code = code or metrics_code()
    if "metrics" not in code.files:
        return {}
    listed = getattr(code.module("metrics"), "METRICS", None)
    file = code.folder / "metrics.py"
    if not isinstance(listed, list) or not all(isinstance(metric, OwnMetric) for metric in listed):
        raise ProjectError(f"{file}: METRICS is no list of OwnMetric: define it, or delete the file")
    names = [metric.name for metric in listed]
    taken = [name for name in names if name in CLASSIFICATION | REGRESSION or names.count(name) > 1]
    if taken:
        raise ProjectError(f"{file}: {taken[0]} is the name of another metric: choose a new one")
    return {metric.name: metric for metric in listed}


def metrics_for(scored: Scored, code: ModelCode | None = None) -> dict[str, Metric]:
    """The metrics that these rows define, the owner's among them. A percentage of error needs a target without 0."""
    builtin = REGRESSION if scored.kind == "regression" else CLASSIFICATION
    if scored.kind == "regression" and not (scored.truth != 0).all():
        builtin = {name: metric for name, metric in REGRESSION.items() if name != "mape"}
    code = code or metrics_code()

    def fault(error: Exception) -> str:
        return code.fault(error, "metrics.py")

    own = {name: metric.metric(fault) for name, metric in own_metrics(code).items() if scored.kind in metric.kinds}
    return builtin | own


def metric_named(name: str, scored: Scored, code: ModelCode | None = None, setting: str = "gates.primary") -> Metric:
    """The metric of that name. Raises ProjectError, which names the setting, when these rows do not define it."""
    defined = metrics_for(scored, code)
    if name not in defined:
        raise ProjectError(f"{setting}: {name!r} is not defined for this target; choose one of {', '.join(defined)}")
    return defined[name]


def higher_is_better(name: str) -> bool:
    """Whether more of a metric is better; True for one that there is no more."""
    defined = CLASSIFICATION | REGRESSION | own_metrics()
    return defined[name].higher_is_better if name in defined else True


def number(value: float) -> float | None:
    """A figure for JSON: six decimals, None where it is undefined."""
    return round(float(value), 6) if math.isfinite(value) else None
