"""Whether a column still belongs with the others: what no column shows by itself, such as a join that mixes up rows."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from .figures import MIN_ROWS

Array = NDArray[Any]

MAX_ROWS, MAX_COLUMNS = 6_000, 20
"""Of the reference that is learned from, and the columns, the most important ones."""

MAX_BINS = 64
"""No column has more: see bins.py."""

MAX_DAY_ROWS = 1_000
"""Of a day that is judged, evenly drawn: their mean is exact enough."""

FOLDS = 2
MAX_CATEGORIES = 6
"""That are told apart: the commonest bins, and all others as one."""

MAX_MISFIT = 9.0
"""A single row counts no more than this."""

MIN_SCALE = 0.01
"""A column with less than this has too little to do with the others to be judged."""


@dataclass(frozen=True)
class Relation:
    """How a column follows from the others, as models have learned it from the bins of reference rows.

    Each has learned from half of the reference's weeks, so that the other half shows what is usual.
    """

    column: int
    models: list["ColumnModel"]
    fold: Array
    """(n_reference_days,) which model has learned from the day."""
    scale: float
    """Half the difference between the mean misfit of shuffled rows and that of rows as they are."""

    def of_reference(self, places: Array, block: Array) -> Array:
        """How badly the column fits in rows of the reference, by the model that has not learned from their day."""
        misfit = np.empty(len(places))
        for number, model in enumerate(self.models):
            unseen = self.fold[block] != number
            if unseen.any():
                misfit[unseen] = model.misfit(places[unseen])
        return misfit

    def of(self, places: Array) -> Array:
        """How badly the column fits in other rows, of shape (n_rows,): each by one model, as in the reference."""
        misfit = np.empty(len(places))
        for number, model in enumerate(self.models):
            rows = slice(number, None, len(self.models))
            if len(places[rows]):
                misfit[rows] = model.misfit(places[rows])
        return misfit


@dataclass(frozen=True)
class ColumnModel:
    """The bin of a column by those of the others."""

    column: int
    fitted: Any
    groups: Array | None
    """Of a categorical column, the group of each bin; None for a number."""
    usual: Array
    """Of groups, how frequent each is; of a number, the variance of what the others do not tell."""

    def misfit(self, places: Array) -> Array:
        """Of each row: minus the gain in log likelihood by the others, or the squared error by its variance."""
        others = np.delete(places, self.column, axis=1)
        if self.groups is None:
            error = places[:, self.column] - self.fitted.predict(others)
            return np.asarray(np.minimum(error**2 / self.usual[0], MAX_MISFIT))
        group = self.groups[places[:, self.column]]
        probability = self.fitted.predict_proba(others)[np.arange(len(places)), group]
        gain = np.log(np.maximum(probability, 1e-4)) - np.log(self.usual[group])
        return np.asarray(np.clip(-gain, -MAX_MISFIT, MAX_MISFIT))


def relations(places: Array, categorical: list[bool], block: Array, blocks: int) -> list[Relation]:
    """Those of all columns that have to do with others, from the bins of rows and the day of each.

    Parameters
    ----------
    places : array of shape (n_rows, n_columns)
    categorical : list of bool
        Of each column, whether its bins are in no order.
    block : array of shape (n_rows,)
    blocks : int
        Days of the reference.
    """
    if places.shape[1] < 2 or len(places) < 20 * MIN_ROWS or blocks < 2 * FOLDS:
        return []
    random = np.random.default_rng(0)
    fold = (np.arange(blocks) // 7) % FOLDS
    halves = [np.flatnonzero(fold[block] == number) for number in range(FOLDS)]
    if not all(map(len, halves)):
        return []
    halves = [random.choice(rows, min(len(rows), MAX_ROWS), replace=False) for rows in halves]
    sample = np.concatenate(halves)
    kept = []
    for column, by_name in enumerate(categorical):
        groups = groups_of(places[sample, column]) if by_name else None
        if len(np.unique(places[sample, column] if groups is None else groups[places[sample, column]])) < 2:
            continue
        models = [fitted(places[rows], column, groups) for rows in halves]
        relation = Relation(column, models, fold, 0.0)
        usual = relation.of_reference(places[sample], block[sample]).mean()
        mixed = relation.of_reference(with_shuffled(places[sample], column, random), block[sample]).mean()
        scale = float(mixed - usual) / 2
        if scale >= MIN_SCALE:
            kept.append(replace(relation, scale=scale))
    return kept


def groups_of(places: Array) -> Array:
    """The group of each bin of a category: one each for the commonest, one for all others."""
    counts = np.bincount(places, minlength=MAX_BINS)
    order = np.argsort(-counts, kind="stable")
    groups = np.full(len(counts), MAX_CATEGORIES - 1)
    groups[order[: MAX_CATEGORIES - 1]] = np.arange(min(MAX_CATEGORIES - 1, len(order)))
    return groups


def fitted(places: Array, column: int, groups: Array | None) -> ColumnModel:
    """A model of a column."""
    others = np.delete(places, column, axis=1)
    settings = {"max_leaf_nodes": 15, "early_stopping": False, "random_state": 0}
    if groups is None:
        model = HistGradientBoostingRegressor(max_iter=40, **settings).fit(others, places[:, column])
        error = places[:, column] - model.predict(others)
        return ColumnModel(column, model, None, np.array([max(float((error**2).mean()), 1e-6)]))
    group = groups[places[:, column]]
    usual = np.bincount(group, minlength=MAX_CATEGORIES) / len(group)
    model = HistGradientBoostingClassifier(max_iter=20, **settings).fit(others, group)
    return ColumnModel(column, Known(model), groups, np.maximum(usual, 1e-4))


@dataclass(frozen=True)
class Known:
    """A classifier of groups of which some may be in no row that it has learned from."""

    model: Any

    def predict_proba(self, others: Array) -> Array:
        """The probability of each group, of shape (n_rows, MAX_CATEGORIES)."""
        probability = np.zeros((len(others), MAX_CATEGORIES))
        probability[:, self.model.classes_] = self.model.predict_proba(others)
        return probability


def with_shuffled(places: Array, column: int, random: np.random.Generator) -> Array:
    """The rows with one column shuffled."""
    changed = places.copy()
    changed[:, column] = random.permutation(changed[:, column])
    return changed
