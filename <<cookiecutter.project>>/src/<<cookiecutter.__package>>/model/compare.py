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
    Difference,
    Gate,
    SliceDifference,
    baseline_gate,
    champion_gate,
    difference,
    enough_gate,
    latency_gate,
    limit_gate,
    seen_gate,
    size_gate,
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


def compare(params: Params, challenger: str, champion: str | None, champion_directory: Path | None) -> Comparison:
    """Compare the challenger with the champion that lies in a directory, and write the record.

    `challenger` and `champion` are the digests of the models. Without a champion the trivial baseline takes its
    place. Where the same models met on the same rows under the same settings before, their record stands.
    """
    inputs = digest_of(challenger, champion, params)
    known = load_comparison()
    if known and known.inputs == inputs:
        return known

    ours = load_model(paths.CHALLENGER)
    theirs = load_model(champion_directory) if champion_directory else None
    if theirs and (theirs.card["task"], theirs.card["target"]) != (params.task, params.columns.target):
        print(f"the champion answers another question ({theirs.card['target']}): the baseline takes its place")
        theirs = champion = champion_directory = None
    holdout = pd.read_parquet(paths.HOLDOUT)
    hashes = row_hashes(holdout[params.columns.id])
    leaked = np.isin(hashes, training_rows(paths.CHALLENGER))
    known_to_champion = np.isin(hashes, training_rows(champion_directory)) if champion_directory else leaked
    rows = holdout[~leaked & ~known_to_champion].reset_index(drop=True)

    gates = [seen_gate("challenger", int(leaked.sum()), len(holdout), not leaked.any())]
    if theirs:
        gates.append(seen_gate("champion", int(known_to_champion.sum()), len(holdout), passed=True))
    metrics: dict[str, MetricPair] = {}
    slices: list[SliceDifference] = []
    if len(rows) >= FEWEST_ROWS:
        metrics, slices, judged = judge(params, ours, theirs, rows)
        gates += judged
    else:
        gates.append(enough_gate(len(rows), FEWEST_ROWS))
    gates.append(size_gate(paths.CHALLENGER, params.gates))
    comparison = Comparison(
        verdict=verdict(gates),
        reasons=reasons(gates),
        challenger=challenger,
        champion=champion,
        rows=len(rows),
        window=window(rows[params.columns.time] if params.columns.time and len(rows) else None),
        metrics=metrics,
        gates=gates,
        slices=slices,
        inputs=inputs,
    )
    save_comparison(comparison)
    return comparison


def judge(
    params: Params, ours: Model, theirs: Model | None, rows: pd.DataFrame
) -> tuple[dict[str, MetricPair], list[SliceDifference], list[Gate]]:
    """The metrics of both, the slices, and the gates that follow from them."""
    challenger = score(ours, rows, params)
    trivial = as_scored(
        rows[params.columns.target], baseline(rows, ours.classes, params), ours.classes, ours.card["positive"]
    )
    champion = score(theirs, rows, params) if theirs else trivial
    if challenger.kind != champion.kind:
        raise ProjectError(
            f"the champion answers a {champion.kind} question and the challenger a {challenger.kind} one, which cannot "
            "be compared: start over with `git rm models/champion.dvc`, commit, and `compare`"
        )
    block = blocks(rows[params.columns.id], rows[params.columns.time] if params.columns.time else None)
    weights = resamples(block, params.evaluate.resamples)
    known = metrics_for(challenger)
    metrics = {
        name: MetricPair(
            number(metric.value(champion)),
            number(metric.value(challenger)),
            difference(metric, challenger, champion, block, weights),
        )
        for name, metric in known.items()
    }
    primary = metric_named(params.gates.primary, challenger)
    limits = {name: metric_named(name, challenger) for name in params.gates.limits}
    gates = [limit_gate(name, metrics[name].challenger, params.gates.limits[name], limits[name]) for name in limits]
    against_trivial = difference(primary, challenger, trivial, block, weights)
    gates.append(baseline_gate(against_trivial, primary, params.gates.primary))
    slices: list[SliceDifference] = []
    if theirs:
        gates.append(champion_gate(metrics[params.gates.primary].difference, primary, params.gates))
        slices = slice_differences(rows, params, challenger, champion, primary, block, weights)
        if slices:
            gates.append(slices_gate(slices, params.gates))
    gates.append(latency_gate(ours, rows, params.gates))
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
