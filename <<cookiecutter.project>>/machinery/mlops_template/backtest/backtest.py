"""A backtest from the question to the recommendation."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..data.contract import load_contract
from ..settings.params import Params, load_params
from ..training.metrics import metric_named, number
from .advice import Advice, advise
from .history import history
from .plan import Policy, periods, plan
from .replay import Replayed, cells, replay_all
from .trainings import train_all


@dataclass(frozen=True)
class Period:
    """The primary metric of each policy on the rows from one moment to the next."""

    start: pd.Timestamp
    rows: int
    values: dict[Policy, float | None]


@dataclass(frozen=True)
class Backtest:
    """What was found on `rows` rows from `start` to `last`, which no model had seen when it predicted them."""

    params: Params
    start: pd.Timestamp
    last: pd.Timestamp
    rows: int
    periods: list[Period]
    advice: Advice


def backtest(cadences: list[str], windows: list[str], begin: str | None, whole: bool, margin: float | None) -> Backtest:
    """Replay the history of the rows held or, if `whole`, of all that the source has.

    A gain of less than `margin` (by default that of the gates) is not worth a retraining.
    """
    params = load_params()
    rows = history(params, load_contract(), whole)
    todo = plan(rows, params, cadences, windows, begin)
    counts = ", ".join(f"{policy} {len(retrainings)}" for policy, retrainings in todo.policies.items())
    print(f"retrainings from {todo.start:%Y-%m-%d} to {pd.Timestamp(rows.times[-1]):%Y-%m-%d}: {counts}", flush=True)
    if params.data.source == "sample" and not whole:
        print("these are the rows held: `backtest --all` replays the whole year of the sample feed", flush=True)
    train_all(cells(todo, rows), rows, params)
    replayed = replay_all(todo, rows, params)
    times = rows.times[todo.first.serves :]
    advice = advise(replayed, times, params, params.gates.margin if margin is None else margin)
    last = pd.Timestamp(times[-1])
    return Backtest(params, todo.start, last, len(times), course(replayed, times, todo.start, params), advice)


def course(replayed: list[Replayed], times: np.ndarray, start: pd.Timestamp, params: Params) -> list[Period]:
    """The primary metric over time."""
    metric = metric_named(params.gates.primary, replayed[0].scored)
    starts = periods(start, pd.Timestamp(times[-1]))
    edges = [*np.searchsorted(times, np.array(starts, dtype="datetime64[us]")), len(times)]
    measured = []
    for moment, low, high in zip(starts, edges, edges[1:], strict=False):
        if high > low:
            rows = np.arange(low, high)
            values = {one.policy: number(metric.value(one.scored[rows])) for one in replayed}
            measured.append(Period(moment, int(high - low), values))
    return measured
