"""What production is held against: the rows that the champion was trained on, and those that it was promoted on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..champion.seen_rows import seen_rows
from ..data import partitions
from ..errors import ProjectError
from ..evaluation.evaluate import each_slice, with_interval
from ..evaluation.intervals import resamples
from ..settings.params import Params
from ..training.metrics import metric_named
from ..training.scored import Array, Scored
from ..training.statistics import Metric
from . import estimate
from .champion_view import MonitoredModel, losses
from .estimate import Estimator
from .figures import DRAWS, MIN_ROWS
from .judge import Reference, Rows, learn
from .monitoring import Value

MAX_ROWS = 300_000
"""Evenly drawn, of those that the champion has seen."""


@dataclass(frozen=True)
class Baseline:
    """What is usual for a champion."""

    days: int
    metric: Metric
    promoted: Value
    """The primary metric on the rows that it was promoted on."""
    reference: Reference
    estimator: Estimator | None
    """Of the primary metric; None where there are too few rows or days."""
    slices: dict[str, Value] = field(default_factory=dict)
    """The primary metric of each slice of the rows that it was promoted on."""


def baseline_of(params: Params, model: MonitoredModel, directory: Path, importance: dict[str, float]) -> Baseline:
    """Learn what is usual from the rows held; `importance` is how much the model stands on each column.

    Raises ProjectError where none of the rows that the champion has seen are held any more.
    """
    seen, tested, day = rows_seen(params, model, directory)
    predictions = model.model.predict(tested)
    scored = model.scored(predictions, tested[params.columns.target], tested)
    metric = metric_named(params.gates.primary, scored)
    table, block = model.table(tested), pd.factorize(day[tested.index], sort=True)[0]
    place = pd.factorize(day, sort=True)[0]
    everything = Rows(
        model.table(seen), place, days_of(place), pd.DataFrame(index=seen.index), np.full(len(seen), np.nan)
    )
    promoted_on = Rows(table, block, days_of(block), model.without_complement(predictions), losses(scored))
    draw = MetricOfDays(metric, [scored[block == number] for number in range(days_of(block))])
    reference = learn(everything, importance, promoted_on, draw, params.gates.margin)
    estimator = estimate.learned(metric, scored, model.numbers(table, reference.bins), block)
    promoted = Value(**with_interval(metric, scored, block, resamples(block, params.evaluate.n_bootstrap)))
    by_slice = sliced(params, metric, scored, block, model.slices(tested))
    slices = {name: measured for name, (_, measured) in by_slice.items()}
    return Baseline(days_of(place), metric, promoted, reference, estimator, slices)


def sliced(
    params: Params, metric: Metric, scored: Scored, block: Array, slices: pd.DataFrame | None
) -> dict[str, tuple[int, Value]]:
    """(rows, metric) of each slice of some rows that has rows enough."""
    if slices is None:
        return {}
    weights = resamples(block, params.evaluate.n_bootstrap)
    by_slice = {}
    for column, name, chosen in each_slice(slices, params):
        measured = with_interval(metric, scored[chosen], block[chosen], weights)
        by_slice[f"{column} = {name}"] = (int(chosen.sum()), Value(**measured))
    return by_slice


def days_of(block: Array) -> int:
    """How many there are."""
    return int(block.max()) + 1


def rows_seen(
    params: Params, model: MonitoredModel, directory: Path
) -> tuple[pd.DataFrame, pd.DataFrame, "pd.Series[Any]"]:
    """(rows that the champion was trained or promoted on, the latter alone, the day of each)."""
    seen = seen_rows(params, directory)
    if not seen.trained.any() or not seen.promoted_on.any():
        raise ProjectError(
            "none of the rows that the champion was trained and promoted on are held any more: retrain on what is held"
        )
    chosen = np.flatnonzero(seen.trained | seen.promoted_on)
    mask = np.zeros(len(seen.trained), dtype=bool)
    mask[chosen[:: max(1, -(-len(chosen) // MAX_ROWS))]] = True
    needed = None if model.by_rows else sorted({*model.model.request, params.columns.target})
    rows = partitions.table(needed).filter(pa.array(mask)).to_pandas()
    days = pd.Series(seen.partition[mask]) if seen.times is None else seen.times[mask].dt.floor("D")
    return rows, rows[seen.promoted_on[mask]], days.set_axis(rows.index)


@dataclass(frozen=True)
class MetricOfDays:
    """What the primary metric is on days of the baseline."""

    metric: Metric
    days: list[Scored]

    def __call__(self, rows: int) -> Array:
        """Of days drawn with so many rows, of shape (n_days, n_draws), as `more_is_worse` has it."""
        random = np.random.default_rng(0)
        enough = [scored for scored in self.days if len(scored.truth) >= MIN_ROWS]
        return np.array(
            [
                [more_is_worse(self.metric, scored[random.integers(0, len(scored.truth), rows)]) for _ in range(DRAWS)]
                for scored in enough
            ]
        )


def more_is_worse(metric: Metric, scored: Scored) -> float:
    """A metric with the sign by which more is worse; NaN where it is not defined."""
    value = metric.value(scored) if len(scored.truth) else float("nan")
    return -value if metric.higher_is_better else value
