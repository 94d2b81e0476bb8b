"""What speaks for a retraining: measured on the rows that came since the champion was made."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..champion.decision import Signal
from ..champion.seen_rows import seen_rows
from ..data import partitions
from ..data.drift import drift
from ..data.split import holdout, labelled
from ..evaluation.comparison import Difference
from ..evaluation.intervals import blocks, interval_of_difference, resamples, support
from ..owner.modules import own_code
from ..settings.params import Params
from ..training.artifact import Model, load_model
from ..training.card import load_card
from ..training.features import with_features
from ..training.metrics import metric_named, number, own_metrics
from ..training.scored import Array, Scored, as_scored
from ..training.statistics import Metric

MIN_ROWS = 50
"""In a window, for it to be judged."""

MAX_ROWS = 200_000
"""Of the champion's training rows, evenly drawn, that distributions are held against."""


@dataclass(frozen=True)
class Signals:
    """All of them. `newest` is the latest moment held, None without a time column."""

    rows: int
    new_rows: int
    """Rows more to train on than the champion had."""
    newest: pd.Timestamp | None
    signals: list[Signal]


def measure(params: Params, champion: Path) -> Signals:
    """Hold the rows of `data/raw` against the champion that lies in a directory."""
    held = RowStatus.of(params, champion)
    wanted = params.retrain.triggers
    signals = [by_rows(held, wanted.rows)]
    if held.times is not None:
        signals.append(by_age(held, wanted.age))
    windows = held.windows(params)
    signals.append(by_drift(held, windows, params))
    if wanted.decay:
        signals.append(by_decay(held, windows, params, champion))
    return Signals(len(held.trained), held.new_rows, held.newest, signals)


@dataclass(frozen=True)
class RowStatus:
    """The rows held, in the order in which they came, as far as deciding needs them."""

    times: pd.Series | None
    labelled: Array
    """(n,) whether the target is known by now."""
    trained: Array
    """(n,) whether the champion was trained on the row."""
    promoted_on: Array
    """(n,) whether it was held out when the champion was made."""
    partition: Array
    """(n,) the number of the partition that brought it."""
    card: dict[str, Any]
    new_rows: int

    @classmethod
    def of(cls, params: Params, champion: Path) -> "RowStatus":
        """Look at ids and times of all rows."""
        card, seen = load_card(champion), seen_rows(params, champion)
        with_label = labelled(seen.deciding, params)
        to_train = int((~holdout(seen.deciding[with_label], params)).sum())
        more = to_train - card["training"]["rows"]
        return cls(seen.times, with_label.to_numpy(), seen.trained, seen.promoted_on, seen.partition, card, more)

    @property
    def newest(self) -> pd.Timestamp | None:
        """The latest moment held."""
        return None if self.times is None else self.times.max()

    def windows(self, params: Params) -> list[Array]:
        """The last stretches of time, the latest first, as masks of rows that came after the champion was made.

        Without a time column, the last partitions. Rows whose target is not known yet are in none.
        """
        new = ~self.trained & ~self.promoted_on
        count = params.retrain.windows.of
        if self.times is None:
            numbers = sorted(set(self.partition[new]), reverse=True)[:count]
            return [new & (self.partition == number) for number in numbers]
        end, length = self.times[self.labelled].max(), pd.Timedelta(params.retrain.windows.length)
        edges = [end - number * length for number in range(count + 1)]
        times = self.times
        return [new & ((times > low) & (times <= high)).to_numpy() for high, low in pairwise(edges)]


def by_rows(held: RowStatus, wanted: float | None) -> Signal:
    """Enough that is new."""
    had = held.card["training"]["rows"]
    more = f"{held.new_rows:,} more rows to train on than the champion's {had:,}"
    if wanted is None:
        return Signal("rows", False, more)
    least = wanted if wanted >= 1 else wanted * had
    return Signal("rows", held.new_rows >= least, f"{more} (reason enough: {least:,.0f})")


def by_age(held: RowStatus, wanted: str | None) -> Signal:
    """The champion knows nothing of what came since."""
    if held.times is None or not (held.trained | held.promoted_on).any():
        return Signal("age", False, "unknown: none of the champion's rows is held any more")
    age = held.times.max() - held.times[held.trained | held.promoted_on].max()
    age_in_words = f"the newest row is {age / pd.Timedelta('1 day'):.0f} days newer than those of the champion"
    if wanted is None:
        return Signal("age", False, age_in_words)
    return Signal("age", age > pd.Timedelta(wanted), f"{age_in_words} (reason enough: {wanted})")


