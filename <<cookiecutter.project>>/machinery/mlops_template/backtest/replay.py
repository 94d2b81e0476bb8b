"""Who would have served when: each challenger meets the champion of its day at the same gates as in `compare`."""

from dataclasses import dataclass
from itertools import pairwise

import joblib
import numpy as np
import pandas as pd

from ..console.progress import progress
from ..evaluation.compare import verdict
from ..evaluation.comparison import Gate
from ..evaluation.gates import (
    baseline_gate,
    champion_gate,
    difference,
    group_gaps,
    groups_gate,
    limit_gate,
    slice_differences,
    slices_gate,
)
from ..evaluation.intervals import blocks, resamples
from ..evaluation.matchup import MIN_ROWS
from ..settings.params import Params
from ..training.metrics import metric_named, number
from ..training.scored import Scored
from .history import History
from .plan import Plan, Policy, Retraining
from .trainings import Cell, scored, seconds

SLICE_RESAMPLES = 200
"""Enough for a standard error, which is all that the gate on slices takes from them."""


@dataclass(frozen=True)
class Replayed:
    """A policy, lived through: what was predicted for every row from the beginning on, and what it took.

    `rows` and `seconds` are those of all its retrainings together; the first model is not counted.
    """

    policy: Policy
    scored: Scored
    retrainings: int
    promotions: int
    rows: int
    seconds: float


def cells(plan: Plan, history: History) -> list[Cell]:
    """All trainings of a plan; policies share those that are the same."""
    return [Cell(start, stop, min(end, len(history.times))) for (start, stop), end in plan.ends.items()]


def replay_all(plan: Plan, history: History, params: Params) -> list[Replayed]:
    """Every policy of a plan whose trainings are done, on the local cores."""
    run = joblib.Parallel(n_jobs=min(joblib.cpu_count(), len(plan.policies)), return_as="generator")
    lived = run(joblib.delayed(replay)(policy, plan, history, params) for policy in plan.policies)
    return list(progress(lived, len(plan.policies), "replaying"))


def replay(policy: Policy, plan: Plan, history: History, params: Params) -> Replayed:
    """Live through a policy, retraining by retraining."""
    last = Retraining(pd.Timestamp(history.times[-1]), 0, 0, 0, len(history.times))
    retrainings = plan.policies[policy]
    champion, promotions, spent = cell_of(plan.first), 0, 0.0
    served = []
    for this, after in pairwise([plan.first, *retrainings, last]):
        if this is not plan.first:
            challenger = cell_of(this)
            spent += seconds(history, challenger)
            if promoted(challenger, champion, this, history, params):
                champion, promotions = challenger, promotions + 1
        served.append(scored(history, params, champion, this.serves, after.serves))
    scored_rows = Scored(
        history.kind,
        history.truth[plan.first.serves :],
        np.concatenate([part.prediction for part in served]),
        np.concatenate([np.full(len(part.truth), part.threshold) for part in served]),
        pd.concat([part.rows for part in served if part.rows is not None], ignore_index=True),
    )
    rows = sum(this.stop - this.start for this in retrainings)
    return Replayed(policy, scored_rows, len(retrainings), promotions, rows, spent)


def cell_of(this: Retraining) -> Cell:
    """The training that a retraining needs; how far its predictions reach is with what is kept of it."""
    return Cell(this.start, this.stop, this.stop)


def promoted(challenger: Cell, champion: Cell, this: Retraining, history: History, params: Params) -> bool:
    """Whether the gates would have let the challenger through, on the rows held out that day."""
    if this.known - this.stop < MIN_ROWS:
        return False
    span = this.stop, this.known
    ours, theirs = (scored(history, params, cell, *span) for cell in (challenger, champion))
    return verdict(gates(ours, theirs, trivial(ours, this, history), history, span, params)) == "promote"


def gates(
    ours: Scored, theirs: Scored, guess: Scored, history: History, span: tuple[int, int], params: Params
) -> list[Gate]:
    """The gates that can be replayed: all but latency and size."""
    columns, asked = params.columns, params.gates
    rows = history.frame(*span, list(dict.fromkeys([columns.id, str(columns.time), *params.evaluate.slices])))
    block = blocks(rows[columns.id], rows[str(columns.time)])
    weights = resamples(block, params.evaluate.n_bootstrap)
    primary = metric_named(asked.primary, ours)
    results = [
        champion_gate(difference(primary, ours, theirs, block, weights), primary, asked),
        baseline_gate(difference(primary, ours, guess, block, weights), primary, asked.primary),
    ]
    for name, limit in asked.limits.items():
        metric = metric_named(name, ours)
        results.append(limit_gate(name, number(metric.value(ours)), limit, metric))
    if all(gate.passed for gate in results):
        slices = slice_differences(rows, params, ours, theirs, primary, block, weights[:SLICE_RESAMPLES])
        results += [slices_gate(slices, asked)] if slices else []
        if asked.groups:
            results.append(groups_gate(group_gaps(rows, params, ours, primary, block, weights), asked))
    return results


def trivial(like: Scored, this: Retraining, history: History) -> Scored:
    """What one would predict knowing only the training target: its mean, or the share of each class."""
    target = history.truth[this.start : this.stop]
    if history.kind == "multiclass":
        guess = np.tile(np.bincount(target, minlength=len(history.classes or [])) / len(target), (len(like.truth), 1))
    else:
        guess = np.full(len(like.truth), target.mean())
    return Scored(history.kind, like.truth, guess, like.threshold, like.rows)
