"""Sequential detection: from daily figures to alarms, of which no more than a stated number a year are false.

Each figure of a day is held against those of the reference days, as a p-value; this becomes an e-value, whose mean is
at most one while nothing has changed. A Shiryaev-Roberts statistic adds them up over every day on which a change may
have begun, and the weighted sum over all figures raises an alarm where it reaches the wanted mean time between false
alarms. So one level holds for all figures together, however many there are, and may be looked at every day.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[Any]

DAYS_A_YEAR = 365.0

POWER = 0.25
"""Of the calibrator from p to e: the smaller, the more a single small p counts, and the less do many middling ones."""

SHIFT, MAX_SCORE = 0.7, 3.0
"""The shift of the normal scores that is looked for, and the score that a single day counts at most."""

TAIL = 0.1
"""Beyond this share of the reference days, p-values come from a fitted tail: so few days reach no smaller ones."""

SHAPE = 0.1
"""Of the tail, a generalised Pareto distribution: heavier than an exponential one."""

MIN_DAYS = 14
"""Reference days below which nothing can be judged."""

QUIET_P, QUIET_DAYS = 0.1, 3
"""An alarm is over once so many days in a row are no more unusual than this."""


def p_values(values: Array, reference: Array, least_effect: float) -> Array:
    """How often a reference day has a figure at least as great.

    Parameters
    ----------
    values : array of shape (n_days,)
        The figure of each day; NaN where there is none.
    reference : array of shape (n_reference,)
        The same of reference days, drawn with as many rows as the days have.
    least_effect : float
        In the figure's unit. The fitted tail falls no faster than by this: what is smaller is not worth an alarm.

    Returns
    -------
    array of shape (n_days,)
        NaN where there is no figure, or no reference.

    Notes
    -----
    Up to the 90 % quantile u of the reference by rank; beyond, TAIL * (1 + SHAPE * z)^(-1 / SHAPE) with
    z = (value - u) / scale, the peaks over threshold of Pickands (1975), whose scale is the mean excess.
    """
    ordered = np.sort(reference[np.isfinite(reference)])
    if len(ordered) == 0:
        return np.full(len(values), np.nan)
    limit = float(np.quantile(ordered, 1 - TAIL))
    excess = ordered[ordered > limit] - limit
    scale = max(float(excess.mean()) * (1 - SHAPE) if len(excess) else 0.0, least_effect)
    known = np.nan_to_num(values, nan=-np.inf)
    rank = (1 + len(ordered) - np.searchsorted(ordered, known, side="left")) / (len(ordered) + 1)
    beyond = TAIL * (1 + SHAPE * np.maximum(known - limit, 0) / scale) ** (-1 / SHAPE)
    p = np.minimum(np.where(known > limit, np.minimum(beyond, TAIL), np.maximum(rank, TAIL)), 1.0)
    return np.where(np.isfinite(values), p, np.nan)


def e_values(p: Array, independent: float) -> Array:
    """Evidence against "nothing has changed": of mean 1 at most while p is uniform.

    Parameters
    ----------
    p : array of shape (n_days,)
        NaN where a day cannot be judged.
    independent : float
        As how many independent days the reference counts.

    Returns
    -------
    array of shape (n_days,)
        The mean of two e-values, 1 where a day cannot be judged. One is large on a day like no other: POWER *
        p^(POWER - 1); the other, exp(SHIFT * z - SHIFT^2 / 2) of the normal score z of p, adds up where many days
        are a little worse. Shares and means of few reference days are themselves uncertain, so p is raised and z is
        lowered by a standard error: what is odd about a reference would else be an alarm in waiting.

    Notes
    -----
    Vovk and Wang (2021), "E-values: Calibration, combination and applications", section 2.
    """
    independent = max(independent, 1.0)
    known = np.where(np.isfinite(p), p, 0.5)
    careful = np.clip(known + np.sqrt(known * (1 - known) / independent), 1e-12, 1)
    once = POWER * careful ** (POWER - 1)
    score = np.clip(stats.norm.isf(np.clip(known, 1e-12, 1 - 1e-12)), -MAX_SCORE, MAX_SCORE) - 1 / np.sqrt(independent)
    lasting = np.exp(SHIFT * score - SHIFT**2 / 2)
    return np.where(np.isfinite(p), (once + lasting) / 2, 1.0)


@dataclass(frozen=True)
class Alarm:
    """That something has changed. Days are places in the series."""

    day: int
    """On which it was raised."""
    blamed: list[int]
    """The figures that raised it, the strongest first."""
    over: int | None
    """The day on which it ended, None while it lasts."""


def detect(p: Array, evidence: Array, weights: Array, false_per_year: float) -> tuple[list[Alarm], Array]:
    """The alarms of some figures together.

    Parameters
    ----------
    p, evidence : array of shape (n_days, n_figures)
        By `p_values` and `e_values`.
    weights : array of shape (n_figures,)
        Of sum 1 at most: how readily each is believed.
    false_per_year : float
        The mean number of false alarms in a year.

    Returns
    -------
    alarms : list of Alarm
        In order. While one lasts, the figures that it blames raise no other.
    level : array of shape (n_days,)
        The sum that is compared with 1: how near an alarm is, before it is reset by one.

    Notes
    -----
    Each statistic follows R = (R + 1) * e, so that R - n is a supermartingale while nothing has changed, and so is
    the weighted sum; stopped where it reaches c, it has run for c days or more in the mean. With c = 365 /
    false_per_year the mean number of false alarms a year is at most that. Shin, Ramdas and Rinaldo (2023),
    "E-detectors: a nonparametric framework for sequential change detection".
    """
    needed = DAYS_A_YEAR / false_per_year
    statistic, quiet = np.zeros(p.shape[1]), np.zeros(p.shape[1], dtype=int)
    holds: dict[int, int] = {}
    alarms: list[Alarm] = []
    level = np.zeros(len(p))
    for day in range(len(p)):
        free = np.array([figure not in holds for figure in range(p.shape[1])])
        statistic = np.where(free, (statistic + 1) * evidence[day], 0.0)
        quiet = np.where(p[day] >= QUIET_P, quiet + 1, np.where(np.isfinite(p[day]), 0, quiet))
        for figure in [figure for figure in holds if quiet[figure] >= QUIET_DAYS]:
            number = holds.pop(figure)
            if number not in holds.values():
                alarms[number] = Alarm(alarms[number].day, alarms[number].blamed, day)
        share = weights * statistic / needed
        level[day] = share.sum()
        if level[day] >= 1:
            order = np.argsort(-share, kind="stable")
            blamed = [int(figure) for figure in order if share[figure] >= 0.1 * share[order[0]]]
            alarms.append(Alarm(day, blamed, None))
            holds |= dict.fromkeys(blamed, len(alarms) - 1)
            statistic[:] = 0.0
    return alarms, level
