"""From rows by day to figures: the reference is learned once, and days of production are held against it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from .bins import Bins, bins_of, rarities
from .figures import FAMILIES, Figure, Means, Pools, drift_figure, judged, mean_figure, share_figure
from .relations import MAX_COLUMNS, MAX_DAY_ROWS, Relation, relations

Array = NDArray[Any]

LOSS, METRIC = "the loss", "the primary metric"
"""The figures of the performance."""

MIN_RELATION, MIN_LOSS = 0.05, 0.02
"""Effects that are worth an alarm: shares of the relation, and of the reference's mean loss."""


@dataclass(frozen=True)
class Rows:
    """Rows with the day of each.

    Attributes
    ----------
    table : DataFrame of shape (n_rows, n_columns)
        The model's features, derived ones included.
    block : array of shape (n_rows,)
        The place of its day.
    days : int
    predictions : DataFrame of shape (n_rows, n_predictions)
    loss : array of shape (n_rows,)
        Of the prediction, NaN where the outcome is not known.
    metric : array of shape (n_days,) or None
        The primary metric of each day's rows with outcomes, with the sign by which more is worse; NaN where it is not
        defined.
    """

    table: pd.DataFrame
    block: Array
    days: int
    predictions: pd.DataFrame
    loss: Array
    metric: Array | None = None


@dataclass(frozen=True)
class Reference:
    """What is usual: counts of the reference by day and bin, and what was learned of it."""

    bins: dict[str, Bins]
    counts: dict[str, Array]
    of_predictions: dict[str, Bins]
    counts_of_predictions: dict[str, Array]
    rare: dict[str, Array]
    pools_of_predictions: Pools
    loss: Means
    metric_of_days: Callable[[int], Array] | None
    """The primary metric of days drawn with so many rows, as `Rows.metric`, of shape (n_days, n_draws)."""
    margin: float
    """What is worth an alarm, in its unit."""
    pools: Pools
    relations: list[Relation]
    related: list[str]
    """The columns that relations are about, in the order of their places."""
    fits: list[Means]
    """How badly the column of each relation fits its row."""
    importance: dict[str, float]


def learn(
    rows: Rows,
    importance: dict[str, float],
    tested: Rows | None = None,
    metric_of_days: Callable[[int], Array] | None = None,
    margin: float = 0.0,
) -> Reference:
    """What is usual in some rows.

    `tested` are those that the model was not trained on: only their predictions and losses are what production's should
    be; all rows where nothing is given.
    """
    tested = tested or rows
    bins = {str(name): bins_of(rows.table[name]) for name in rows.table}
    counts = {name: one.by_block(rows.table[name], rows.block, rows.days) for name, one in bins.items()}
    of_predictions = {str(name): bins_of(tested.predictions[name]) for name in tested.predictions}
    related = sorted(bins, key=lambda name: -importance.get(name, 0.0))[:MAX_COLUMNS]
    places = places_of(rows.table, bins, related)
    with threadpool_limits(1):
        related_to = relations(places, [bins[name].edges is None for name in related], rows.block, rows.days)
        fits = [Means.of(relation.of_reference(places, rows.block), rows.block, rows.days) for relation in related_to]
    return Reference(
        bins,
        counts,
        of_predictions,
        {
            name: one.by_block(tested.predictions[name], tested.block, tested.days)
            for name, one in of_predictions.items()
        },
        {name: rarities(one, rows.table[name], rows.block, rows.days) for name, one in bins.items()},
        Pools.over(tested.days),
        Means.of(tested.loss, tested.block, tested.days),
        metric_of_days,
        margin,
        Pools.over(rows.days),
        related_to,
        related,
        fits,
        importance,
    )


def places_of(table: pd.DataFrame, bins: dict[str, Bins], columns: list[str]) -> Array:
    """The bins of rows, of shape (n_rows, n_columns)."""
    return (
        np.column_stack([bins[name].places(table[name]) for name in columns]) if columns else np.empty((len(table), 0))
    )


