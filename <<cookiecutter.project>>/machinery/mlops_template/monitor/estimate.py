"""Performance while the truth is not known: what the model's probabilities, or its usual errors, lead one to expect.

A metric is estimated by drawing what may come true: of a classifier from probabilities that were recalibrated on rows
that it was not trained on, of a regression from the errors that it made on rows whose error was expected to be alike.
So it works for every metric, the owner's own ones too. What it cannot see is a change of the concept itself: that shows
in the outcomes alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from ..training.scored import Scored
from ..training.statistics import Metric

Array = NDArray[Any]

DRAWS = 40
FOLDS = 5
GROUPS = 20
"""Of rows whose error is expected to be alike."""

MIN_ROWS, MIN_BLOCKS = 300, 5
LEAST = 1e-6
"""Probabilities are kept so far from 0 and 1."""

PARTS = 12
"""Stretches of the reference by which the error of the estimate is told."""


Truths = Callable[[Scored, Array, np.random.Generator], Array]
"""Draws what may come true of rows with the bins of their features, in the form of `Scored.truth`."""


@dataclass(frozen=True)
class Estimate:
    """A metric that was not measured, with an interval from how far earlier estimates were off."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimator:
    """How to estimate a metric, and how far estimates of the reference were off."""

    truths: Truths
    metric: Metric
    error: float
    """Standard deviation of the difference between estimated and real, by stretches of `rows` rows."""
    bias: float
    rows: float
    how: str

    def estimate(self, scored: Scored, places: Array, seed: int = 0) -> Estimate:
        """The metric of rows whose outcome is not known."""
        value = expected(self.truths, self.metric, scored, places, seed) - self.bias
        reach = 1.96 * self.error * max(np.sqrt(self.rows / max(len(scored.prediction), 1)), 0.5)
        return Estimate(value, value - reach, value + reach)


