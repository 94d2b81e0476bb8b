"""Performance while the truth is not known: what the model's probabilities, or its usual errors, lead one to expect.

Of a classifier, a metric is computed with every row counted as each class by its probability, which was recalibrated
on rows that the model was not trained on. Of a regression, the truth is drawn from errors that the model made on rows
whose error was expected to be as large. So it works for every metric, the owner's own ones too. What it cannot see is
a change of the concept itself: that shows in the outcomes alone.

Confidence-based performance estimation and direct loss estimation, as in NannyML; beside it in benchmarks/README.md of
the template.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.isotonic import IsotonicRegression

from ..training.metrics import number
from ..training.scored import Scored
from ..training.statistics import Metric
from .monitoring import Value

Array = NDArray[Any]

DRAWS = 40
"""Of the truth, where a metric is no function of sums, and of a regression."""

LEVELS = 500
"""Of probability, within which rows count alike."""

BAGS = 15
"""Resamples of which a calibration is the mean: one alone has steps where the reference happens to have them."""

FOLDS, PARTS = 5, 3
"""Of the reference, by which the error of the estimate is told: fitted without a fold, tried on each of its parts."""

GROUPS = 20
"""Of rows whose error is expected to be alike."""

MIN_ROWS, MIN_BLOCKS = 300, 5

Expect = Callable[[Metric, Scored, Array], float]
"""The metric of rows, with their features as numbers, whose truth is not known."""


@dataclass(frozen=True)
class Estimator:
    """How to estimate a metric, and how far estimates of the reference were off."""

    expect: Expect
    metric: Metric
    error: float
    """Standard deviation of the difference between estimated and real, by stretches of `rows` rows."""
    rows: float

    def estimate(self, scored: Scored, features: Array) -> Value:
        """The metric of rows whose outcome is not known; their truth is not looked at.

        The interval is of how far earlier estimates were off.
        """
        value = self.expect(self.metric, scored, features)
        reach = 1.96 * self.error * max(np.sqrt(self.rows / max(len(scored.prediction), 1)), 0.5)
        return Value(*(number(one) for one in (value, value - reach, value + reach)))


def learned(metric: Metric, scored: Scored, features: Array, block: Array) -> Estimator | None:
    """An estimator of a metric from rows with outcomes; None where they are too few.

    Parameters
    ----------
    metric : Metric
    scored : Scored
        n_rows rows that the model was not trained on.
    features : array of shape (n_rows, n_columns)
        As numbers: see `Bins.numbers`. A classification does without, and may give none: (n_rows, 0).
    block : array of shape (n_rows,)
        The day of each, rising with time.
    """
    days = np.unique(block, return_inverse=True)[1]
    if len(scored.truth) < MIN_ROWS or days.max() + 1 < MIN_BLOCKS:
        return None
    make = of_regression if scored.kind == "regression" else of_classes
    fold = days * FOLDS // (days.max() + 1)
    differences, sizes = [], []
    for left_out in range(FOLDS):
        inside = fold == left_out
        expect = make(scored[~inside], features[~inside])
        for part in np.array_split(np.flatnonzero(inside), PARTS):
            difference = expect(metric, scored[part], features[part]) - metric.value(scored[part])
            if np.isfinite(difference):
                differences.append(difference)
                sizes.append(len(part))
    if len(differences) < FOLDS:
        return None
    return Estimator(make(scored, features), metric, float(np.std(differences, ddof=1)), float(np.mean(sizes)))


def of_classes(reference: Scored, features: Array) -> Expect:
    """By probabilities, of which each class's was recalibrated."""
    calibrate = [isotonic(probability, truth) for truth, probability in reference.one_against_rest()]

    def expect(metric: Metric, scored: Scored, features: Array) -> float:
        of_each = zip(calibrate, scored.one_against_rest(), strict=True)
        columns = [calibrated(probability) for calibrated, (_, probability) in of_each]
        if scored.kind == "binary":
            chances = np.column_stack([1 - columns[0], columns[0]])
        else:
            chances = np.column_stack(columns) + 1e-9
            chances = chances / chances.sum(axis=1, keepdims=True)
        return by_draws(metric, scored, chances) if metric.whole else by_weights(metric, scored, chances)

    return expect


def isotonic(probability: Array, happened: Array) -> Callable[[Array], Array]:
    """The best rising function from a probability to how often it happened, as the mean over resamples."""
    random, models = np.random.default_rng(0), []
    for _ in range(BAGS):
        rows = random.integers(0, len(happened), len(happened))
        model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        models.append(model.fit(probability[rows], happened[rows]))
    return lambda probability: np.asarray(np.mean([model.predict(probability) for model in models], axis=0))


def by_weights(metric: Metric, scored: Scored, chances: Array) -> float:
    """A metric of sums, with each row as every class by its chance.

    Parameters
    ----------
    metric : Metric
    scored : Scored
        n_rows rows.
    chances : array of shape (n_rows, n_classes)

    Returns
    -------
    float
        Rows of a class whose chances are about the same are one block, which is weighted by them.
    """
    rows, classes = chances.shape
    truth = np.repeat(np.arange(classes), rows)
    group = np.concatenate([level(chances[:, place]) for place in range(classes)]) + truth * LEVELS
    counts = np.bincount(group, minlength=classes * LEVELS)
    weights = np.bincount(group, chances.T.ravel(), minlength=classes * LEVELS) / np.maximum(counts, 1)
    each = scored[np.tile(np.arange(rows), classes)]
    return float(metric.resampled(replace(each, truth=truth), group, weights[None])[0])


def level(chance: Array) -> Array:
    """The level of each chance: of equal count, from 0."""
    edges = np.unique(np.quantile(chance, np.linspace(0, 1, LEVELS + 1)[1:-1]))
    return np.asarray(np.searchsorted(edges, chance, side="left"))


def by_draws(metric: Metric, scored: Scored, chances: Array) -> float:
    """Any metric, as the mean over draws of the truth."""
    random, steps = np.random.default_rng(0), np.cumsum(chances, axis=1)
    drawn = [(random.random(len(steps))[:, None] > steps[:, :-1]).sum(axis=1) for _ in range(DRAWS)]
    return float(np.nanmean([metric.value(replace(scored, truth=truth)) for truth in drawn]))


def of_regression(reference: Scored, features: Array) -> Expect:
    """By errors of the reference, drawn among rows whose error was expected to be as large."""
    errors = reference.truth - reference.prediction
    model = HistGradientBoostingRegressor(
        max_iter=150, learning_rate=0.05, max_leaf_nodes=31, early_stopping=False, random_state=0
    ).fit(np.column_stack([reference.prediction, features]), np.abs(errors))

    def size_of(scored: Scored, features: Array) -> Array:
        return np.asarray(np.maximum(model.predict(np.column_stack([scored.prediction, features])), 1e-12))

    size = size_of(reference, features)
    edges = np.unique(np.quantile(size, np.linspace(0, 1, GROUPS + 1)[1:-1]))
    group = np.searchsorted(edges, size, side="left")
    by_group = {number: errors[group == number] / size[group == number] for number in np.unique(group)}

    def expect(metric: Metric, scored: Scored, features: Array) -> float:
        random, size = np.random.default_rng(0), size_of(scored, features)
        places = np.searchsorted(edges, size, side="left")
        values = []
        for _ in range(DRAWS):
            error = np.zeros(len(size))
            for alike, relative in by_group.items():
                inside = places == alike
                error[inside] = random.choice(relative, inside.sum()) * size[inside]
            values.append(metric.value(replace(scored, truth=scored.prediction + error)))
        return float(np.nanmean(values))

    return expect
