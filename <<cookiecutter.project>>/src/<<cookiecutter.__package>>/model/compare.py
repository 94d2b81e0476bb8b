"""Champion against challenger on the same unseen rows: the differences, the gates, the verdict.

A command and not a stage: its opponent is the champion of a git revision, not a file of this one, and
promoting must not make the pipeline stale.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from .. import paths
from ..errors import ProjectError
from ..params import Params
from .artifact import Model, load_model, row_hashes, training_rows, window, write_json
from .evaluate import baseline
from .gates import (
    Cost,
    Difference,
    Gate,
    SliceDifference,
    baseline_gate,
    champion_gate,
    difference,
    enough_gate,
    latencies,
    latency_gate,
    limit_gate,
    seen_gate,
    size_gate,
    size_of,
    slice_differences,
    slices_gate,
)
from .intervals import blocks, resamples
from .metrics import Scored, as_scored, metric_named, metrics_for, number

FEWEST_ROWS = 20
"""Unseen rows without which nothing is compared."""


@dataclass(frozen=True)
class MetricPair:
    """One metric of both models."""

    champion: float | None
    challenger: float | None
    difference: Difference


@dataclass(frozen=True)
class Comparison:
    """What `reports/comparison.json` holds. `champion` is None where the baseline took its place."""

    verdict: Literal["promote", "keep", "fail"]
    reasons: list[str]
    challenger: str
    champion: str | None
    rows: int
    window: dict[str, str | None]
    metrics: dict[str, MetricPair]
    gates: list[Gate]
    slices: list[SliceDifference]
    inputs: str
    """Digest of what was compared: the models, the rows, the settings."""
    cost: Cost | None = None
    champion_cost: Cost | None = None
    forced: dict[str, str] | None = None
    """Why it was promoted against the verdict."""


def load_comparison() -> Comparison | None:
    """The record of the last comparison, None where there is none."""
    if not paths.COMPARISON.exists():
        return None
    return TypeAdapter(Comparison).validate_json(paths.COMPARISON.read_bytes())


def save_comparison(comparison: Comparison) -> None:
    """Write the record, which git keeps."""
    write_json(paths.COMPARISON, asdict(comparison))


@dataclass(frozen=True)
class Encounter:
    """Both models and the held-out rows. `champion` is None where the trivial baseline takes its place."""

    challenger: Model
    champion: Model | None
    champion_directory: Path | None
    held_out: int
    seen: int
    """Held-out rows that the challenger was trained on: there should be none."""
    seen_by_champion: int
    rows: pd.DataFrame
    """Those that neither has seen."""

    def answers(self, params: Params) -> tuple[Scored, Scored, Scored]:
        """What the challenger, the champion and the trivial baseline say of the rows, beside their truth."""
        challenger, classes = score(self.challenger, self.rows, params), self.challenger.classes
        guess = baseline(self.rows, classes, params)
        trivial = as_scored(self.rows[params.columns.target], guess, classes, self.challenger.card["positive"])
        champion = score(self.champion, self.rows, params) if self.champion else trivial
        if challenger.kind != champion.kind:
            raise ProjectError(
                f"the champion answers a {champion.kind} question and the challenger a {challenger.kind} one, which "
                "cannot be compared: start over with `git rm models/champion.dvc`, commit, and `compare`"
            )
        return challenger, champion, trivial

    def costs(self) -> tuple[Cost, Cost | None]:
        """Size and latency of the challenger and of the champion."""
        models = [model for model in (self.challenger, self.champion) if model]
        taken = latencies(models, self.rows.head(1)) if self.judged else [None] * len(models)
        ours = Cost(size_of(paths.CHALLENGER), taken[0])
        return ours, Cost(size_of(self.champion_directory), taken[1]) if self.champion_directory else None

    @property
    def judged(self) -> bool:
        """Whether there are rows enough to judge by."""
        return len(self.rows) >= FEWEST_ROWS


def meet(params: Params, champion_directory: Path | None) -> Encounter:
    """The challenger, the champion that lies in a directory (None: the baseline), and the rows to compare them on."""
    challenger = load_model(paths.CHALLENGER)
    champion = load_model(champion_directory) if champion_directory else None
    if champion and (champion.card["task"], champion.card["target"]) != (params.task, params.columns.target):
        print(f"the champion answers another question ({champion.card['target']}): the baseline takes its place")
        champion = champion_directory = None
    holdout = pd.read_parquet(paths.HOLDOUT)
    hashes = row_hashes(holdout[params.columns.id])
    seen = np.isin(hashes, training_rows(paths.CHALLENGER))
    seen_by_champion = np.isin(hashes, training_rows(champion_directory)) if champion_directory else seen
    rows = holdout[~seen & ~seen_by_champion].reset_index(drop=True)
    known = int(seen.sum()), int(seen_by_champion.sum())
    return Encounter(challenger, champion, champion_directory, len(holdout), *known, rows)


def compare(
    params: Params, challenger: str, champion: str | None, champion_directory: Path | None, record: bool = True
) -> Comparison:
    """Compare the challenger with the champion that lies in a directory and, with `record`, write the record.

    `challenger` and `champion` are the digests of the models. Without a champion the trivial baseline takes its
    place. Where the same models met on the same rows under the same settings before, their record stands.
    """
    inputs = digest_of(challenger, champion, params)
    known = load_comparison()
    if known and known.inputs == inputs:
        return known

    encounter = meet(params, champion_directory)
    cost, champion_cost = encounter.costs()
    gates = [seen_gate("challenger", encounter.seen, encounter.held_out, not encounter.seen)]
    if encounter.champion:
        gates.append(seen_gate("champion", encounter.seen_by_champion, encounter.held_out, passed=True))
    metrics: dict[str, MetricPair] = {}
    slices: list[SliceDifference] = []
    if encounter.judged:
        metrics, slices, judged = judge(params, encounter)
        gates += judged
    else:
        gates.append(enough_gate(len(encounter.rows), FEWEST_ROWS))
    if cost.latency_ms is not None:
        gates.append(latency_gate(cost.latency_ms, params.gates))
    gates.append(size_gate(cost.size_mb, params.gates))
    times = encounter.rows[params.columns.time] if params.columns.time and len(encounter.rows) else None
    comparison = Comparison(
        verdict=verdict(gates),
        reasons=reasons(gates),
        challenger=challenger,
        champion=champion if encounter.champion else None,
        rows=len(encounter.rows),
        window=window(times),
        metrics=metrics,
        gates=gates,
        slices=slices,
        inputs=inputs,
        cost=cost,
        champion_cost=champion_cost,
    )
    if record:
        save_comparison(comparison)
    return comparison


def judge(params: Params, encounter: Encounter) -> tuple[dict[str, MetricPair], list[SliceDifference], list[Gate]]:
    """The metrics of both, the slices, and the gates that follow from them."""
    rows = encounter.rows
    challenger, champion, trivial = encounter.answers(params)
    block = blocks(rows[params.columns.id], rows[params.columns.time] if params.columns.time else None)
    weights = resamples(block, params.evaluate.resamples)
    metrics = {
        name: MetricPair(
            number(metric.value(champion)),
            number(metric.value(challenger)),
            difference(metric, challenger, champion, block, weights),
        )
        for name, metric in metrics_for(challenger).items()
    }
    primary = metric_named(params.gates.primary, challenger)
    limits = {name: metric_named(name, challenger) for name in params.gates.limits}
    gates = [limit_gate(name, metrics[name].challenger, params.gates.limits[name], limits[name]) for name in limits]
    against_trivial = difference(primary, challenger, trivial, block, weights)
    gates.append(baseline_gate(against_trivial, primary, params.gates.primary))
    slices: list[SliceDifference] = []
    if encounter.champion:
        gates.append(champion_gate(metrics[params.gates.primary].difference, primary, params.gates))
        slices = slice_differences(rows, params, challenger, champion, primary, block, weights)
        if slices:
            gates.append(slices_gate(slices, params.gates))
    return metrics, slices, gates


def verdict(gates: list[Gate]) -> Literal["promote", "keep", "fail"]:
    """`fail` where an absolute gate is broken, `keep` where another one is, else `promote`."""
    broken = [gate for gate in gates if not gate.passed]
    if any(gate.absolute for gate in broken):
        return "fail"
    return "keep" if broken else "promote"


def reasons(gates: list[Gate]) -> list[str]:
    """The broken gates; where none is, what speaks for the challenger."""
    broken = [gate.detail for gate in gates if not gate.passed]
    return (
        broken
        or [gate.detail for gate in gates if gate.gate in ("champion", "slices")]
        or [gate.detail for gate in gates if gate.gate == "baseline"]
    )


def score(model: Model, rows: pd.DataFrame, params: Params) -> Scored:
    """A model's answers to the rows, beside their truth."""
    missing = [name for kind in model.card["features"].values() for name in kind if name not in rows]
    if missing:
        raise ProjectError(
            f"the champion takes columns that the data no longer has ({', '.join(missing)}): start over with "
            "`git rm models/champion.dvc`, commit, and `compare`"
        )
    return as_scored(rows[params.columns.target], model.predict(rows), model.classes, model.card["positive"])


def digest_of(challenger: str, champion: str | None, params: Params) -> str:
    """What a comparison depends on, as one short digest."""
    settings = params.model_dump(mode="json", include={"task", "columns", "split", "evaluate", "gates"})
    rows = hashlib.sha256(paths.HOLDOUT.read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps([challenger, champion, rows, settings]).encode()).hexdigest()[:16]
