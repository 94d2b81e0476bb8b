"""The daily figures that alarms stand on, each with what it is on days of the reference."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .detect import MIN_DAYS, e_values, p_values

Array = NDArray[Any]

Family = Literal["drift", "quality", "relations", "predictions", "performance"]

FAMILIES: dict[Family, float] = {
    "drift": 0.35,
    "quality": 0.25,
    "relations": 0.1,
    "predictions": 0.1,
    "performance": 0.2,
}
"""The share of the level that each has; the figures of one share it by importance."""

MIN_ROWS = 30
"""Of a day, for it to be judged."""

POOL_DAYS, POOL_STEP = 28, 7
"""A day is compared with every such stretch of the reference, and the nearest counts: what was seen once is known."""

NEIGHBOURS = 3
"""Days on either side of a reference day that it is not compared with: they are alike."""

SEASON_DAYS = 90
"""A stretch of the reference that is a reference of its own, where it has as many days or more."""

MAX_PERSISTENCE = 0.6
"""A reference that drifts by itself would have more, and nothing that lasts would be seen."""

DRAWS = 5
"""Of each reference day."""

MIN_DISTANCE, MIN_SHARE = 0.02, 0.005
"""Effects that are worth an alarm: total variation distance, and a share of the rows."""


@dataclass(frozen=True)
class Figure:
    """One that is judged each day.

    Attributes
    ----------
    values : array of shape (n_days,)
        NaN on days with too few rows.
    p, evidence : array of shape (n_days,)
        How often a day of the reference is as far off, NaN on days that are not judged; and the e-value of that.
    """

    name: str
    family: Family
    column: str
    values: Array
    p: Array
    evidence: Array
    weight: float = field(default=0.0)


def judged(
    name: str, family: Family, column: str, values: Array, rows: Array, null: Callable[[int], Array], least: float
) -> Figure:
    """A figure of days of `rows` rows each. `null` gives those of reference days drawn with so many rows."""
    values = np.where(rows >= MIN_ROWS, values, np.nan)
    p, evidence = np.full(len(values), np.nan), np.ones(len(values))
    for size in np.unique(sizes(rows[np.isfinite(values)])):
        alike = np.isfinite(values) & (sizes(rows) == size)
        reference = null(int(size))
        persistence = persistence_of(reference)
        changes, usual = whitened(values, reference, persistence)
        independent = len(reference) * (1 - persistence) / (1 + persistence)
        p[alike] = p_in_any_season(changes[alike], usual, least * (1 - persistence))
        evidence[alike] = e_values(p[alike], independent)
    return Figure(name, family, column, values, p, evidence)


def persistence_of(reference: Array) -> float:
    """How much of a reference day's figure is there on the next day, from 0 to MAX_PERSISTENCE: weather lasts."""
    daily = means_of(reference)
    daily = daily[np.isfinite(daily)]
    if len(daily) < MIN_DAYS or daily.std() < 1e-12:
        return 0.0
    before, after = daily[:-1] - daily.mean(), daily[1:] - daily.mean()
    correlation = float((before * after).mean() / daily.var())
    return min(correlation, MAX_PERSISTENCE) if correlation > 2 / np.sqrt(len(daily)) else 0.0


def means_of(reference: Array) -> Array:
    """The mean of each day's draws, NaN where none is defined."""
    defined = np.isfinite(reference)
    counts = defined.sum(axis=1) if reference.size else np.array([])
    return np.where(counts > 0, np.where(defined, reference, 0).sum(axis=1) / np.maximum(counts, 1), np.nan)


def whitened(values: Array, reference: Array, persistence: float) -> tuple[Array, Array]:
    """Days, and those of the reference, without what the day before explains, so that they are independent.

    Else a week of unusual weather would count as seven reasons for an alarm. What comes suddenly is as visible as
    before on its first day, and by the share that is new on the next ones.
    """
    if not persistence:
        return values, reference
    middle = float(np.nanmedian(reference))

    def without(now: Array, before: Array) -> Array:
        known = np.isfinite(before)
        shrunk = (now - middle) * np.sqrt(1 - persistence**2)
        return np.where(known, now - middle - persistence * (np.where(known, before, middle) - middle), shrunk)

    before = np.concatenate([[np.nan], values[:-1]])
    daily = means_of(reference)
    return without(values, before), without(reference, np.concatenate([[np.nan], daily[:-1]])[:, None])


