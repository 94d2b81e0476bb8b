"""Champion against challenger on the same unseen rows: the differences, the gates, the verdict.

A command and not a stage: its opponent is the champion of a git revision, not a file of this one, and
promoting must not make the pipeline stale.
"""

from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from ..settings import paths
from ..settings.params import Params
from ..training.artifact import window
from ..training.metrics import metric_named, metrics_for, number
from ..training.scored import Array
from .comparison import (
    ChampionSource,
    Comparison,
    Cost,
    Difference,
    Evaluation,
    Gate,
    MetricPair,
    SliceDifference,
    StoredEvaluation,
    digest_of,
    load_comparison,
    save_comparison,
)
from .evaluate import sliceable
from .gates import (
    baseline_gate,
    champion_gate,
    difference,
    enough_gate,
    group_gaps,
    groups_gate,
    latencies,
    latency_gate,
    limit_gate,
    metrics_gate,
    seen_gate,
    size_gate,
    size_of,
    slice_differences,
    slices_gate,
    support_gate,
)
from .intervals import blocks, resamples, support
from .matchup import MIN_ROWS, Matchup, prepare_matchup


def compare(
    params: Params,
    challenger: str,
    champion: str | None,
    model_directory: Path | None,
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
    matchup = prepare_matchup(params, model_directory, kept)
    best = get_args(ChampionSource).index
    if recorded and recorded.inputs == inputs and best(recorded.champion_source) <= best(matchup.champion_source):
        return recorded

    cost, champion_cost = costs(matchup)
    rows, held_out, seen = matchup.rows, len(matchup.holdout), int(matchup.seen.sum())
    gates = [seen_gate("challenger", seen, held_out, not seen)]
    if matchup.seen_by_champion is not None:
        unknown = 0 if matchup.unknown is None else int(matchup.unknown.sum())
        gates.append(seen_gate("champion", int(matchup.seen_by_champion.sum()), held_out, True, unknown))
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
    support_alone = support(primary, ours, block)
    if support_alone.deciding:
        against_trivial = difference(primary, ours, matchup.trivial, block, weights)
        gates.append(baseline_gate(against_trivial, primary, asked.primary))
    else:
        gates.append(support_gate(support_alone, asked.primary, matchup.class_named(support_alone.rarest)))
    if asked.groups:
        gaps = group_gaps(sliceable(matchup.own, params), params, ours, primary, block, weights)
        gates.append(groups_gate(gaps, asked))
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
            metric.higher_is_better,
        )
        for name, metric in metrics_for(pair[0]).items()
    }
    slices: list[SliceDifference] = []
    support_together = support(primary, pair[0], block)
    if matchup.directory and support_alone.deciding and not support_together.deciding:
        gates.append(support_gate(support_together, asked.primary, matchup.class_named(support_together.rarest)))
    elif matchup.directory:
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
        name: MetricPair(
            stored.get(name, {}).get("value"), number(metric.value(matchup.ours)), unknown, metric.higher_is_better
        )
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
