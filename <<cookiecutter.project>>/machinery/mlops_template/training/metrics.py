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

Array = NDArray[Any]
Kind = Literal["binary", "multiclass", "regression"]

RANK_BINS = 1024
"""Scores are resampled in so many bins of equal count, ties within one counting half."""

CALIBRATION_BINS = 10

SMALLEST_PROBABILITY = np.finfo("float64").eps


@dataclass(frozen=True)
class Scored:
    """Rows with their truth and the model's answer.

    binary: `truth` (n,) of 0 and 1, `answer` (n,) the probability of 1.
    multiclass: `truth` (n,) class index, -1 for a class unknown to the model, `answer` (n, classes).
    regression: `truth` (n,) and `answer` (n,) in the target's unit.
    """

    kind: Kind
    truth: Array
    answer: Array

    def __getitem__(self, rows: Array) -> "Scored":
        return Scored(self.kind, self.truth[rows], self.answer[rows])

    def one_against_rest(self) -> Iterator[tuple[Array, Array]]:
        """(is it this class, its probability): once for a binary task, else for each class."""
        if self.kind == "binary":
            yield self.truth == 1, self.answer
        else:
            for index in range(self.answer.shape[1]):
                yield self.truth == index, self.answer[:, index]

    def confidence(self) -> tuple[Array, Array]:
        """(does it happen, the probability given): of the positive, or of the most probable class."""
        if self.kind == "binary":
            return self.truth == 1, self.answer
        return self.truth == self.answer.argmax(axis=1), self.answer.max(axis=1)


def as_scored(truth: pd.Series, answers: pd.DataFrame, classes: list[Any] | None, positive: Any) -> Scored:
    """Truth and predictions, as `Model.predict` gives them, in the form that metrics take.

    `classes` are those the model knows, None for regression; `positive` matters where there are two.
    """
    if classes is None:
        return Scored("regression", truth.to_numpy("float64"), answers["prediction"].to_numpy("float64"))
    if len(classes) == 2:
        probability = answers[f"probability_{positive}"].to_numpy("float64")
        return Scored("binary", (truth == positive).to_numpy("int64"), probability)
    return Scored("multiclass", pd.Index(classes).get_indexer(pd.Index(truth)), answers.to_numpy("float64"))


@dataclass(frozen=True)
class Metric:
    """`statistics` gives sums for each block, (blocks, k); `of` maps sums (…, k) to values (…)."""

    statistics: Callable[[Scored, Array, int], Array]
    of: Callable[[Array], Array]
    higher_is_better: bool
    exact: Callable[[Array, Array], float] | None = None
    """Where blocks hold an approximation: the exact value of one class against the rest."""

    def value(self, scored: Scored) -> float:
        """The metric over all rows, NaN where they do not define it (a single class has no ROC curve)."""
        if self.exact:
            classes = [(truth, answer) for truth, answer in scored.one_against_rest() if 0 < truth.sum() < len(truth)]
            values = [float(self.exact(truth, answer)) for truth, answer in classes]
            return float(np.mean(values)) if values else float("nan")
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(self.of(self.statistics(scored, np.zeros(len(scored.truth), dtype="int64"), 1))[0])

    def resampled(self, scored: Scored, block: Array, weights: Array) -> Array:
        """The metric of each resample, (resamples,); `block` (n,) of each row, `weights` (resamples, blocks)."""
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
    """For each class against the rest, its rows and the others in each bin of rising score."""
    parts = []
    for truth, answer in scored.one_against_rest():
        edges = np.unique(np.quantile(answer, np.linspace(0, 1, RANK_BINS + 1)[1:-1]))
        where = block * RANK_BINS + np.searchsorted(edges, answer, side="left")
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
    """Share of pairs that are ranked rightly: the Mann-Whitney statistic."""
    values = []
    for members, others in classes_of(sums):
        below = np.cumsum(others, axis=-1) - others / 2
        values.append((members * below).sum(axis=-1) / (members.sum(axis=-1) * others.sum(axis=-1)))
    return mean_of_defined(values)


def area_under_precision_recall(sums: Array) -> Array:
    """Average precision: the mean of precision over the steps of recall, from the highest score down."""
    values = []
    for members, others in classes_of(sums):
        hits = np.cumsum(members[..., ::-1], axis=-1)
        all_rows = hits + np.cumsum(others[..., ::-1], axis=-1)
        precision = np.divide(hits, all_rows, out=np.zeros_like(hits), where=all_rows > 0)
        values.append((precision * members[..., ::-1]).sum(axis=-1) / members.sum(axis=-1))
    return mean_of_defined(values)