def p_in_any_season(values: Array, reference: Array, least: float) -> Array:
    """The greatest p-value that a stretch of the reference gives.

    Parameters
    ----------
    values : array of shape (n_values,)
    reference : array of shape (n_reference_days, n_draws)
        In order of time.

    Returns
    -------
    array of shape (n_values,)
        So it is one in every season that the reference has seen: days of a season are alike, and a figure that is
        usual there would be unusual among all days, for months on end.
    """
    if len(reference) < MIN_DAYS:
        return np.full(len(values), np.nan)
    seasons = max(1, len(reference) // SEASON_DAYS)
    edges = np.linspace(0, len(reference), 2 * seasons + 1).astype(int)
    starts = [(edges[i], edges[i + 2]) for i in range(2 * seasons - 1)]
    p = [p_values(values, reference[low:high].ravel(), least) for low, high in starts]
    return np.asarray(np.max(p, axis=0))


def sizes(rows: Array) -> Array:
    """The number of rows that reference days are drawn with: the power of two at or below that of a day."""
    return np.asarray(2 ** np.floor(np.log2(np.maximum(rows, 1))).astype(int))


def drift_figure(column: str, family: Family, reference: Array, days: Array, shared: "Pools") -> Figure:
    """How far a column's days are from the nearest stretch of the reference, by total variation.

    Parameters
    ----------
    reference : array of shape (n_reference_days, n_bins)
        Rows by day and bin.
    days : array of shape (n_days, n_bins)
    shared : Pools
    """
    rows = days.sum(axis=1)
    shares = days / np.maximum(rows, 1)[:, None]
    values = nearest(shares, shared.of(reference))
    name = f"the distribution of {column}" if family == "drift" else "the distribution of the predictions"
    null = partial(null_distances, reference, shared)
    return judged(name, family, column, values, rows, null, MIN_DISTANCE)


@dataclass(frozen=True)
class Pools:
    """Stretches of reference days: first and last (exclusive) of each, as places."""

    first: Array
    last: Array

    @classmethod
    def over(cls, days: int) -> "Pools":
        """All of `POOL_DAYS` days, or one of all days where there are fewer."""
        first = np.arange(0, max(days - POOL_DAYS, 0) + 1, POOL_STEP)
        if days > POOL_DAYS and first[-1] != days - POOL_DAYS:
            first = np.append(first, days - POOL_DAYS)
        return cls(first, np.minimum(first + POOL_DAYS, days))

    def of(self, reference: Array) -> Array:
        """The shares of the bins in each, of shape (n_pools, n_bins)."""
        return np.asarray(self.without(reference, np.array([0]), 0)[0])

    def without(self, reference: Array, begin: Array, days: int = 1) -> Array:
        """The same, with some days of the reference and their neighbours left out.

        Parameters
        ----------
        reference : array of shape (n_reference_days, n_bins)
        begin : array of shape (n_begins,)
            The first of `days` days to leave out, once for each.

        Returns
        -------
        array of shape (n_begins, n_pools, n_bins)
            NaN in pools that have no other days.
        """
        total = np.vstack([np.zeros(reference.shape[1]), np.cumsum(reference, axis=0)])
        counts = np.repeat((total[self.last] - total[self.first])[None], len(begin), axis=0)
        if days > 0:
            low = np.clip(begin[:, None] - NEIGHBOURS, self.first, self.last)
            high = np.clip(begin[:, None] + days + NEIGHBOURS, self.first, self.last)
            counts = counts - (total[high] - total[low])
        sums = counts.sum(axis=2, keepdims=True)
        return np.asarray(np.divide(counts, sums, out=np.full(counts.shape, np.nan), where=sums > 0))


def nearest(shares: Array, pools: Array) -> Array:
    """The total variation distance to the nearest pool, NaN where there is none.

    Parameters
    ----------
    shares : array of shape (..., n_bins)
    pools : array of shape (..., n_pools, n_bins)
        Those of NaN count for nothing.

    Returns
    -------
    array of shape (...,)
    """
    distances = 0.5 * np.abs(shares[..., None, :] - pools).sum(axis=-1)
    found = np.where(np.isnan(distances), np.inf, distances).min(axis=-1, initial=np.inf)
    return np.asarray(np.where(np.isfinite(found), found, np.nan))


def usual_distance(reference: Array, pools: Pools, days: int) -> float:
    """The median distance of so many days of the reference from the rest of it; NaN where there are too few."""
    begin = np.arange(0, len(reference) - days + 1, days)
    counts = np.array([reference[one : one + days].sum(axis=0) for one in begin])
    enough = counts.sum(axis=-1) >= MIN_ROWS
    if not enough.any():
        return float("nan")
    shares = counts[enough] / counts[enough].sum(axis=-1, keepdims=True)
    distances = nearest(shares, pools.without(reference, begin[enough], days))
    known = distances[np.isfinite(distances)]
    return float(np.median(known)) if len(known) else float("nan")


def null_distances(reference: Array, pools: Pools, size: int) -> Array:
    """The distance of reference days, drawn again with `size` rows, from the rest of the reference."""
    rows = reference.sum(axis=1)
    day = np.flatnonzero(rows >= MIN_ROWS)
    shares = (reference[day] / rows[day, None])[:, None]
    drawn = np.random.default_rng(0).multinomial(size, shares, size=(len(day), DRAWS)) / size
    others = pools.without(reference, day)
    distances = np.array([nearest(drawn[:, number], others) for number in range(DRAWS)]).T
    return np.asarray(distances[np.isfinite(distances).all(axis=1)])


def share_figure(name: str, column: str, reference: Array, of: Array, hits: Array, rows: Array) -> Figure:
    """How large a share of a day's rows is of a kind that should be rare: missing, or new.

    Parameters
    ----------
    reference, of : array of shape (n_reference_days,)
        Such rows, and all rows, by day of the reference.
    hits, rows : array of shape (n_days,)
        The same of the days that are judged.
    """

    def null(size: int) -> Array:
        known = of >= MIN_ROWS
        random = np.random.default_rng(0)
        return np.asarray(random.binomial(size, reference[known] / of[known], size=(DRAWS, known.sum())).T / size)

    return judged(name, "quality", column, hits / np.maximum(rows, 1), rows, null, MIN_SHARE)


def mean_figure(name: str, family: Family, column: str, reference: "Means", days: "Means", least: float) -> Figure:
    """How great the mean of a quantity of the rows is on a day, such as the loss."""

    def null(size: int) -> Array:
        known = reference.rows >= MIN_ROWS
        more = np.maximum(1 / size - 1 / reference.rows[known], 0)
        noise = np.random.default_rng(0).normal(size=(DRAWS, known.sum())) * np.sqrt(reference.variance[known] * more)
        return np.asarray((reference.mean[known] + noise).T)

    return judged(name, family, column, days.mean, days.rows, null, least)


@dataclass(frozen=True)
class Means:
    """A quantity by day: rows, mean and variance, each of shape (n_days,)."""

    rows: Array
    mean: Array
    variance: Array

    @classmethod
    def of(cls, values: Array, block: Array, blocks: int) -> "Means":
        """Of values of rows, NaN where there is none, by the block of each."""
        known = np.isfinite(values)
        values, block = values[known], block[known]
        rows = np.bincount(block, minlength=blocks)
        mean = np.bincount(block, values, minlength=blocks) / np.maximum(rows, 1)
        squares = np.bincount(block, values**2, minlength=blocks) / np.maximum(rows, 1)
        return cls(rows, mean, np.maximum(squares - mean**2, 0))

    @classmethod
    def together(cls, parts: list["Means"]) -> "Means":
        """Of days that follow one another."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "mean", "variance")))
