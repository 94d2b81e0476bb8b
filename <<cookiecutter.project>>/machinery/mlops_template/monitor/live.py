"""The model that runs beside the champion, compared with it on what truly happened: looked at as often as one likes."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from ..champion.lineage import find_champion
from ..champion.opponent import find_shadow, model_directory
from ..console.progress import progress
from ..data.contract import load_contract
from ..errors import ProjectError
from ..evaluation.compare import reasons
from ..evaluation.comparison import Comparison, Gate, MetricPair, SliceDifference
from ..evaluation.evaluate import each_slice, sliceable
from ..evaluation.gates import LEVEL, champion_gate, difference, limit_gate, slices_gate
from ..evaluation.intervals import any_time, resamples
from ..prediction_log.log_tables import predictions
from ..settings import paths
from ..settings.params import Params
from ..training.artifact import window
from ..training.metrics import metric_named, metrics_for, number
from ..training.scored import Array, Scored
from ..training.statistics import Metric
from .champion_view import MonitoredModel
from .logged_rows import JoinedOutcomes, days_of, of_day, parts_of, predicted, typed
from .open_log import opened

MIN_DAYS = 14
"""With outcomes, before anything is decided."""


def compare_live(params: Params, place: str) -> Comparison:
    """The shadow against the champion on the rows of the log that both predicted and whose outcome is known.

    The gates are those of params.yaml, with intervals that may be looked at every day: that one ever leaves the truth
    out has a chance of 5 %. The verdict is `keep` until they hold, and the reasons say whether it is too early.
    Raises ProjectError where no shadow is set, or the log has no such row.
    """
    if not params.serving.shadow:
        raise ProjectError(
            f"no model runs beside the champion: set serving.shadow in {paths.PARAMS} to a branch, and deploy"
        )
    champion, _ = find_champion("champion")
    shadow = find_shadow(params.serving.shadow)
    contract = load_contract()
    with (
        opened(place) as engine,
        model_directory(champion.digest, "HEAD") as there,
        shadow.directory() as here,
    ):
        ours, theirs = MonitoredModel(params, contract, here), MonitoredModel(params, contract, there)
        columns = [name for name in contract.columns if name in {*ours.columns, *theirs.columns}]
        parts, block = [], []
        days = days_of(engine, shadow.digest)
        for day in progress(days, len(days), "days of the log"):
            for pair in pairs(engine, day, shadow.digest, champion.digest):
                truth = ours.truths(pair["outcome"].to_pandas())
                known = truth.notna()
                tables = (
                    predicted(pair["ours"], ours.names),
                    predicted(pair["theirs"], theirs.names),
                    typed(pair["features"], contract, columns),
                )
                parts.append((*(table[known] for table in tables), truth[known].infer_objects()))
                block += [day] * int(known.sum())
    if not block:
        raise ProjectError(
            f"the log has no row that champion {champion.number} and the shadow {shadow.name} ({shadow.short}) both "
            "predicted and whose outcome is known: deploy it, and tell `feedback`"
        )
    mine, other, rows, truth = (pd.concat(column, ignore_index=True) for column in zip(*parts, strict=True))
    scored = ours.scored(mine, truth, rows), theirs.scored(other, truth, rows)
    metrics, slices, gates = judge(params, scored, rows, np.asarray(pd.factorize(pd.Series(block))[0]))
    return Comparison(
        verdict="promote" if all(gate.passed for gate in gates) else "keep",
        reasons=reasons(gates),
        challenger=shadow.digest,
        champion=champion.digest,
        rows=len(rows),
        window=window(pd.Series(block)),
        metrics=metrics,
        gates=gates,
        slices=slices,
        inputs="",
    )


def pairs(engine: sa.Engine, day: datetime, challenger: str, champion: str) -> Iterator[pa.Table]:
    """Rows of a day, some at a time: features, what both predicted (`ours`, `theirs`) and outcome, in JSON."""
    ours, theirs = predictions.alias("ours"), predictions.alias("theirs")
    outcomes = JoinedOutcomes(ours)
    same = sa.and_(ours.c.id == theirs.c.id, ours.c.at == theirs.c.at, theirs.c.model == champion)
    columns = (
        ours.c.features,
        ours.c.prediction.label("ours"),
        theirs.c.prediction.label("theirs"),
        outcomes.outcome.label("outcome"),
    )
    statement = (
        sa.select(ours.c.id, *columns)
        .select_from(outcomes.joined(ours.join(theirs, same)))
        .where(ours.c.model == challenger, outcomes.outcome.is_not(None), *of_day(ours, day))
    )
    with engine.connect() as connection:
        yield from parts_of(connection, statement)


def judge(
    params: Params, scored: tuple[Scored, Scored], rows: pd.DataFrame, block: Array
) -> tuple[dict[str, MetricPair], list[SliceDifference], list[Gate]]:
    """The metrics of both, the slices, and the gates: those that rows can tell, with intervals for any time."""
    ours, theirs = scored
    asked = params.gates
    primary = metric_named(asked.primary, ours)
    weights = resamples(block, params.evaluate.n_bootstrap)
    days = int(block.max()) + 1
    metrics = {
        name: MetricPair(
            number(metric.value(theirs)),
            number(metric.value(ours)),
            difference(metric, ours, theirs, block, weights, any_time),
            metric.higher_is_better,
        )
        for name, metric in metrics_for(ours).items()
    }
    limits = {name: metric_named(name, ours) for name in asked.limits}
    gates = [limit_gate(name, number(one.value(ours)), asked.limits[name], one) for name, one in limits.items()]
    gates.append(enough_days(days))
    gates.append(champion_gate(metrics[asked.primary].difference, primary, asked))
    slices = slices_of(params, scored, rows, primary, block, weights)
    if slices:
        gates.append(slices_gate(slices, asked))
    return metrics, slices, gates


def enough_days(days: int) -> Gate:
    """Intervals for any time hold once their standard errors can be told."""
    return Gate("enough days", days >= MIN_DAYS, False, f"{days} days with outcomes, {MIN_DAYS} are needed")


def slices_of(
    params: Params, scored: tuple[Scored, Scored], rows: pd.DataFrame, metric: Metric, block: Array, weights: Array
) -> list[SliceDifference]:
    """Each slice, worse where its interval is beyond the margin; the level is shared out among them (Bonferroni)."""
    ours, theirs = scored
    slices = each_slice(sliceable(rows, params), params)
    chance = 2 * LEVEL / max(len(slices), 1)
    listed = []
    for column, name, chosen in slices:
        both = ours[chosen], theirs[chosen]
        delta = difference(metric, *both, block[chosen], weights, lambda blocks: any_time(blocks, chance))
        better = delta.high if metric.higher_is_better else None if delta.low is None else -delta.low
        worse = better is not None and better < -params.gates.slice_margin
        mine, other = (number(metric.value(one)) for one in both)
        listed.append(
            SliceDifference(f"{column} = {name}", int(chosen.sum()), other, mine, delta, float(not worse), worse)
        )
    return listed
