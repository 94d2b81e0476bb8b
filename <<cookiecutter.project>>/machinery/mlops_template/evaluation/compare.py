"""Champion against challenger on the same unseen rows: the differences, the gates, the verdict.

A command and not a stage: its opponent is the champion of a git revision, not a file of this one, and
promoting must not make the pipeline stale.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import pandas as pd
from pydantic import TypeAdapter

from ..owner.package import own_code
from ..settings import paths
from ..settings.params import Params
from ..training import metrics
from ..training.artifact import window, write_json
from ..training.metrics import Array, metric_named, metrics_for, number
from .evaluate import sliceable
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
    metrics_gate,
    seen_gate,
    size_gate,
    size_of,
    slice_differences,
    slices_gate,
)
from .intervals import blocks, resamples
from .matchup import MIN_ROWS, ChampionSource, Evaluation, Matchup, StoredEvaluation, prepare_matchup


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
    """Digest of what was compared: the models, the rows, the settings, and the code that judges."""
    cost: Cost | None = None
    champion_cost: Cost | None = None
    forced: dict[str, str] | None = None
    """Why it was promoted against the verdict."""
    champion_source: ChampionSource = "model"
    """What of the champion was compared: its model, its stored predictions, or only its metrics."""


def load_comparison() -> Comparison | None:
    """The record of the last comparison, None where there is none."""
    if not paths.COMPARISON.exists():
        return None
    return TypeAdapter(Comparison).validate_json(paths.COMPARISON.read_bytes())


def save_comparison(comparison: Comparison) -> None:
    """Write the record, which git keeps."""
    write_json(paths.COMPARISON, asdict(comparison))


def compare(
    params: Params,
    challenger: str,
    champion: str | None,
    champion_directory: Path | None,
    record: bool = True,
    kept: StoredEvaluation = Evaluation,
) -> Comparison:
    """Compare the challenger with the champion that lies in a directory and, with `record`, write the record.

    `challenger` and `champion` are the digests of the models. Without a champion the trivial baseline takes its
    place; for one that cannot be scored `kept` gives what is known of its evaluation. Where the same models met
    on the same rows under the same settings before, and by no less than now, their record stands.
    """
    inputs = digest_of(challenger, champion, params)
    recorded = load_comparison()
    if recorded and recorded.inputs == inputs and recorded.champion_source == "model":
        return recorded
    matchup = prepare_matchup(params, champion_directory, kept)
    best = get_args(ChampionSource).index
    if recorded and recorded.inputs == inputs and best(recorded.champion_source) <= best(matchup.champion_source):
        return recorded

    cost, champion_cost = costs(matchup)
    rows, held_out, seen = matchup.rows, len(matchup.holdout), int(matchup.seen.sum())
    gates = [seen_gate("challenger", seen, held_out, not seen)]
    if matchup.seen_by_champion is not None:
        gates.append(seen_gate("champion", int(matchup.seen_by_champion.sum()), held_out, passed=True))
    metrics, slices, judged = judge(matchup)
    gates += judged
    if cost.latency_ms is not None:
        gates.append(latency_gate(cost.latency_ms, params.gates))
    gates.append(size_gate(cost.size_mb, params.gates))
    comparison = Comparison(
        verdict=verdict(gates),
        reasons=[*([matchup.note] if matchup.note else []), *reasons(gates)],
        challenger=challenger,
        champion=champion if matchup.directory else None,
        rows=len(rows),
        window=window(rows[params.columns.time] if params.columns.time and len(rows) else None),
        metrics=metrics,
        gates=gates,
        slices=slices,
        inputs=inputs,
        cost=cost,
        champion_cost=champion_cost,
        champion_source=matchup.champion_source,
    )
    if record:
        save_comparison(comparison)
    return comparison


def judge(matchup: Matchup) -> tuple[dict[str, MetricPair], list[SliceDifference], list[Gate]]:
    """The metrics of both, the slices, and the gates that follow from them.

    What is asked of the challenger by itself is asked on all rows that it has not seen, not only on those that
    the champion has not seen either: it cannot help what the champion was trained on.
    """
    if len(matchup.own) < MIN_ROWS:
        return {}, [], [enough_gate(len(matchup.own), MIN_ROWS)]
    params, asked, ours = matchup.params, matchup.params.gates, matchup.ours
    primary = metric_named(asked.primary, ours)
    block, weights = resampling(matchup.own, params)
    limits = {name: metric_named(name, ours) for name in asked.limits}
    gates = [limit_gate(name, number(limits[name].value(ours)), asked.limits[name], limits[name]) for name in limits]
    against_trivial = difference(primary, ours, matchup.trivial, block, weights)
    gates.append(baseline_gate(against_trivial, primary, asked.primary))
    if matchup.champion_source == "metrics only":
        return beside_metrics(matchup), [], [*gates, metrics_gate(matchup.metrics, asked)]
    pair = matchup.predictions()
    if pair is None:
        return {}, [], [*gates, enough_gate(int(matchup.compared.sum()), MIN_ROWS)]
    rows = matchup.rows
    block, weights = resampling(rows, params)
    metrics = {
        name: MetricPair(
            number(metric.value(pair[1])),
            number(metric.value(pair[0])),
            difference(metric, *pair, block, weights),
        )
        for name, metric in metrics_for(pair[0]).items()
    }
    slices: list[SliceDifference] = []
    if matchup.directory:
        gates.append(champion_gate(metrics[asked.primary].difference, primary, asked))
        slices = slice_differences(sliceable(rows, params), params, *pair, primary, block, weights)
        if slices:
            gates.append(slices_gate(slices, asked))
    return metrics, slices, gates


def resampling(rows: pd.DataFrame, params: Params) -> tuple[Array, Array]:
    """The block of each row, and how often each resample draws each block."""
    columns = params.columns
    block = blocks(rows[columns.id], rows[columns.time] if columns.time else None)
    return block, resamples(block, params.evaluate.n_bootstrap)


def beside_metrics(matchup: Matchup) -> dict[str, MetricPair]:
    """The challenger's metrics beside those of the champion's own evaluation: of other rows, so without difference."""
    stored = (matchup.metrics or {}).get("model", {})
    unknown = Difference(None, None, None)
    return {
        name: MetricPair(stored.get(name, {}).get("value"), number(metric.value(matchup.ours)), unknown)
        for name, metric in metrics_for(matchup.ours).items()
    }


def costs(matchup: Matchup) -> tuple[Cost, Cost | None]:
    """Size and latency of the challenger and of the champion, as far as it is here and predicts."""
    models = [model for model in (matchup.challenger, matchup.champion) if model]
    enough = len(matchup.own) >= MIN_ROWS
    taken = [*latencies(models, matchup.own.head(1)), None] if enough else [None, None]
    ours = Cost(size_of(paths.CHALLENGER), taken[0])
    return ours, Cost(size_of(matchup.directory), taken[1]) if matchup.directory else None


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


def digest_of(challenger: str, champion: str | None, params: Params) -> str:
    """What a comparison depends on, as one short digest."""
    settings = params.model_dump(mode="json", include={"task", "columns", "split", "evaluate", "gates"})
    rows = hashlib.sha256(paths.HOLDOUT.read_bytes()).hexdigest()
    everything = [challenger, champion, rows, settings, judging_code()]
    return hashlib.sha256(json.dumps(everything).encode()).hexdigest()[:16]


def judging_code() -> list[str]:
    """Digests of the code by which models are judged; that by which they predict is part of the models."""
    machinery = [file for room in (Path(__file__).parent, Path(metrics.__file__).parent) for file in room.glob("*.py")]
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(machinery)]
    return [*digests, own_code("features", "metrics").package]