def by_drift(held: RowStatus, windows: list[Array], params: Params) -> Signal:
    """A feature or the target is distributed otherwise than in training, in enough of the windows.

    Dates are left out: they always move on.
    """
    wanted, needed = params.retrain.triggers.drift, params.retrain.windows.violated
    columns = [params.columns.target, *params.columns.numeric, *params.columns.categorical]
    judged = [window for window in windows if window.sum() >= MIN_ROWS]
    if not judged or not held.trained.any():
        return Signal("drift", False, "not measured: too few rows came since")
    step = -(-int(held.trained.sum()) // MAX_ROWS)
    trained_on = np.flatnonzero(held.trained)[::step]
    derived = derived_columns(columns, params)
    moved: list[tuple[float, str]] = []
    furthest: list[tuple[float, str]] = []
    for column in columns:
        values = derived[column] if column in derived else partitions.read([column])[column]
        if params.task == "classification" and column == params.columns.target:
            values = values.astype("str")
        drifts = [
            drift(values.iloc[trained_on], values[window]) if window.sum() >= MIN_ROWS else None for window in windows
        ]
        latest = drifts[0].index if drifts[0] else 0.0
        furthest.append((latest, column))
        over = [one is not None and one.index >= max(wanted or np.inf, one.noise) for one in drifts]
        if over[0] and sum(over) >= needed:
            moved.append((latest, column))
    shown = sorted(moved or furthest, reverse=True)[:3]
    named = ", ".join(f"{column} {index:.2f}" for index, column in shown)
    if not moved:
        return Signal("drift", False, f"no column moved in {needed} of {len(windows)} windows; furthest by PSI {named}")
    return Signal(
        "drift",
        True,
        f"{len(moved)} of {len(columns)} columns moved in {needed} of {len(windows)} windows, by PSI {named} "
        f"(reason enough: {wanted:g})",
    )


def derived_columns(names: list[str], params: Params) -> pd.DataFrame:
    """Those of the columns that features.py derives, for all rows held; the others are read one at a time."""
    raw = pq.read_schema(partitions.files()[-1]).names
    derived = [name for name in names if name not in raw]
    if not derived:
        return pd.DataFrame()
    return with_features(partitions.read(), own_code("features"), params.columns)[derived]


def by_decay(held: RowStatus, windows: list[Array], params: Params, champion: Path) -> Signal:
    """The champion does worse than when it was promoted, in enough of the windows, beyond noise and the margin."""
    name, margin, needed = params.gates.primary, params.gates.margin, params.retrain.windows.violated
    if held.promoted_on.sum() < MIN_ROWS or not any(window.sum() >= MIN_ROWS for window in windows):
        return Signal("decay", False, "not measured: too few rows came since")
    try:
        model = load_model(champion)
        predicted = [
            predictions(model, chosen, params) if chosen.sum() >= MIN_ROWS else None
            for chosen in (held.promoted_on, *windows)
        ]
    except Exception as error:  # a champion that no longer predicts is for `compare` to judge
        return Signal("decay", False, f"not measured: {str(error).splitlines()[0]}")
    then = predicted[0]
    if then is None:
        return Signal("decay", False, "not measured: too few rows came since")
    metric, resampled = metric_named(name, then[0]), params.evaluate.n_bootstrap
    losses = [loss(metric, then, now, resampled) if now else None for now in predicted[1:]]
    over = [one is not None and decayed(one, metric, margin) for one in losses]
    given = over[0] and sum(over) >= needed
    latest = losses[0] if losses else None
    if latest is None:
        return Signal("decay", False, "not measured: the latest window has too few rows")
    latest_in_words = f"{name} {latest} in the latest window, against {metric.value(then[0]):.4f} when promoted"
    often = f"{sum(over)} of {len(windows)} windows worse by more than {margin:g} and noise (reason enough: {needed})"
    return Signal("decay", given, f"{latest_in_words}; {often}")


Predicted = tuple[Scored, Array]
"""Rows with truth and prediction, and the block of time of each."""


def predictions(model: Model, chosen: Array, params: Params) -> Predicted:
    """What the champion says of some rows."""
    columns = params.columns
    needed = {columns.id, columns.target, *model.request}
    own = bool(own_metrics())  # which may look at any column
    table = partitions.table(None if own else [*needed, *({columns.time} - needed if columns.time else ())])
    rows = table.filter(pa.array(chosen)).to_pandas()
    scored = as_scored(
        rows[columns.target], model.predict(rows), model.classes, model.card["positive"], model.threshold, rows
    )
    return scored, blocks(rows[columns.id], rows[columns.time] if columns.time else None)


def loss(metric: Metric, then: Predicted, now: Predicted, count: int) -> Difference:
    """The metric now minus that of then, with the interval of two independent bootstraps over blocks."""
    draws = [
        metric.resampled(scored, block, resamples(block, count, seed))
        for seed, (scored, block) in enumerate((then, now))
    ]
    value = metric.value(now[0]) - metric.value(then[0])
    deciding = min(support(metric, scored, block).deciding for scored, block in (then, now))
    low, high = interval_of_difference(value, draws[1] - draws[0], deciding)
    return Difference(number(value), number(low), number(high))


def decayed(delta: Difference, metric: Metric, margin: float) -> bool:
    """Whether it is worse by more than the margin, and the whole interval says that it is worse."""
    value, _ = delta.gain(metric.higher_is_better)
    better_end = delta.high if metric.higher_is_better else delta.low
    if better_end is None or not np.isfinite(value):
        return False
    return value < -margin and (better_end < 0 if metric.higher_is_better else better_end > 0)
