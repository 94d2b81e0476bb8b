"""What metrics are made of: sums over blocks of rows, so that the bootstrap is cheap, and functions of these sums.

A resample of blocks is a weight for each block: a thousand resamples are one matrix product, not a thousand
passes over the rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .scored import Array, Scored

RANK_BINS = 1024
"""Scores are resampled in so many bins of equal count, ties within one counting half."""

CALIBRATION_BINS = 10

SMALLEST_PROBABILITY = np.finfo("float64").eps


@dataclass(frozen=True)
class Metric:
    """`statistics` gives sums for each block, (blocks, k); `of` maps sums (…, k) to values (…)."""

    statistics: Callable[[Scored, Array, int], Array]
    of: Callable[[Array], Array]
    higher_is_better: bool
    exact: Callable[[Array, Array], float] | None = None
    """Where blocks hold an approximation: the exact value of one class against the rest."""
    by_class: bool = False
    """Whether a rare class weighs as much in it as a frequent one."""
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
