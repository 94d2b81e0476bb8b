"""How far the distribution of a column has moved from one set of rows to another."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[Any]

MOVED = 0.1
"""The index from which a column counts as moved; by custom 0.25 is a great move."""

QUANTILE_BINS = 10
PICTURE_BINS = 24
MAX_CATEGORIES = 12
"""More values of a column than these are summed up as `other`; a number with no more is shown by its values."""

MISSING, OTHER = "(missing)", "(other)"


@dataclass(frozen=True)
class Drift:
    """A column in both sets of rows: the shares of its bins, to be drawn, and one figure for the distance."""

    column: str
    kind: Literal["number", "date", "category"]
    index: float
    """Population stability index."""
    noise: float
    """What the index stays below 19 times of 20 where nothing has moved."""
    bins: list[str] | list[float]
    """The names of the categories, or the edges of the bins: one more than there are shares."""
    before: list[float]
    after: list[float]
    typical: tuple[str, str]
    """The median, or the share of the category that moved most."""
    missing: tuple[float, float]

    @property
    def moved(self) -> bool:
        """Whether the distance is worth a look, and more than chance."""
        return self.index >= max(MOVED, self.noise)


def drift(before: pd.Series, after: pd.Series) -> Drift:
    """The distance of `after` from `before`, both of the same column and with at least one row."""
    name, sides = str(before.name), [before, after]
    absent = [int(side.isna().sum()) for side in sides]
    present = [side.dropna() for side in sides]
    distinct = pd.concat(present).unique()
    dates = pd.api.types.is_datetime64_any_dtype(before)
    numbers = all(pd.api.types.is_numeric_dtype(side) and not pd.api.types.is_bool_dtype(side) for side in sides)
    if (dates or (numbers and len(distinct) > MAX_CATEGORIES)) and all(map(len, present)):
        return of_numbers(name, "date" if dates else "number", [as_numbers(side) for side in present], absent)
    order = [f"{value:g}" for value in sorted(distinct)] if numbers else None
    texts = [side.map("{:g}".format) if numbers else side.astype("str") for side in present]
    return of_categories(name, texts, order, absent)


def as_numbers(values: pd.Series) -> Array:
    """Numbers, dates as seconds since 1970."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return np.asarray((values - pd.Timestamp(0)) / pd.Timedelta(seconds=1))
    return values.to_numpy("float64", na_value=np.nan)


def of_numbers(name: str, kind: Literal["number", "date"], values: list[Array], absent: list[int]) -> Drift:
    """The index over bins of equal count before; the picture over bins of equal width, extremes at its ends."""
    edges = np.unique(np.quantile(values[0], np.linspace(0, 1, QUANTILE_BINS + 1)[1:-1]))
    counts = [np.bincount(np.searchsorted(edges, part, side="left"), minlength=len(edges) + 1) for part in values]
    low, high = np.quantile(np.concatenate(values), [0.005, 0.995])
    frame = np.linspace(low, high if high > low else low + 1, PICTURE_BINS + 1)
    drawn = [np.histogram(np.clip(part, frame[0], frame[-1]), frame)[0] for part in values]
    medians = [float(np.median(part)) for part in values]
    typical = [f"median {date_of(value) if kind == 'date' else f'{value:.4g}'}" for value in medians]
    return Drift(
        name,
        kind,
        *index_of(*with_absent(counts, absent)),
        bins=[float(edge) for edge in frame],
        before=shares(drawn[0]),
        after=shares(drawn[1]),
        typical=(typical[0], typical[1]),
        missing=(missing_share(len(values[0]), absent[0]), missing_share(len(values[1]), absent[1])),
    )


def of_categories(name: str, values: list[pd.Series], order: list[str] | None, absent: list[int]) -> Drift:
    """The index over the commonest categories of both sides, in the order given or by how common they are."""
    counted = [part.value_counts() for part in values]
    together = counted[0].add(counted[1], fill_value=0).sort_values(ascending=False, kind="stable")
    names = order or [str(category) for category in together.index[:MAX_CATEGORIES]]
    counts = [part.reindex(names, fill_value=0).to_numpy("float64") for part in counted]
    if len(together) > len(names):
        counts = [np.append(some, part.sum() - some.sum()) for some, part in zip(counts, counted, strict=True)]
        names = [*names, OTHER]
    counts = with_absent(counts, absent)
    names = [*names, MISSING] if any(absent) else names
    before, after = shares(counts[0]), shares(counts[1])
    most = int(np.argmax(np.abs(np.subtract(after, before))))
    return Drift(
        name,
        "category",
        *index_of(*counts),
        bins=list(names),
        before=before,
        after=after,
        typical=(f"{names[most]}: {before[most]:.1%}", f"{names[most]}: {after[most]:.1%}"),
        missing=(missing_share(len(values[0]), absent[0]), missing_share(len(values[1]), absent[1])),
    )


def with_absent(counts: list[Array], absent: list[int]) -> list[Array]:
    """Counts with one more bin for absent values, where there are any."""
    return [np.append(some, number) for some, number in zip(counts, absent, strict=True)] if any(absent) else counts


def missing_share(present: int, absent: int) -> float:
    """Absent values as a share of all."""
    return absent / max(present + absent, 1)


def shares(counts: Array) -> list[float]:
    """Counts as shares of their sum."""
    return [round(float(share), 6) for share in counts / max(counts.sum(), 1)]


def index_of(before: Array, after: Array) -> tuple[float, float]:
    """The population stability index, and its 95 % quantile where nothing has moved.

    Parameters
    ----------
    before, after : array of shape (n_bins,)
        Rows in each bin.

    Returns
    -------
    (index, noise)
        Without unit, rounded to 4 digits. Half a row is added to each bin, so that none is empty.

    Notes
    -----
    Siddiqi (2006), "Credit Risk Scorecards"; its distribution: Yurdakul and Naranjo (2020), "Statistical properties of
    the population stability index".
    """
    rows = before.sum(), after.sum()
    old, new = ((counts + 0.5) / (counts + 0.5).sum() for counts in (before, after))
    chance = stats.chi2.ppf(0.95, max(len(before) - 1, 1)) * (1 / max(rows[0], 1) + 1 / max(rows[1], 1))
    return round(float(((new - old) * np.log(new / old)).sum()), 4), round(float(chance), 4)


def date_of(seconds: float) -> str:
    """The day of that second since 1970."""
    return f"{pd.Timestamp(seconds, unit='s'):%Y-%m-%d}"
