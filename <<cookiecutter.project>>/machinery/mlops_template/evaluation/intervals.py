"""Bootstrap intervals that resample whole blocks of time, since rows of one day are not independent."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ..training.scored import Scored
from ..training.statistics import Metric

Array = NDArray[np.float64]

CONFIDENCE = 0.95

CHANCE = (1 - CONFIDENCE) / 2
"""Of the truth to lie beyond a given end of an interval."""

MIN_DAYS = 3
"""Below this many days, blocks are stretches of equal count: how days differ is then not in the interval."""

MAX_BLOCKS = 400


def blocks(ids: pd.Series, times: pd.Series | None) -> NDArray[np.int64]:
    """The block of each row: rows of one block are drawn together, since they are not independent.

    Parameters
    ----------
    ids : Series of shape (n_rows,)
    times : Series of shape (n_rows,) or None
        Moments without a time zone.

    Returns
    -------
    array of shape (n_rows,)
        Numbers from 0, in any order. Blocks are days; where there are too few or too many of them, stretches of time
        of equal count; without times, groups by a stable hash of the id.
    """
    if times is None:
        groups = min(len(ids), MAX_BLOCKS)
        hashed = pd.util.hash_array(ids.astype("str").to_numpy(dtype=object)) % np.uint64(groups)
        return np.asarray(pd.factorize(hashed)[0])
    days, distinct = pd.factorize(times.dt.floor("D"), sort=True)
    if MIN_DAYS <= len(distinct) <= MAX_BLOCKS:
        return np.asarray(days)
    order = times.rank(method="first").to_numpy() - 1
    stretches = min(len(times), 20 if len(distinct) < MIN_DAYS else MAX_BLOCKS)
    return np.asarray(order * stretches // len(times), dtype="int64")


def resamples(block: NDArray[np.int64], count: int, seed: int = 0) -> Array:
    """How often each block is drawn in each bootstrap resample, of as many blocks as there are.

    Parameters
    ----------
    block : array of shape (n_rows,)
        As `blocks` gives it.
    count : int
        Resamples.
    seed : int

    Returns
    -------
    array of shape (count, n_blocks)
    """
    number = int(block.max()) + 1
    return np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=count).astype("float64")


class Support(NamedTuple):
    """What an interval stands on: the blocks that hold a row of the rarest class, or all."""

    blocks: int
    of: int
    """All blocks."""
    rarest: int | None = None
    """The class, as `Scored.truth` has it; None where each row counts alike."""
    rows: int = 0
    """Its rows."""

    @property
    def needed(self) -> int:
        """So many blocks must hold the class.

        A resample lacks it with probability (1 - blocks / of) ** of. That may be no more often than the truth is to
        lie beyond an end of the interval: such resamples define no metric, and the others vary too little without them.
        """
        if self.rarest is None:
            return 2
        chance = (1 - np.arange(self.of + 1) / max(self.of, 1)) ** self.of
        return max(2, int(np.argmax(chance <= CHANCE)))

    @property
    def deciding(self) -> int:
        """The number of blocks that intervals reckon with; 0, too few to judge, leaves them undefined."""
        return self.blocks if self.blocks >= self.needed else 0


def support(metric: Metric, scored: Scored, block: NDArray[np.int64]) -> Support:
    """How many blocks decide how far a metric varies.

    Parameters
    ----------
    metric : Metric
    scored : Scored
        n_rows rows.
    block : array of shape (n_rows,)

    Returns
    -------
    Support
        Of two classes the rarer one decides, though all rows are there; of several, the rarest of those that occur,
        for a metric that is a mean over classes.

    Notes
    -----
    That the number of blocks which carry the variation takes the place of their number is the effective number of
    clusters of Carter, Schnepel and Steigerwald (2017), "Asymptotic Behavior of a t-Test Robust to Cluster
    Heterogeneity". docs/gates.md of a project has the levels measured with it.
    """
    everything = len(np.unique(block))
    if scored.kind == "regression" or (scored.kind == "multiclass" and not metric.by_class):
        return Support(everything, everything)
    classes = [0, 1] if scored.kind == "binary" else np.unique(scored.truth[scored.truth >= 0]).tolist()
    holding = [(len(np.unique(block[scored.truth == one])), int((scored.truth == one).sum()), one) for one in classes]
    blocks_of_it, rows, rarest = min(holding, default=(0, 0, 0))
    return Support(blocks_of_it, everything, rarest, rows)


def interval(draws: Array, number_of_blocks: int) -> tuple[float, float]:
    """The 95 % percentile interval of bootstrap draws, widened for few blocks.

    Parameters
    ----------
    draws : array of shape (n_resamples,)
        In the metric's unit; NaN where a resample does not define it.
    number_of_blocks : int

    Returns
    -------
    (low, high)
        NaN with fewer than 2 blocks, or where less than half of the draws are defined.

    Notes
    -----
    The plain percentile interval is too narrow by about sqrt((n - 1) / n) and takes the normal for Student's t;
    Hesterberg (2015), "What Teachers Should Know About the Bootstrap", section 5.3, moves the percentiles by just that.
    """
    defined = draws[np.isfinite(draws)]
    if number_of_blocks < 2 or len(defined) < len(draws) / 2:
        return float("nan"), float("nan")
    t = stats.t.ppf(CHANCE, number_of_blocks - 1)
    tail = stats.norm.cdf(np.sqrt(number_of_blocks / (number_of_blocks - 1)) * t)
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def once(number_of_blocks: int) -> float:
    """How many standard errors a 95 % interval reaches that is looked at once: a quantile of Student's t."""
    return float(stats.t.ppf(1 - CHANCE, number_of_blocks - 1))


