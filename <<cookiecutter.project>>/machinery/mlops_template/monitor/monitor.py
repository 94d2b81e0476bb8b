"""The monitoring of a champion in production: its log, held against what it was trained and promoted on."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from ..champion.lineage import find_champion, read_json, trained_in
from ..champion.opponent import champion_directory
from ..champion.rows import held_out_then
from ..console.progress import progress
from ..data import partitions
from ..data.contract import Contract, load_contract
from ..errors import ProjectError
from ..evaluation.evaluate import with_interval
from ..evaluation.intervals import resamples
from ..integrations.revisions import Champion
from ..prediction_log.policy import id_text
from ..settings import paths
from ..settings.params import Params
from ..storage import storage
from ..training.artifact import load_model, row_hashes, training_rows
from ..training.metrics import metric_named, number, own_metrics
from ..training.scored import Array, Scored, as_scored
from . import estimate
from .detect import MIN_DAYS, Alarm, detect
from .figures import DRAWS, MIN_ROWS, Figure, nearest, usual_distance
from .judge import Reference, Rows, Tally, figures_of, learn, tally
from .log import opened
from .rows import Logged, days_of, logged
from .traffic import Service, service_of

MAX_REFERENCE = 300_000
"""Rows that the champion has seen, evenly drawn, that production is held against."""

MIN_BATCH = 50_000
"""Rows that are counted at once, of as many whole days as it takes."""

MAX_WINDOWS = 26
"""That are told, the latest ones."""

DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Value:
    """A metric with its 95 % interval; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Window:
    """A stretch of production."""

    begin: datetime
    end: datetime
    """Exclusive."""
    rows: int
    known: int
    """Rows whose outcome was told."""
    real: Value | None
    """The primary metric of those."""
    estimated: Value | None
    """The primary metric of all rows, as the predictions let one expect it."""
    service: Service


@dataclass(frozen=True)
class Drifted:
    """A column in the latest window."""

    column: str
    importance: float
    distance: float
    """Total variation distance from the nearest stretch of the reference: 0 is alike, 1 has nothing in common."""
    usual: float
    """What it is for as many days of the reference, in the middle."""
    missing: float
    new: float
    """Shares of the rows."""
    distances: list[float | None]
    """In each window, the latest last; None without rows."""

    @property
    def rank(self) -> float:
        """What matters most comes first: what is unusual, by how much the model stands on it."""
        return max(self.distance - self.usual, 0.0) * (self.importance + 0.01)


@dataclass(frozen=True)
class Problem:
    """An alarm in words: what changed, since when."""

    since: datetime
    figures: list[str]
    over: datetime | None
    worse: bool = False
    """Whether it is about the performance."""


@dataclass(frozen=True)
class Monitoring:
    """All that is known of the champion in production."""

    champion: Champion
    metric: str
    promoted: Value | None
    """The primary metric on the rows that it was promoted on."""
    reference_days: int
    judged_days: int
    """Days that are over and have rows enough."""
    rows: int
    windows: list[Window]
    """The latest last."""
    drifted: list[Drifted]
    problems: list[Problem]
    level: float
    """How near the next alarm is, from 0 to 1, as of the last complete day."""
    notes: list[str] = field(default_factory=list)

    @property
    def open(self) -> list[Problem]:
        """The problems that last."""
        return [problem for problem in self.problems if problem.over is None]


