"""Which policy to choose: the cheapest that no other is measurably better than."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from ..evaluation.comparison import Difference
from ..evaluation.intervals import CONFIDENCE, blocks, resamples
from ..settings.params import Params
from ..training.metrics import metric_named, number
from ..training.scored import Array, Scored
from ..training.statistics import Metric
from .plan import Policy
from .replay import Replayed

MIN_GAIN = 1e-3
"""Less is not worth a retraining even where the margin is 0, or no number of rows could rule a gain out."""


@dataclass(frozen=True)
class Standing:
    """A policy with the primary metric over all rows, and that minus what `never` has."""

    policy: Policy
    value: float | None
    over_never: Difference
    retrainings: int
    promotions: int
    rows: int
    seconds: float


@dataclass(frozen=True)
class Advice:
    """The standings, the cheapest policy first, and the one to choose, with the reason in a sentence."""

    standings: list[Standing]
    chosen: Standing
    sentence: str
    recommends: bool
    """Whether there was enough to go by."""


def advise(replayed: list[Replayed], times: Array, params: Params, margin: float) -> Advice:
    """Compare the policies on the same rows, which came at `times`; a gain of less than `margin` does not count."""
    ordered = sorted(replayed, key=lambda one: (one.retrainings, one.rows))
    metric = metric_named(params.gates.primary, ordered[0].scored)
    moments = pd.Series(times)
    block = blocks(moments, moments)
    differences = Differences.of([one.scored for one in ordered], metric, block, params.evaluate.n_bootstrap)
    standings = [
        Standing(
            one.policy,
            number(differences.values[place]),
            differences.between(place, 0),
            one.retrainings,
            one.promotions,
            one.rows,
            one.seconds,
        )
        for place, one in enumerate(ordered)
    ]
    place = choice(differences, metric, margin)
    undecided = open_gains(differences, place, metric, margin)
    said = sentence(standings, place, undecided, differences, params.gates.primary, metric, margin)
    return Advice(standings, standings[place], said, recommends=not undecided)


@dataclass(frozen=True)
class Differences:
    """The values of several policies on the same rows, with intervals of all their differences at once.

    All intervals together hold with 95 %, so that trying many policies does not find a difference by chance: the
    half width is the standard error times the quantile of the greatest of all standardised differences among the
    resamples (Hothorn, Bretz and Westfall, 2008, "Simultaneous Inference in General Parametric Models").
    """

    values: Array
    """(policies,)"""
    errors: Array
    """(policies, policies) standard errors; 0 where two gave the same predictions."""
    critical: float

    @classmethod
    def of(cls, scored: list[Scored], metric: Metric, block: Array, count: int) -> "Differences":
        """A paired bootstrap over whole blocks: all are scored on the same resamples."""
        weights = resamples(block, count)
        draws = np.array([metric.resampled(one, block, weights) for one in scored])
        draws = draws[:, np.isfinite(draws).all(axis=0)]
        if draws.shape[1] < count / 2:
            draws = draws[:, :0]
        errors = np.zeros((len(scored), len(scored)))
        greatest = np.zeros(draws.shape[1])
        for a, b in combinations(range(len(scored)), 2):
            gaps = draws[a] - draws[b]
            errors[a, b] = errors[b, a] = gaps.std() if len(gaps) else np.nan
            if errors[a, b] > 0:
                greatest = np.maximum(greatest, np.abs(gaps - gaps.mean()) / errors[a, b])
        values = np.array([metric.value(one) for one in scored])
        return cls(values, errors, quantile(greatest, weights.shape[1]))

    def between(self, a: int, b: int) -> Difference:
        """Policy a minus policy b."""
        value, reach = self.values[a] - self.values[b], self.critical * self.errors[a, b]
        return Difference(number(value), number(value - reach), number(value + reach))


def quantile(greatest: Array, blocks: int) -> float:
    """The 95 % quantile, widened for few blocks as `intervals.interval` does."""
    if blocks < 2 or not len(greatest):
        return float("nan")
    tail = (1 - CONFIDENCE) / 2
    wider = stats.t.ppf(tail, blocks - 1) / stats.norm.ppf(tail) * np.sqrt(blocks / (blocks - 1))
    return float(np.quantile(greatest, CONFIDENCE) * wider)


def better(difference: Difference, metric: Metric, margin: float) -> bool:
    """Whether it is a gain beyond noise that is worth having: the whole interval above 0, the value no less than so."""
    value, end = difference.gain(metric.higher_is_better)
    return end > 0 and value >= margin


def open_gains(differences: Differences, place: int, metric: Metric, margin: float) -> list[int]:
    """The policies of which a gain over `never` is neither shown nor ruled out; none where another is the choice."""
    others = range(1, len(differences.values)) if place == 0 else ()
    return [other for other in others if not ruled_out(differences.between(other, 0), metric, margin)]


def ruled_out(difference: Difference, metric: Metric, margin: float) -> bool:
    """Whether the whole interval is below a gain that is worth having."""
    end = difference.high if metric.higher_is_better else difference.low
    return end is not None and (end if metric.higher_is_better else -end) < max(margin, MIN_GAIN)


def choice(differences: Differences, metric: Metric, margin: float) -> int:
    """The place of the cheapest policy that none is better than, and that is itself better than `never`.

    Where no policy is, or the metric is undefined, that is 0, the place of `never`.
    """
    places = range(len(differences.values))
    beaten = [any(better(differences.between(a, b), metric, margin) for a in places) for b in places]
    if not beaten[0]:
        return 0
    worthy = [place for place in places if better(differences.between(place, 0), metric, margin)]
    return next((place for place in worthy if not beaten[place]), worthy[0])


def sentence(
    standings: list[Standing],
    place: int,
    undecided: list[int],
    differences: Differences,
    primary: str,
    metric: Metric,
    margin: float,
) -> str:
    """The recommendation in words, with its interval; none where it is undecided whether other policies gain."""
    chosen = standings[place]
    dearer = range(place + 1, len(standings))
    best = max(
        undecided or dearer,
        key=lambda other: differences.between(other, place).gain(metric.higher_is_better)[0],
        default=None,
    )
    recommendation = f"retrain {chosen.policy}: {primary} {chosen.over_never} over never" if place else "never retrain"
    if best is None:
        return recommendation
    more = differences.between(best, place)
    if undecided:
        found = "" if more.findable is None else f"; rows like these show one of {more.findable:.2g} or more"
        return (
            f"no recommendation: {standings[best].policy} has {primary} {more} over never, which neither shows a "
            f"gain worth having nor rules one out{found}. Backtest again when more is held"
        )
    if better(more, metric, 0):
        small = "" if better(more, metric, margin) else f", less than the margin of {margin:g}"
        return f"{recommendation}; {standings[best].policy} adds {primary} {more}{small}"
    return f"{recommendation}; {standings[best].policy} adds nothing measurable ({primary} {more})"
