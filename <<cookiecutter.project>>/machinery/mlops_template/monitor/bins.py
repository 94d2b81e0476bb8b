"""The bins by which days of a column are compared, made once from the rows that the champion was trained on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.drift import as_numbers

Array = NDArray[Any]

QUANTILES = 10
"""Bins of equal count of a numeric column."""

MAX_CATEGORIES = 30
"""Commonest categories with a bin each; the others share one."""


@dataclass(frozen=True)
class Bins:
    """How the values of a column are counted.

    Attributes
    ----------
    name : str
    edges : array of shape (n_edges,) or None
        Between the bins of a numeric column; None for categories.
    low, high : float
        The least and the greatest reference value, NaN for categories.
    categories : tuple of str
        Those with a bin of their own, and behind them, without one, all others of the reference.
    own : int
        How many have one.
    """

    name: str
    edges: Array | None
    low: float
    high: float
    categories: tuple[str, ...] = ()
    own: int = 0

    @property
    def count(self) -> int:
        """Bins: those of values, one for values that are new, one for missing ones."""
        return (len(self.edges) + 1 if self.edges is not None else self.own + 1) + 2

    def places(self, values: pd.Series) -> Array:
        """The bin of each value, of shape (n_rows,): the last but one is for new values, the last for missing ones.

        New is a number beyond the range of the reference, or a category that is not in it.
        """
        missing = values.isna().to_numpy()
        if self.edges is not None:
            numbers = as_numbers(values)
            place = np.searchsorted(self.edges, numbers, side="left")
            new = (numbers < self.low) | (numbers > self.high)
        else:
            known = pd.Index(self.categories).get_indexer(pd.Index(as_texts(values)))
            place = np.minimum(known, self.own)
            new = known < 0
        return np.where(missing, self.count - 1, np.where(new, self.count - 2, place))

    def numbers(self, values: pd.Series) -> Array:
        """Numbers as they are, categories as the places of their bins, of shape (n_rows,)."""
        return as_numbers(values) if self.edges is not None else self.places(values).astype("float64")

    def by_block(self, values: pd.Series, block: Array, blocks: int) -> Array:
        """Rows in each bin, of shape (n_blocks, n_bins)."""
        cells = np.bincount(block * self.count + self.places(values), minlength=blocks * self.count)
        return cells.reshape(blocks, self.count)


def rarities(bins: Bins, values: pd.Series, block: Array, blocks: int) -> Array:
    """Rows by day of the reference that would be new to all its other days, of shape (n_blocks,)."""
    if bins.edges is not None:
        numbers = as_numbers(values)
        known = np.isfinite(numbers)
        numbers, block = numbers[known], block[known]
        lows, highs = np.full(blocks, np.inf), np.full(blocks, -np.inf)
        np.minimum.at(lows, block, numbers)
        np.maximum.at(highs, block, numbers)
        low, high = np.sort(lows)[:2], np.sort(highs)[::-1][:2]
        alone = np.zeros(blocks, dtype=int)
        for day, beyond in ((lows.argmin(), numbers < low[-1]), (highs.argmax(), numbers > high[-1])):
            alone[day] += int((beyond & (block == day)).sum())
        return alone
    known = values.notna().to_numpy()
    of = pd.DataFrame({"text": as_texts(values[known]), "day": block[known]})
    once = of.groupby("text")["day"].transform("nunique") == 1
    return np.bincount(of["day"][once], minlength=blocks)


def bins_of(values: pd.Series) -> Bins:
    """The bins of a column by its reference values."""
    name, present = str(values.name), values.dropna()
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if (numeric or pd.api.types.is_datetime64_any_dtype(values)) and len(present):
        numbers = as_numbers(present)
        distinct = np.unique(numbers)
        if len(distinct) <= QUANTILES:
            edges = (distinct[1:] + distinct[:-1]) / 2
        else:
            edges = np.unique(np.quantile(numbers, np.linspace(0, 1, QUANTILES + 1)[1:-1]))
        return Bins(name, edges, float(distinct[0]), float(distinct[-1]))
    commonest = pd.Series(as_texts(present)).value_counts(sort=True)
    names = tuple(map(str, commonest.sort_index().sort_values(ascending=False, kind="stable").index))
    return Bins(name, None, np.nan, np.nan, names, min(len(names), MAX_CATEGORIES))


def as_texts(values: pd.Series) -> Array:
    """Categories as text: whole numbers alike, whether the column holds gaps or not."""
    if pd.api.types.is_float_dtype(values):
        return values.map(lambda value: f"{value:g}").to_numpy(dtype=object)
    return values.astype("str").to_numpy(dtype=object)
