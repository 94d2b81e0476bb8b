"""The gates: what is asked of a challenger before it may become champion.

The level of both policies is `intervals.CHANCE`, 2.5 %: so often, and no more, two equally good models pass under
`better`, and a challenger that is worse by the whole margin under `not_worse`. Days may differ, but are taken to do so
independently of each other, and none to outweigh all the others.
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from threadpoolctl import threadpool_limits

from ..settings.params import Gates, Params
from ..training.artifact import Model
from ..training.metrics import number
from ..training.scored import Array, Scored
from ..training.statistics import Metric
from .comparison import Difference, Gate, SliceDifference
from .evaluate import each_slice
from .intervals import Support, interval_of_difference, once, standard_error, support

LEVEL = 0.05
"""Chance, over all slices together, that one is called worse though none is."""

LATENCY_CALLS = 20


def difference(
    metric: Metric,
    ours: Scored,
    theirs: Scored,
    block: Array,
    weights: Array,
    reach: Callable[[int], float] = once,
) -> Difference:
    """Challenger minus champion by a paired bootstrap: both are scored on the same resamples of whole blocks.

    Parameters
    ----------
    metric : Metric
    ours, theirs : Scored
        Of the same n_rows rows.
    block : array of shape (n_rows,)
    weights : array of shape (n_resamples, n_blocks)
    reach : callable
        As `intervals.interval_of_difference` takes it.

    Returns
    -------
    Difference
        With the 95 % interval of `intervals.interval_of_difference`.
    """
    draws = metric.resampled(ours, block, weights) - metric.resampled(theirs, block, weights)
    value, deciding = metric.value(ours) - metric.value(theirs), support(metric, ours, block).deciding
    return Difference(number(value), *map(number, interval_of_difference(value, draws, deciding, reach)))


def enough_gate(rows: int, least: int) -> Gate:
    """A handful of rows decides nothing."""
    detail = f"{rows:,} held-out rows that neither has seen, {least} are needed"
    return Gate("enough rows", rows >= least, False, detail)


def support_gate(support: Support, primary: str, name: str) -> Gate:
    """A class of a handful of rows decides nothing either; `name` is that of the rarest."""
    detail = (
        f"too few of the class {name} to judge {primary}: {support.rows:,} of the held-out rows, in {support.blocks} "
        f"of {support.of} blocks of time, and {support.needed} are needed: hold out more (`split.holdout`), or wait "
        "for more"
    )
    return Gate("enough of each class", False, False, detail)


def seen_gate(who: str, seen: int, rows: int, passed: bool, unknown: int = 0) -> Gate:
    """Nothing is judged on rows that a model was trained on, nor on those of which that is unknown."""
    trained = f"{seen:,}" if seen else "none"
    detail = f"the {who} has trained on {trained} of the {rows:,} held-out rows"
    more = f"; of {unknown:,} it no longer knows, which are left out" if unknown else ""
    return Gate(f"{who} unseen", passed, True, f"{detail}{more}")


def limit_gate(name: str, value: float | None, limit: float, metric: Metric) -> Gate:
    """The worst tolerable value of a metric."""
    passed = value is not None and (value >= limit if metric.higher_is_better else value <= limit)
    bound = "minimum" if metric.higher_is_better else "maximum"
    return Gate(f"{name} limit", passed, True, f"{name} is {value} ({bound} {limit:g})")


def baseline_gate(difference: Difference, metric: Metric, name: str) -> Gate:
    """A model must know more than the distribution of its target."""
    passed = difference.gain(metric.higher_is_better)[1] > 0
    detail = f"{name} {difference} against the trivial baseline, {'better' if passed else 'not better'} beyond noise"
    return Gate("baseline", passed, True, detail)


def champion_gate(difference: Difference, metric: Metric, gates: Gates) -> Gate:
    """The policy on the primary metric: the worse end of the interval decides."""
    end = difference.gain(metric.higher_is_better)[1]
    if gates.policy == "better":
        passed = end > 0
        outcome = "better than the champion" if passed else "not shown to be better than the champion"
    else:
        passed = end > -gates.margin
        outcome = (
            f"{'not worse than the champion' if passed else 'non-inferiority not shown'} (margin {gates.margin:g})"
        )
    return Gate("champion", passed, False, f"{gates.primary} {difference}: {outcome}")


def slice_differences(
    rows: pd.DataFrame, params: Params, ours: Scored, theirs: Scored, metric: Metric, block: Array, weights: Array
) -> list[SliceDifference]:
    """Each slice with its difference, and whether the challenger is significantly worse on it.

    What a slice leaves undefined, by a single class or rows of a single block, does not count against the challenger.

    Parameters
    ----------
    rows : DataFrame of n_rows rows
        With the columns that `evaluate.slices` names.
    params : Params
    ours, theirs : Scored
        Challenger and champion, of the same n_rows rows.
    metric : Metric
    block : array of shape (n_rows,)
    weights : array of shape (n_resamples, n_blocks)

    Returns
    -------
    list of SliceDifference
        In the order of `evaluate.slices`, with 95 % intervals and adjusted p-values.

    Notes
    -----
    One-sided t-test of the difference plus the margin, its standard error from the bootstrap, adjusted over the
    slices by Holm (1979), "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    measured = []
    for column, name, chosen in each_slice(rows, params):
        held_against = metric.value(theirs[chosen]), metric.resampled(theirs[chosen], block[chosen], weights)
        part = f"{column} = {name}", ours[chosen], block[chosen]
        measured.append(Measured.of(*part, metric, weights, *held_against))
    return tested(measured, params.gates.slice_margin, metric)