TUNED_FOR = 28
"""Blocks at which a sequence of intervals is narrowest."""


def any_time(number_of_blocks: int, chance: float = 2 * CHANCE) -> float:
    """How many standard errors an interval reaches that may be looked at after every further block.

    Parameters
    ----------
    number_of_blocks : int
    chance : float
        That the truth is ever outside, at any of all looks.

    Notes
    -----
    The asymptotic confidence sequence with the margin of a conjugate mixture, of Waudby-Smith, Arbour, Sinha, Kennedy
    and Ramdas (2024), "Time-uniform central limit theory and asymptotic confidence sequences", with their choice of its
    parameter for `TUNED_FOR` blocks. As the standard error is estimated from few blocks, the normal's tail is moved to
    Student's t.
    """
    n = number_of_blocks
    tuned = -2 * np.log(chance)
    spread = n * (tuned + np.log(tuned + 1)) / TUNED_FOR
    reach = np.sqrt(2 * (spread + 1) / spread * np.log(np.sqrt(spread + 1) / chance))
    return float(stats.t.isf(stats.norm.sf(reach), n - 1))


def interval_of_difference(
    value: float, draws: Array, number_of_blocks: int, reach: Callable[[int], float] = once
) -> tuple[float, float]:
    """The 95 % interval around a difference, with the standard error of its bootstrap draws.

    Gates stand on its ends, and with few blocks percentiles leave out the truth too often.

    Parameters
    ----------
    value : float
        The difference of all rows.
    draws : array of shape (n_resamples,)
    number_of_blocks : int
    reach : callable
        From the number of blocks to standard errors: `once`, or `any_time`.

    Returns
    -------
    (low, high)
        NaN where `standard_error` is.
    """
    error = standard_error(draws, number_of_blocks)
    if not np.isfinite(error):
        return float("nan"), float("nan")
    return float(value - reach(number_of_blocks) * error), float(value + reach(number_of_blocks) * error)


def standard_error(draws: Array, number_of_blocks: int) -> float:
    """The standard error by bootstrap draws, which of n blocks vary by sqrt((n - 1) / n) too little.

    Parameters
    ----------
    draws : array of shape (n_resamples,)
    number_of_blocks : int

    Returns
    -------
    float
        NaN with fewer than 2 blocks, or where less than half of the draws are defined.
    """
    defined = draws[np.isfinite(draws)]
    if number_of_blocks < 2 or len(defined) < len(draws) / 2:
        return float("nan")
    return float(defined.std() * np.sqrt(number_of_blocks / (number_of_blocks - 1)))