def log_loss(scored: Scored) -> Array:
    """Minus the logarithm of the probability given to what happened."""
    if scored.kind == "binary":
        given = np.where(scored.truth == 1, scored.answer, 1 - scored.answer)
    else:
        given = np.where(scored.truth < 0, 0, np.take_along_axis(scored.answer, scored.truth[:, None], 1)[:, 0])
    return np.asarray(-np.log(np.clip(given, SMALLEST_PROBABILITY, 1)))


def squared_distance(scored: Scored) -> Array:
    """Brier score of a row: squared distance of the probabilities from what happened."""
    return np.asarray(sum((answer - truth) ** 2 for truth, answer in scored.one_against_rest()))


def decided(scored: Scored) -> Array:
    """The class decided on: index of the most probable."""
    return (scored.answer > 0.5).astype("int64") if scored.kind == "binary" else scored.answer.argmax(axis=1)


def confusion(scored: Scored, block: Array, blocks: int) -> Array:
    """For each class (of a binary task: the positive): hits, false alarms and misses."""
    decision = decided(scored)
    indices = [1] if scored.kind == "binary" else range(scored.answer.shape[1])
    per_row = []
    for index in indices:
        said, was = decision == index, scored.truth == index
        per_row += [said & was, said & ~was, ~said & was]
    return sum_by_block(block, blocks, *per_row)


def f1(sums: Array) -> Array:
    """Harmonic mean of precision and recall, averaged over classes; 0 where a class is never hit."""
    hits, false_alarms, misses = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
    total = 2 * hits + false_alarms + misses
    return np.asarray(np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0).mean(axis=-1))


def calibration(scored: Scored, block: Array, blocks: int) -> Array:
    """In each bin of probability: how often it happened, the sum of probabilities, rows."""
    happened, probability = scored.confidence()
    bin_ = np.minimum((probability * CALIBRATION_BINS).astype("int64"), CALIBRATION_BINS - 1)
    size = blocks * CALIBRATION_BINS
    parts = [
        np.bincount(block * CALIBRATION_BINS + bin_, weights=row, minlength=size).reshape(blocks, -1)
        for row in (happened.astype("float64"), probability, np.ones(len(block)))
    ]
    return np.concatenate(parts, axis=1)


def expected_calibration_error(sums: Array) -> Array:
    """Mean gap between probability and frequency, over bins by their rows (Naeini et al., 2015)."""
    happened, probability, rows = np.split(sums, 3, axis=-1)
    return np.asarray(np.abs(happened - probability).sum(axis=-1) / rows.sum(axis=-1))


def moments(scored: Scored, block: Array, blocks: int) -> Array:
    """Squared error, truth, squared truth (both from their mean), rows."""
    error, truth = scored.answer - scored.truth, scored.truth - scored.truth.mean()
    return sum_by_block(block, blocks, error**2, truth, truth**2, np.ones(len(truth)))


def r2(sums: Array) -> Array:
    """Share of the target's variance that is explained."""
    error, total, squares, rows = np.moveaxis(sums, -1, 0)
    return np.asarray(1 - error / (squares - total**2 / rows))


def rmse(sums: Array) -> Array:
    """Root of the mean squared error."""
    return np.asarray(np.sqrt(sums[..., 0] / sums[..., 3]))


CLASSIFICATION = {
    "roc_auc": Metric(ranks, area_under_roc, True, exact=roc_auc_score),
    "average_precision": Metric(ranks, area_under_precision_recall, True, exact=average_precision_score),
    "log_loss": Metric(*mean_of(log_loss), False),
    "brier": Metric(*mean_of(squared_distance), False),
    "accuracy": Metric(*mean_of(lambda scored: (decided(scored) == scored.truth).astype("float64")), True),
    "f1": Metric(confusion, f1, True),
    "calibration_error": Metric(calibration, expected_calibration_error, False),
}

REGRESSION = {
    "mae": Metric(*mean_of(lambda scored: np.abs(scored.answer - scored.truth)), False),
    "rmse": Metric(moments, rmse, False),
    "r2": Metric(moments, r2, True),
    "mape": Metric(*mean_of(lambda scored: np.abs((scored.answer - scored.truth) / scored.truth)), False),
}


def metrics_for(scored: Scored) -> dict[str, Metric]:
    """The metrics these rows define: a percentage of error needs a target that is never 0."""
    if scored.kind != "regression":
        return CLASSIFICATION
    return {name: metric for name, metric in REGRESSION.items() if name != "mape" or (scored.truth != 0).all()}


def metric_named(name: str, scored: Scored) -> Metric:
    """The metric of that name. Raises ProjectError when these rows do not define it."""
    known = metrics_for(scored)
    if name not in known:
        raise ProjectError(f"gates.primary: {name!r} is not defined for this target; choose one of {', '.join(known)}")
    return known[name]


def number(value: float) -> float | None:
    """A figure for JSON: six decimals, None where it is undefined."""
    return round(float(value), 6) if math.isfinite(value) else None