def group_gaps(
    rows: pd.DataFrame, params: Params, ours: Scored, metric: Metric, block: Array, weights: Array
) -> list[SliceDifference]:
    """Each group of `gates.groups` beside all rows, in place of the champion: how much worse it is predicted.

    Parameters
    ----------
    rows : DataFrame of n_rows rows
        With the columns that `evaluate.slices` names.
    params : Params
    ours : Scored
        The challenger, of the same n_rows rows.
    metric : Metric
    block : array of shape (n_rows,)
    weights : array of shape (n_resamples, n_blocks)

    Returns
    -------
    list of SliceDifference
        As `slice_differences` gives them, beyond `gates.group_margin`.

    Notes
    -----
    Whether quality differs between groups of people: Breck et al. (2017), "The ML Test Score", Model 7.
    """
    measured, all_rows = [], (metric.value(ours), metric.resampled(ours, block, weights))
    for column, name, chosen in each_slice(rows, params):
        if column in params.gates.groups:
            part = f"{column} = {name}", ours[chosen], block[chosen]
            measured.append(Measured.of(*part, metric, weights, *all_rows))
    return tested(measured, params.gates.group_margin, metric)


class Measured(NamedTuple):
    """The primary metric on some rows, and what it is held against."""

    name: str
    rows: int
    theirs: float
    ours: float
    draws: Array
    """Of the difference."""
    blocks: int
    """That decide how far it varies; 0, where too few do."""

    @classmethod
    def of(
        cls, name: str, ours: Scored, block: Array, metric: Metric, weights: Array, theirs: float, their_draws: Array
    ) -> "Measured":
        """What the challenger predicts for some rows, held against a value and its resamples."""
        draws = metric.resampled(ours, block, weights) - their_draws
        count = support(metric, ours, block).deciding
        return cls(name, len(block), theirs, metric.value(ours), draws, count)


def tested(measured: list[Measured], margin: float, metric: Metric) -> list[SliceDifference]:
    """Which are worse by more than the margin, beyond noise, all of them looked at together."""
    deltas, ps = [], []
    for one in measured:
        value = one.ours - one.theirs
        delta = Difference(number(value), *map(number, interval_of_difference(value, one.draws, one.blocks)))
        distance = delta.gain(metric.higher_is_better)[0] + margin
        ps.append(worse_by_chance(distance, standard_error(one.draws, one.blocks), one.blocks))
        deltas.append(delta)
    return [
        SliceDifference(one.name, one.rows, number(one.theirs), number(one.ours), delta, round(p, 6), p < LEVEL)
        for one, delta, p in zip(measured, deltas, holm(ps), strict=True)
    ]