def learned(metric: Metric, scored: Scored, places: Array, block: Array) -> Estimator | None:
    """An estimator of a metric from rows with outcomes; None where they are too few.

    Parameters
    ----------
    metric : Metric
    scored : Scored
        n_rows rows that the model was not trained on.
    places : array of shape (n_rows, n_columns)
        The bins of their features.
    block : array of shape (n_rows,)
        The day of each, rising with time.
    """
    if len(scored.truth) < MIN_ROWS or len(np.unique(block)) < MIN_BLOCKS:
        return None
    fold = np.unique(block, return_inverse=True)[1] * FOLDS // len(np.unique(block))
    how, make = choose(scored, places, fold)
    differences, sizes = [], []
    for number in range(FOLDS):
        inside = fold == number
        truths = make(scored[~inside], places[~inside])
        for part in np.array_split(np.flatnonzero(inside), max(1, PARTS // FOLDS)):
            real = metric.value(scored[part])
            guess = expected(truths, metric, scored[part], places[part], number)
            if np.isfinite(real) and np.isfinite(guess):
                differences.append(guess - real)
                sizes.append(len(part))
    if len(differences) < 3:
        return None
    error = float(np.std(differences, ddof=1))
    return Estimator(make(scored, places), metric, error, 0.0, float(np.mean(sizes)), how)


def expected(truths: Truths, metric: Metric, scored: Scored, places: Array, seed: int) -> float:
    """The mean of the metric over draws of the truth."""
    random = np.random.default_rng(seed)
    drawn = [metric.value(replace(scored, truth=truths(scored, places, random))) for _ in range(DRAWS)]
    defined = [value for value in drawn if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")


def choose(scored: Scored, places: Array, fold: Array) -> tuple[str, Any]:
    """The way to draw that predicts held-out stretches best, by the log loss of a probability or of an error."""
    if scored.kind == "regression":
        return "errors of alike rows", of_regression
    if scored.kind == "multiclass":
        return "the model's probabilities", of_classes
    losses = {}
    for name, make in CALIBRATORS.items():
        total = 0.0
        for number in range(FOLDS):
            inside = fold == number
            if len(np.unique(scored.truth[~inside])) < 2:
                continue
            probability = make(scored.prediction[~inside], places[~inside], scored.truth[~inside])(
                scored.prediction[inside], places[inside]
            )
            total += log_loss(scored.truth[inside], probability)
        losses[name] = total
    best = min(losses, key=lambda name: losses[name])

    def draw(reference: Scored, of: Array) -> Truths:
        calibrated = CALIBRATORS[best](reference.prediction, of, reference.truth)
        return lambda rows, rows_of, random: (
            random.random(len(rows.prediction)) < calibrated(rows.prediction, rows_of)
        ).astype("int64")

    return best, draw


def log_loss(truth: Array, probability: Array) -> float:
    """Summed over rows."""
    p = np.clip(probability, LEAST, 1 - LEAST)
    return float(-(np.log(p[truth == 1]).sum() + np.log(1 - p[truth != 1]).sum()))


def logit(probability: Array) -> Array:
    """Of probabilities."""
    p = np.clip(probability, LEAST, 1 - LEAST)
    return np.asarray(np.log(p / (1 - p)))


def as_they_are(prediction: Array, places: Array, truth: Array) -> Any:
    """Probabilities that need no correction."""
    return lambda prediction, places: prediction


def by_logistic(prediction: Array, places: Array, truth: Array) -> Any:
    """Platt's scaling: a logistic regression of the logit."""
    model = LogisticRegression(C=1e6).fit(logit(prediction)[:, None], truth)
    return lambda prediction, places: model.predict_proba(logit(prediction)[:, None])[:, 1]


def by_isotonic(prediction: Array, places: Array, truth: Array) -> Any:
    """The best rising function."""
    model = IsotonicRegression(y_min=LEAST, y_max=1 - LEAST, out_of_bounds="clip").fit(prediction, truth)
    return lambda prediction, places: model.predict(prediction)


def by_features(prediction: Array, places: Array, truth: Array) -> Any:
    """A correction that differs between parts of the feature space: trees on the logit and the features."""
    model = HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.05, max_leaf_nodes=8, min_samples_leaf=200, l2_regularization=10, random_state=0
    )
    table = np.column_stack([logit(prediction), places])
    model.fit(table, truth)
    return lambda prediction, places: model.predict_proba(np.column_stack([logit(prediction), places]))[:, 1]


CALIBRATORS: dict[str, Any] = {
    "the model's probabilities": as_they_are,
    "logistic calibration": by_logistic,
    "isotonic calibration": by_isotonic,
    "calibration by features": by_features,
}


def of_classes(reference: Scored, of: Array) -> Truths:
    """Classes by the model's probabilities, corrected for how often each came true."""
    classes = reference.prediction.shape[1]
    happened = np.array([(reference.truth == number).mean() for number in range(classes)])
    factor = np.maximum(happened, LEAST) / np.maximum(reference.prediction.mean(axis=0), LEAST)

    def draw(rows: Scored, places: Array, random: np.random.Generator) -> Array:
        probability = rows.prediction * factor
        steps = np.cumsum(probability / probability.sum(axis=1, keepdims=True), axis=1)
        return np.asarray(np.minimum((random.random(len(steps))[:, None] > steps).sum(axis=1), classes - 1))

    return draw


def of_regression(reference: Scored, of: Array) -> Truths:
    """The prediction and an error of the reference, drawn among rows whose error was expected to be as large."""
    errors = reference.truth - reference.prediction
    model = HistGradientBoostingRegressor(
        max_iter=80, learning_rate=0.05, max_leaf_nodes=12, min_samples_leaf=50, random_state=0
    )
    model.fit(np.column_stack([reference.prediction, of]), np.abs(errors))
    size = np.maximum(model.predict(np.column_stack([reference.prediction, of])), 1e-12)
    edges = np.unique(np.quantile(size, np.linspace(0, 1, GROUPS + 1)[1:-1]))
    group = np.searchsorted(edges, size, side="left")
    of_group = {number: (errors[group == number], size[group == number].mean()) for number in np.unique(group)}

    def draw(rows: Scored, places: Array, random: np.random.Generator) -> Array:
        expected_size = np.maximum(model.predict(np.column_stack([rows.prediction, places])), 1e-12)
        found = np.searchsorted(edges, expected_size, side="left")
        truth = rows.prediction.astype("float64").copy()
        for number, (drawn_from, typical) in of_group.items():
            inside = found == number
            truth[inside] += random.choice(drawn_from, inside.sum()) * expected_size[inside] / typical
        return truth

    return draw