def monitor(params: Params, place: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Monitoring:
    """Hold the log at `place` against what the champion of this commit was trained and promoted on.

    Raises ProjectError where there is no champion, no log, or no prediction of the champion in it.
    """
    champion, _ = find_champion("champion")
    contract = load_contract()
    if not paths.RAW.is_dir():
        storage.pull(paths.RAW)
    with opened(place) as engine, champion_directory(champion.digest, "HEAD") as directory:
        days = days_of(engine, champion.digest)
        if not days:
            raise ProjectError(
                f"the log has no prediction of champion {champion.number} ({champion.short}): "
                "was it deployed with PREDICTIONS set?"
            )
        losses_without = read_json(paths.IMPORTANCE, trained_in(champion))
        return Monitor(params, contract, directory, champion, importance(losses_without)).over(engine, days, now())


def importance(losses_without: dict[str, Any]) -> dict[str, float]:
    """How much the model stands on each column of a request, as shares, from what it loses without the column."""
    found = {name: max(one["value"] or 0.0, 0.0) for name, one in losses_without.items()}
    total = sum(found.values())
    return {name: value / total for name, value in found.items()} if total else {}


class Monitor:
    """What is known of a champion, and what production is to be."""

    def __init__(
        self, params: Params, contract: Contract, directory: Path, champion: Champion, importance: dict[str, float]
    ) -> None:
        self.params, self.contract, self.champion, self.importance = params, contract, champion, importance
        self.model = load_model(directory)
        left_out = {*params.predictions.leave_out}
        self.columns = [name for name in self.model.request if name in contract.columns and name not in left_out]
        self.derives = bool(self.model.card["derived"]) and len(self.columns) == len(self.model.request)
        features = [name for names in self.model.kinds.values() for name in names]
        self.features = [name for name in features if name in self.columns or self.derives]
        seen, tested, times = self.seen(directory)
        self.reference_days = int(times.nunique())
        predictions = self.model.predict(tested)
        self.promoted_on = self.scored(predictions, tested[params.columns.target], tested)
        self.metric = metric_named(params.gates.primary, self.promoted_on)
        block = pd.factorize(times[tested.index], sort=True)[0]
        self.reference = self.learned(seen, times, self.table(tested), predictions, block)
        self.estimator = estimate.learned(self.metric, self.promoted_on, self.numbers(self.table(tested)), block)
        draws = resamples(block, params.evaluate.n_bootstrap)
        self.promoted = Value(**with_interval(self.metric, self.promoted_on, block, draws))

    def seen(self, directory: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
        """(rows that the champion was trained or promoted on, the latter alone, the day of each)."""
        columns = self.params.columns
        deciding = partitions.read([columns.id, *([columns.time] if columns.time else [])])
        times = deciding[columns.time] if columns.time else None
        counts = [partitions.table([columns.id], [part]).num_rows for part in partitions.files()]
        partition = np.repeat(np.arange(len(counts)), counts)
        trained = np.isin(row_hashes(deciding[columns.id]), training_rows(directory))
        tested = ~trained & held_out_then(times, partition, trained, self.params)
        if not trained.any() or not tested.any():
            raise ProjectError(
                f"none of the rows that champion {self.champion.number} was trained and promoted on are held any more: "
                "retrain it on what is held"
            )
        chosen = np.flatnonzero(trained | tested)
        chosen = chosen[:: max(1, -(-len(chosen) // MAX_REFERENCE))]
        mask = np.zeros(len(trained), dtype=bool)
        mask[chosen] = True
        needed = {*self.model.request, columns.target}
        own = bool(own_metrics())  # which may look at any column
        rows = partitions.table(None if own else sorted(needed)).filter(pa.array(mask)).to_pandas()
        if times is not None:
            day = times[mask].dt.floor("D").set_axis(rows.index)
        else:
            day = pd.Series(partition[mask], index=rows.index)
        return rows, rows[tested[mask]], day

    def learned(
        self, seen: pd.DataFrame, times: pd.Series, tested: pd.DataFrame, predictions: pd.DataFrame, block: Array
    ) -> Reference:
        """What is usual of the columns in all rows, of predictions and losses in those it was not trained on."""
        place = pd.factorize(times, sort=True)[0]
        rows = self.rows(self.table(seen), place, pd.DataFrame(index=seen.index), np.full(len(seen), np.nan))
        loss = losses(self.promoted_on)
        of_days = [self.promoted_on[block == day] for day in range(int(block.max()) + 1)]

        def worse(size: int) -> Array:
            random = np.random.default_rng(0)
            enough = [scored for scored in of_days if len(scored.truth) >= MIN_ROWS]
            drawn = [
                [self.worse(scored[random.integers(0, len(scored.truth), size)]) for _ in range(DRAWS)]
                for scored in enough
            ]
            return np.array(drawn)

        margin = self.params.gates.margin
        return learn(rows, self.importance, self.rows(tested, block, predictions, loss), worse, margin)

    def worse(self, scored: Scored) -> float:
        """The primary metric, with the sign by which more is worse; NaN where it is not defined."""
        value = self.metric.value(scored) if len(scored.truth) else float("nan")
        return -value if self.metric.higher_is_better else value

    def table(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The features of rows, derived ones included."""
        taken = rows[[name for name in self.model.request if name in rows]]
        added: pd.DataFrame = self.model.code.add_features(taken) if self.derives else taken
        return added[self.features]

    def numbers(self, table: pd.DataFrame) -> Array:
        """The features as an estimate takes them: of a classification, none."""
        if self.model.classes is not None:
            return np.empty((len(table), 0))
        return np.column_stack([bins.numbers(table[name]) for name, bins in self.reference.bins.items()])

    def rows(self, table: pd.DataFrame, block: Array, predictions: pd.DataFrame, loss: Array) -> Rows:
        """Of one model: of two classes, the prediction is the probability of the positive one alone."""
        if self.model.card["positive"] is not None and len(predictions.columns) == 2:
            predictions = predictions[[f"probability_{self.model.card['positive']}"]]
        return Rows(table, block, int(block.max()) + 1 if len(block) else 0, predictions, loss)

    def scored(self, predictions: pd.DataFrame, truth: pd.Series, rows: pd.DataFrame | None) -> Scored:
        """Rows whose outcome is known."""
        card = self.model.card
        return as_scored(truth, predictions, self.model.classes, card["positive"], self.model.threshold, rows)

    def over(self, engine: sa.Engine, days: list[datetime], now: datetime) -> Monitoring:
        """Look at all days of the log; alarms are of complete ones."""
        tallies: list[Tally] = []
        kept: list[list[Kept]] = []
        waiting: list[list[Logged]] = []
        for day in progress(days, len(days), "days of the log"):
            waiting.append(
                list(logged(engine, self.champion.digest, day, self.contract, self.model.card, self.columns))
            )
            if day == days[-1] or sum(len(part.features) for parts in waiting for part in parts) >= MIN_BATCH:
                kept += [[self.keep(part) for part in parts] for parts in waiting]
                tallies.append(self.tallied(waiting, kept[-len(waiting) :]))
                waiting = []
        complete = sum(day + DAY <= now for day in days)
        counted = Tally.together(tallies)
        figures = figures_of(self.reference, counted)
        problems, level = self.problems(figures, days[:complete])
        return Monitoring(
            self.champion,
            self.params.gates.primary,
            self.promoted,
            self.reference_days,
            sum(sum(one.rows for one in of_day) >= MIN_ROWS for of_day in kept[:complete]),
            sum(one.rows for of_day in kept for one in of_day),
            list(self.windows(engine, days, kept)),
            self.drifted(counted, edges_of(len(days), self.days_in_window)),
            problems,
            level,
            self.notes(len(days) - complete),
        )

    def tallied(self, days: list[list[Logged]], kept: list[list["Kept"]]) -> Tally:
        """The counts of some days."""
        parts = [(place, part) for place, of_day in enumerate(days) for part in of_day]
        if not parts:
            nothing = pd.DataFrame({name: pd.Series(dtype=object) for name in self.features})
            empty = pd.DataFrame({name: [] for name in self.reference.of_predictions}, dtype="float64")
            return tally(self.reference, Rows(nothing, np.array([], int), len(days), empty, np.array([])))
        table = self.table(pd.concat([part.features for _, part in parts], ignore_index=True))
        predictions = pd.concat([part.predictions for _, part in parts], ignore_index=True)
        block = np.concatenate([np.full(len(part.features), place) for place, part in parts])
        loss = np.concatenate([one.loss for of_day in kept for one in of_day])
        worse = [
            self.worse(together([one.scored[one.known] for one in of_day])) if of_day else np.nan for of_day in kept
        ]
        rows = replace(self.rows(table, block, predictions, loss), days=len(days), worse=np.array(worse))
        return tally(self.reference, rows)

    def keep(self, part: Logged) -> "Kept":
        """Predictions and outcomes of some rows."""
        truth = self.truths(part.outcomes)
        known = truth.notna().to_numpy()
        rows = part.features if own_metrics() else None
        numbers = self.numbers(self.table(part.features)) if self.estimator else None
        filled = truth.where(known, self.some_truth()) if not known.all() else truth
        scored = self.scored(part.predictions, filled.infer_objects(), rows)
        return Kept(scored, known, np.where(known, losses(scored), np.nan), numbers)

    def truths(self, told: pd.Series) -> pd.Series:
        """Outcomes as the model has them: one of its classes, or a number; missing where nothing is known."""
        if self.model.classes is None:
            return pd.to_numeric(told, errors="coerce")
        names = {id_text(name): name for name in self.model.classes}
        places, texts = pd.factorize(told)
        values = [names.get(id_text(json.loads(text))) for text in texts]
        return pd.Series([*values, None], dtype=object).iloc[places].set_axis(told.index)

    def some_truth(self) -> Any:
        """Of rows whose outcome is not known, so that they can be kept beside the others."""
        return 0.0 if self.model.classes is None else self.model.classes[0]

    def problems(self, figures: list[Figure], days: list[datetime]) -> tuple[list[Problem], float]:
        """The problems of complete days, and how near the next one is."""
        if not days or self.reference_days < MIN_DAYS:
            return [], 0.0
        weights = np.array([figure.weight for figure in figures])
        p, evidence = (
            np.column_stack([getattr(figure, name)[: len(days)] for figure in figures]) for name in ("p", "evidence")
        )
        alarms, level = detect(p, evidence, weights, self.params.monitor.alarms.false_per_year)
        return [problem_of(alarm, figures, days) for alarm in alarms], float(min(level[-1], 1.0))

    @property
    def days_in_window(self) -> int:
        """Of those over which the performance is told."""
        return max(1, round(pd.Timedelta(self.params.monitor.window) / DAY))

    def drifted(self, counted: Tally, windows: list[tuple[int, int]]) -> list[Drifted]:
        """The columns in the latest window, what matters most first."""
        count = self.days_in_window
        found = []
        for name, reference in self.reference.counts.items():
            pools = self.reference.pools.of(reference)
            by_window = np.array([counted.counts[name][low:high].sum(axis=0) for low, high in windows])
            totals = by_window.sum(axis=1)
            distances = nearest(by_window / np.maximum(totals, 1)[:, None], pools)
            counts, total = by_window[-1], max(totals[-1], 1)
            found.append(
                Drifted(
                    name,
                    self.reference.importance.get(name, 0.0),
                    float(distances[-1]),
                    float(np.nan_to_num(usual_distance(reference, self.reference.pools, count))),
                    float(counts[-1] / total),
                    float(counts[-2] / total),
                    [float(one) if rows else None for one, rows in zip(distances, totals, strict=True)],
                )
            )
        return sorted(found, key=lambda one: -one.rank)

    def windows(self, engine: sa.Engine, days: list[datetime], kept: list[list["Kept"]]) -> Iterator[Window]:
        """The performance, real and estimated, of stretches of days that end with the last one."""
        for low, high in edges_of(len(days), self.days_in_window):
            parts = [(place, one) for place in range(low, high) for one in kept[place]]
            begin, end = days[low], days[high - 1] + DAY
            service = service_of(engine, self.champion.digest, begin, end)
            if not parts:
                yield Window(begin, end, 0, 0, None, None, service)
                continue
            scored = together([one.scored for _, one in parts])
            known = np.concatenate([one.known for _, one in parts])
            block = np.concatenate([np.full(one.rows, place) for place, one in parts])
            yield Window(
                begin,
                end,
                len(known),
                int(known.sum()),
                self.real(scored[known], block[known]),
                self.estimated(scored, [one.numbers for _, one in parts]),
                service,
            )

    def real(self, scored: Scored, block: Array) -> Value | None:
        """The metric of rows with outcomes."""
        if len(scored.truth) < MIN_ROWS:
            return None
        block = np.unique(block, return_inverse=True)[1]
        draws = resamples(block, self.params.evaluate.n_bootstrap)
        return Value(**with_interval(self.metric, scored, block, draws))

    def estimated(self, scored: Scored, numbers: list[Array | None]) -> Value | None:
        """The metric of all rows, as far as predictions and features tell."""
        of = [one for one in numbers if one is not None]
        if self.estimator is None or len(scored.truth) < MIN_ROWS:
            return None
        found = self.estimator.estimate(scored, np.concatenate(of))
        return Value(number(found.value), number(found.low), number(found.high))

    def notes(self, incomplete: int) -> list[str]:
        """What should be known beside the figures."""
        told = []
        if self.reference_days < MIN_DAYS:
            told.append(f"no alarms: the champion has seen {self.reference_days} days, and {MIN_DAYS} are needed")
        if incomplete:
            told.append("the last day is not over: it is told, but raises no alarm")
        if self.estimator is None:
            told.append("no estimated performance: the champion was promoted on too few rows or days")
        if self.model.card["derived"] and not self.derives:
            told.append("derived columns are not looked at: predictions.leave_out takes what they are computed from")
        return told


@dataclass(frozen=True)
class Kept:
    """What the performance of some rows is told by."""

    scored: Scored
    known: Array
    """(n_rows,) whether the outcome is."""
    loss: Array
    numbers: Array | None
    """(n_rows, n_columns) the features, where there are estimates."""

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.known)


def edges_of(days: int, length: int) -> list[tuple[int, int]]:
    """(first day, last day exclusive) of the windows, the latest last; the first of all may be shorter."""
    first = days % length
    edges = [*([0] if first else []), *range(first, days + 1, length)]
    return list(pairwise(edges))[-MAX_WINDOWS:]


def problem_of(alarm: Alarm, figures: list[Figure], days: list[datetime]) -> Problem:
    """An alarm with names and dates."""
    over = None if alarm.over is None else days[alarm.over]
    blamed = [figures[place] for place in alarm.blamed]
    worse = any(figure.family == "performance" for figure in blamed)
    return Problem(days[alarm.day], [figure.name for figure in blamed], over, worse)


def losses(scored: Scored) -> Array:
    """Of each row: the log loss of the true class, or the absolute error."""
    if scored.kind == "regression":
        return np.asarray(np.abs(scored.truth - scored.prediction))
    if scored.kind == "binary":
        p = np.where(scored.truth == 1, scored.prediction, 1 - scored.prediction)
    else:
        of_truth = scored.prediction[np.arange(len(scored.truth)), np.maximum(scored.truth, 0)]
        p = np.where(scored.truth < 0, 0.0, of_truth)
    return np.asarray(-np.log(np.clip(p, 1e-6, 1)))


def together(parts: list[Scored]) -> Scored:
    """One after the other."""
    tables = [part.rows for part in parts if part.rows is not None]
    rows = pd.concat(tables, ignore_index=True) if tables else None
    truth, prediction = (np.concatenate([getattr(part, name) for part in parts]) for name in ("truth", "prediction"))
    return Scored(parts[0].kind, truth, prediction, parts[0].threshold, rows)