def worse_by_chance(distance: float, error: float, blocks: int) -> float:
    """The one-sided p-value of a slice: of so low a distance above the margin where the challenger is not worse.

    Parameters
    ----------
    distance : float
        The difference plus the margin, more being better.
    error : float
        Its standard error.
    blocks : int
        Student's t has one degree of freedom less.

    Returns
    -------
    float
        1 where distance or error is undefined.
    """
    if not np.isfinite([distance, error]).all():
        return 1.0
    return float(stats.t.cdf(distance / error, blocks - 1)) if error else float(distance >= 0)


def holm(p_values: list[float]) -> list[float]:
    """P-values adjusted for the number of tests: the chance of a false rejection among all is at most the level.

    Parameters
    ----------
    p_values : list of n_tests floats

    Returns
    -------
    list of n_tests floats
        In the order given, at most 1.

    Notes
    -----
    Holm (1979), "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.array(p_values)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return [float(p) for p in adjusted]


def slices_gate(slices: list[SliceDifference], gates: Gates) -> Gate:
    """No slice may pay for the average."""
    worse = [f"{one.slice} ({one.difference})" for one in slices if one.worse]
    if worse:
        detail = f"{gates.primary} is worse by more than {gates.slice_margin:g} on {', '.join(worse)}"
    else:
        detail = f"none of {len(slices)} slices is worse by more than {gates.slice_margin:g} beyond noise"
    return Gate("slices", not worse, False, detail)


def groups_gate(gaps: list[SliceDifference], gates: Gates) -> Gate:
    """No group of people may be served much worse than all."""
    worse = [f"{one.slice} ({one.difference})" for one in gaps if one.worse]
    margin, names = f"{gates.group_margin:g}", ", ".join(gates.groups)
    if worse:
        detail = f"{gates.primary} is worse than that of all rows by more than {margin} for {', '.join(worse)}"
    elif gaps:
        detail = (
            f"none of {len(gaps)} groups by {names} is predicted worse than all rows by more than {margin} beyond noise"
        )
    else:
        detail = f"no group by {names} has as many rows as evaluate.min_slice_rows asks for, so nothing is known of any"
    return Gate("groups", bool(gaps) and not worse, True, detail)


def size_of(directory: Path) -> float:
    """The size of a model's directory in MB."""
    return round(sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()) / 1e6, 3)


def latencies(models: list[Model], row: pd.DataFrame) -> list[float]:
    """The median milliseconds that each model takes for one row, measured by turns on one thread."""
    times: list[list[float]] = [[] for _ in models]
    with threadpool_limits(1):
        for _ in range(LATENCY_CALLS):
            for model, taken in zip(models, times, strict=True):
                start = time.perf_counter()
                model.predict(row)
                taken.append((time.perf_counter() - start) * 1000)
    return [round(median(taken), 2) for taken in times]


def latency_gate(latency_ms: float, gates: Gates) -> Gate:
    """How long one row may take."""
    detail = f"{latency_ms:.1f} ms for one row (limit {gates.max_latency_ms:g})"
    return Gate("latency", latency_ms <= gates.max_latency_ms, True, detail)


def metrics_gate(metrics: dict[str, Any] | None, gates: Gates) -> Gate:
    """The policy on a champion of which only metrics are known, those of its own holdout: no other can satisfy it."""
    value = (metrics or {}).get("model", {}).get(gates.primary, {}).get("value")
    first, last = ((metrics or {}).get("window", {}).get(end) for end in ("first", "last"))
    period = f" from {first[:10]} to {last[:10]}" if first and last else ""
    level = "not known" if value is None else f"{value} on its own holdout{period}"
    asked = "better" if gates.policy == "better" else "not worse"
    detail = (
        f"the champion's {gates.primary} is {level}, so nothing shows the challenger to be {asked}: fix what keeps "
        'the champion from serving, or replace it with `promote --force --why "…"`'
    )
    return Gate("champion", False, False, detail)


def size_gate(size_mb: float, gates: Gates) -> Gate:
    """How large the model's directory may be."""
    detail = f"{size_mb:.1f} MB (limit {gates.max_size_mb:g})"
    return Gate("size", size_mb <= gates.max_size_mb, True, detail)
