"""The monitoring of a champion in production: its log, held against what it was trained and promoted on."""

import statistics
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from ..champion.lineage import find_champion, read_json, trained_in
from ..champion.opponent import model_directory
from ..console.progress import progress
from ..data.contract import Contract, load_contract
from ..errors import ProjectError
from ..integrations.revisions import Champion
from ..settings import paths
from ..settings.params import Params
from ..storage import storage
from .baseline import Baseline, baseline_of, more_is_worse
from .champion_view import MonitoredModel, ScoredRows, together
from .detect import MIN_DAYS, Alarm, detect
from .figures import MIN_ROWS, Figure
from .judge import Rows, Tally, figures_of, tally
from .logged_rows import Logged, days_of, logged
from .monitoring import Monitoring, Problem
from .open_log import opened
from .versions import versions_of
from .windows import DAY, drifted, edges_of, slices_of, windows_of

MIN_BATCH = 50_000
"""Rows that are counted at once, of as many whole days as it takes."""


WEEKS = 4
"""With whose same weekday the last day is compared."""

UNUSUAL = 2.0
"""So many times as many predictions, or as few, are worth a note; it is no alarm, for it has no level."""

RECENT = timedelta(days=60)
"""Back from the last day: in which a window is looked for whose slices can be told."""


def monitor(params: Params, place: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Monitoring:
    """Hold the log at `place` against what the champion of this commit was trained and promoted on.

    Raises ProjectError where there is no champion, no log, or no prediction of the champion in it.
    """
    champion, _ = find_champion("champion")
    contract = load_contract()
    if not paths.RAW.is_dir():
        storage.pull(paths.RAW)
    with opened(place) as engine, model_directory(champion.digest, "HEAD") as directory:
        if not days_of(engine, champion.digest):
            raise ProjectError(
                f"the log has no prediction of champion {champion.number} ({champion.short}): "
                "was it deployed with PREDICTIONS set?"
            )
        model = MonitoredModel(params, contract, directory)
        stands_on = importance(read_json(paths.IMPORTANCE, trained_in(champion)))
        baseline = baseline_of(params, model, directory, stands_on)
        return look(params, contract, champion, model, baseline, engine, now())


def importance(losses_without: dict[str, Any]) -> dict[str, float]:
    """How much the model stands on each column of a request, as shares, from what it loses without the column."""
    losses = {name: max(one["value"] or 0.0, 0.0) for name, one in losses_without.items()}
    total = sum(losses.values())
    return {name: value / total for name, value in losses.items()} if total else {}


def look(
    params: Params,
    contract: Contract,
    champion: Champion,
    model: MonitoredModel,
    baseline: Baseline,
    engine: sa.Engine,
    now: datetime,
) -> Monitoring:
    """Hold all days of a log that has some against a baseline; alarms are of days that are over."""
    days = days_of(engine, champion.digest)
    counted, scored = read(contract, champion.digest, model, baseline, engine, days)
    complete = sum(day + DAY <= now for day in days)
    length = max(1, round(pd.Timedelta(params.monitor.window) / pd.Timedelta(DAY)))
    edges = edges_of(len(days), length)
    windows = windows_of(engine, champion.digest, days, scored, edges, baseline, params.evaluate.n_bootstrap)
    return Monitoring(
        champion=champion,
        metric=params.gates.primary,
        promoted=baseline.promoted,
        reference_days=baseline.days,
        judged_days=sum(sum(one.rows for one in parts) >= MIN_ROWS for parts in scored[:complete]),
        windows=list(windows),
        drifted=drifted(baseline, counted, edges, length),
        problems=problems(params, baseline, figures_of(baseline.reference, counted), days[:complete]),
        notes=[*notes(model, baseline, complete < len(days)), *volume(scored[:complete], days)],
        slices=slices_of(params, scored, edges, baseline),
        versions=versions_of(engine, model, baseline.metric, days[edges[-1][0] :], params.evaluate.n_bootstrap),
    )


def read(
    contract: Contract, digest: str, model: MonitoredModel, baseline: Baseline, engine: sa.Engine, days: list[datetime]
) -> tuple[Tally, list[list[ScoredRows]]]:
    """(the counts of all days, the parts of each day with their outcomes), read some days at a time."""
    tallies: list[Tally] = []
    scored: list[list[ScoredRows]] = []
    waiting: list[list[Logged]] = []

    def rows_on(day: datetime) -> list[Logged]:
        return list(logged(engine, digest, day, contract, model.model.card, model.columns))

    for day, parts in progress(zip(days, ahead(rows_on, days), strict=True), len(days), "days of the log"):
        waiting.append(parts)
        if day == days[-1] or sum(len(part.features) for parts in waiting for part in parts) >= MIN_BATCH:
            new = [
                [model.logged(part, baseline.reference.bins, days[-1] - part.day <= RECENT) for part in parts]
                for parts in waiting
            ]
            tallies.append(tally(baseline.reference, rows_of(model, baseline, waiting, new)))
            scored += new
            waiting = []
    return Tally.together(tallies), scored


def ahead(rows_on: Callable[[datetime], list[Logged]], days: list[datetime]) -> Iterator[list[Logged]]:
    """The rows of days, each read in a thread while the day before is counted."""
    with ThreadPoolExecutor(1) as thread:
        coming: deque[Future[list[Logged]]] = deque()
        for day in days:
            coming.append(thread.submit(rows_on, day))
            if len(coming) > 1:
                yield coming.popleft().result()
        yield from (one.result() for one in coming)


def rows_of(
    model: MonitoredModel, baseline: Baseline, days: list[list[Logged]], scored: list[list[ScoredRows]]
) -> Rows:
    """Some days as they are counted."""
    parts = [(place, part) for place, of_day in enumerate(days) for part in of_day]
    if not parts:
        nothing = pd.DataFrame({name: pd.Series(dtype=object) for name in model.features})
        empty = pd.DataFrame({name: [] for name in baseline.reference.of_predictions}, dtype="float64")
        return Rows(nothing, np.array([], int), len(days), empty, np.array([]))
    known = [[one.scored[one.known] for one in of_day] for of_day in scored]
    metric = [more_is_worse(baseline.metric, together(of_day)) if of_day else np.nan for of_day in known]
    return Rows(
        table=model.table(pd.concat([part.features for _, part in parts], ignore_index=True)),
        block=np.concatenate([np.full(len(part.features), place) for place, part in parts]),
        days=len(days),
        predictions=model.without_complement(pd.concat([part.predictions for _, part in parts], ignore_index=True)),
        loss=np.concatenate([one.loss for of_day in scored for one in of_day]),
        metric=np.array(metric),
    )


def problems(params: Params, baseline: Baseline, figures: list[Figure], days: list[datetime]) -> list[Problem]:
    """What the first days of the figures, those that are over, say has changed."""
    if not days or baseline.days < MIN_DAYS:
        return []
    p, evidence = (
        np.column_stack([getattr(figure, name)[: len(days)] for figure in figures]) for name in ("p", "evidence")
    )
    weights = np.array([figure.weight for figure in figures])
    alarms, _ = detect(p, evidence, weights, params.monitor.alarms.false_per_year)
    return [problem_of(alarm, figures, days) for alarm in alarms]


def problem_of(alarm: Alarm, figures: list[Figure], days: list[datetime]) -> Problem:
    """An alarm with names and dates."""
    over = None if alarm.over is None else days[alarm.over]
    blamed = [figures[place] for place in alarm.blamed]
    of_performance = any(figure.family == "performance" for figure in blamed)
    return Problem(days[alarm.day], [figure.name for figure in blamed], over, of_performance)


def volume(scored: list[list[ScoredRows]], days: list[datetime]) -> list[str]:
    """What the last day that is over had of predictions, where the same weekdays before had far more or fewer."""
    rows = [sum(one.rows for one in of_day) for of_day in scored]
    before = [rows[place] for place in range(len(rows) - 8, -1, -7)][:WEEKS]
    if len(before) < WEEKS:
        return []
    usual, last = statistics.median(before), rows[-1]
    if max(usual, last) < MIN_ROWS or usual / UNUSUAL <= last <= usual * UNUSUAL:
        return []
    day = days[len(rows) - 1]
    return [f"{day:%Y-%m-%d} had {last:,} predictions, the same weekday of the {WEEKS} weeks before {usual:,.0f}"]


def notes(model: MonitoredModel, baseline: Baseline, incomplete: bool) -> list[str]:
    """What should be known beside the figures."""
    notes = []
    if baseline.days < MIN_DAYS:
        notes.append(f"no alarms: the champion has seen {baseline.days} days, and {MIN_DAYS} are needed")
    if incomplete:
        notes.append("the last day is not over: it is told, but raises no alarm")
    if baseline.estimator is None:
        notes.append("no estimated performance: the champion was promoted on too few rows or days")
    if model.model.card["derived"] and not model.derives:
        notes.append("derived columns are not looked at: predictions.leave_out takes what they are computed from")
    return notes