@dataclass(frozen=True)
class Tally:
    """What is counted of some days, without a single row. The first axis of every array is the day."""

    counts: dict[str, Array]
    """By column and bin."""
    predictions: dict[str, Array]
    fits: list[Means]
    loss: Means
    metric: Array
    """As `Rows.metric`."""

    @classmethod
    def together(cls, parts: list["Tally"]) -> "Tally":
        """Of days that follow one another."""

        def joined(tables: list[dict[str, Array]]) -> dict[str, Array]:
            return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}

        return cls(
            joined([part.counts for part in parts]),
            joined([part.predictions for part in parts]),
            [Means.together(list(of_one)) for of_one in zip(*(part.fits for part in parts), strict=True)],
            Means.together([part.loss for part in parts]),
            np.concatenate([part.metric for part in parts]),
        )


def tally(reference: Reference, rows: Rows) -> Tally:
    """Count some days by the bins of the reference."""
    chosen = some_of_each(rows.block, MAX_DAY_ROWS)
    places, block = places_of(rows.table.iloc[chosen], reference.bins, reference.related), rows.block[chosen]
    with threadpool_limits(1):  # of so few rows, threads wait for one another longer than they work
        fits = [Means.of(relation.of(places), block, rows.days) for relation in reference.relations]
    return Tally(
        {name: bins.by_block(rows.table[name], rows.block, rows.days) for name, bins in reference.bins.items()},
        {
            name: bins.by_block(rows.predictions[name], rows.block, rows.days)
            for name, bins in reference.of_predictions.items()
        },
        fits,
        Means.of(rows.loss, rows.block, rows.days),
        np.full(rows.days, np.nan) if rows.metric is None else rows.metric,
    )


def some_of_each(block: Array, most: int) -> Array:
    """The places of up to so many rows of each day, evenly spread; days follow one another."""
    counts = np.bincount(block)
    starts = np.cumsum(counts) - counts
    parts = [
        start + np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))
        for start, count in zip(starts, counts, strict=True)
        if count
    ]
    return np.concatenate(parts) if parts else np.array([], dtype=int)


def figures_of(reference: Reference, days: Tally) -> list[Figure]:
    """All figures of some days, with their weights."""
    figures: list[Figure] = []
    for name, counts in days.counts.items():
        usual = reference.counts[name]
        figures.append(drift_figure(name, "drift", usual, counts, reference.pools))
        total, of = counts.sum(axis=1), usual.sum(axis=1)
        figures.append(share_figure(f"missing values of {name}", name, usual[:, -1], of, counts[:, -1], total))
        new = share_figure(f"values never seen before of {name}", name, reference.rare[name], of, counts[:, -2], total)
        figures.append(new)
    for name, counts in days.predictions.items():
        usual = reference.counts_of_predictions[name]
        figures.append(drift_figure(name, "predictions", usual, counts, reference.pools_of_predictions))
    for relation, usual_fit, fit in zip(reference.relations, reference.fits, days.fits, strict=True):
        name, least = reference.related[relation.column], MIN_RELATION * relation.scale
        figures.append(mean_figure(f"how {name} fits the other columns", "relations", name, usual_fit, fit, least))
    usual_loss = float(reference.loss.mean.sum() / max(np.count_nonzero(reference.loss.rows), 1))
    least = max(MIN_LOSS * abs(usual_loss), 1e-12)
    figures.append(mean_figure(LOSS, "performance", "", reference.loss, days.loss, least))
    if reference.metric_of_days is not None:
        rows = days.loss.rows
        figure = judged(
            METRIC, "performance", "", days.metric, rows, reference.metric_of_days, max(reference.margin, 1e-12)
        )
        figures.append(figure)
    return weighted(figures, reference.importance)


def weighted(figures: list[Figure], importance: dict[str, float]) -> list[Figure]:
    """Each with its share of the level: a family's, half of it evenly, half by the importance of the column."""
    result = []
    for figure in figures:
        family = [one for one in figures if one.family == figure.family]
        total = sum(max(importance.get(one.column, 0.0), 0.0) for one in family)
        even = 1 / len(family)
        by_importance = max(importance.get(figure.column, 0.0), 0.0) / total if total > 0 else even
        result.append(replace(figure, weight=FAMILIES[figure.family] * (even + by_importance) / 2))
    return result
