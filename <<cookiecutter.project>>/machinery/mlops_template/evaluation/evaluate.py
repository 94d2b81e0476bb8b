"""The stage `evaluate`: the challenger on the holdout, with intervals and slices, beside the trivial baseline.

What is to serve it is found out here as well, so that a reviewer knows before it goes live.
"""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from ..console.stage import run_stage
from ..errors import ProjectError
from ..owner.modules import own_code
from ..render.json_file import write_json
from ..settings import paths
from ..settings.params import Params, load_params
from ..training.artifact import load_model, window
from ..training.features import with_features
from ..training.metrics import metric_named, metrics_for, number
from ..training.scored import Array, Scored, as_scored
from ..training.split_rows import every_nth
from ..training.statistics import Metric
from .alternatives import Holdout, alternatives
from .comparison import Difference
from .doubts import doubts
from .export import export, refuse_other_service
from .importance import importance
from .intervals import blocks, interval, resamples, support

ENOUGH = 1_000_000
"""Training rows of which other models are fitted on some."""

CURVE_POINTS = 200
BINS = 10


def main() -> None:
    """Score `data/split/holdout.parquet` into `reports/`."""
    params = load_params()
    columns = params.columns
    holdout = pd.read_parquet(paths.HOLDOUT)
    model = load_model(paths.CHALLENGER)
    ready = model.inputs(holdout)
    predictions = model.predict_inputs(ready)

    def scored(predictions: pd.DataFrame) -> Scored:
        truth, positive = holdout[columns.target], model.card["positive"]
        return as_scored(truth, predictions, model.classes, positive, model.threshold, holdout)

    challenger, trivial = scored(predictions), scored(baseline(holdout, model.classes, params))
    times = holdout[columns.time] if columns.time else None
    block = blocks(holdout[columns.id], times)
    weights = resamples(block, params.evaluate.n_bootstrap)
    metrics: dict[str, Any] = {
        "rows": len(holdout),
        "window": window(times),
        "model": {
            name: with_interval(metric, challenger, block, weights) for name, metric in metrics_for(challenger).items()
        },
        "baseline": {name: {"value": number(metric.value(trivial))} for name, metric in metrics_for(trivial).items()},
    }
    exported = export(model, holdout, params.serving.parity, predictions)
    refuse_other_service(model, exported, holdout, params.serving.parity)
    primary = metric_named(params.gates.primary, challenger)
    losses = importance(model, holdout, primary, params, block)
    beside = Holdout(ready, scored, primary, block, weights)
    others = alternatives(model, every_nth(paths.TRAIN, ENOUGH), beside, challenger, params)
    by_slice = slices(sliceable(holdout, params), params, challenger, primary, block, weights)

    paths.PLOTS.mkdir(parents=True, exist_ok=True)
    kept = [columns.id, *([columns.time] if columns.time else []), columns.target]
    holdout[kept].join(predictions).to_parquet(paths.PREDICTIONS, index=False)
    write_json(paths.METRICS, metrics)
    write_json(paths.SERVING, exported.facts())
    write_json(paths.SLICES, by_slice)
    write_json(paths.IMPORTANCE, losses)
    write_json(paths.ALTERNATIVES, others)
    for name, points in curves(challenger).items():
        points.to_csv(paths.PLOTS / f"{name}.csv", index=False, lineterminator="\n")
    print(f"{params.gates.primary} {metrics['model'][params.gates.primary]['value']} on {len(holdout):,} held-out rows")
    print(f"to be served by {exported}")
    for one in others["older"]:
        print(f"a model {one['age']} older: {params.gates.primary} {Difference(**one['difference'])}")
    for doubt in doubts(metrics, losses, others):
        print(f"warning: {doubt}")


def baseline(rows: pd.DataFrame, classes: list[Any] | None, params: Params) -> pd.DataFrame:
    """What one would predict knowing only the training target: its mean, or the share of each class."""
    target = pd.read_parquet(paths.TRAIN, columns=[params.columns.target])[params.columns.target]
    if classes is None:
        return pd.DataFrame({"prediction": target.mean()}, index=rows.index)
    shares = {f"probability_{name}": float((target == name).mean()) for name in classes}
    return pd.DataFrame(shares, index=rows.index)


def with_interval(metric: Metric, scored: Scored, block: Array, weights: Array) -> dict[str, float | None]:
    """A metric with its 95 % bootstrap interval."""
    low, high = interval(metric.resampled(scored, block, weights), support(metric, scored, block).deciding)
    return {"value": number(metric.value(scored)), "low": number(low), "high": number(high)}


def slices(
    rows: pd.DataFrame, params: Params, scored: Scored, metric: Metric, block: Array, weights: Array
) -> dict[str, dict[str, dict[str, Any]]]:
    """The primary metric for each value of each slicing column that has rows enough."""
    by_column: dict[str, dict[str, dict[str, Any]]] = {}
    for column, name, chosen in each_slice(rows, params):
        measured = with_interval(metric, scored[chosen], block[chosen], weights)
        by_column.setdefault(column, {})[name] = {"rows": int(chosen.sum()), params.gates.primary: measured}
    return by_column


def sliceable(rows: pd.DataFrame, params: Params) -> pd.DataFrame:
    """The rows with the derived columns, if a slice is one of them. Raises ProjectError when there is none such."""
    if all(name in rows for name in params.evaluate.slices):
        return rows
    added = with_features(rows, own_code("features"), params.columns)
    unknown = [name for name in params.evaluate.slices if name not in added]
    if unknown:
        raise ProjectError(
            f"evaluate.slices in {paths.PARAMS} names {', '.join(unknown)}, which neither the data nor add_features in "
            "features.py has: correct the name, or derive the column there"
        )
    return added


def each_slice(rows: pd.DataFrame, params: Params) -> list[tuple[str, str, Array]]:
    """(column, value, mask of its rows) of every slice with at least `min_slice_rows`, by columns that are there."""
    masks = []
    for column in (name for name in params.evaluate.slices if name in rows):
        values = rows[column].astype("str")
        for name, count in values.value_counts().sort_index().items():
            if count >= params.evaluate.min_slice_rows:
                masks.append((column, str(name), (values == name).to_numpy(dtype=bool)))
    return masks


def curves(scored: Scored) -> dict[str, pd.DataFrame]:
    """The curves worth looking at, as points (x, y)."""
    if scored.kind == "regression":
        order = np.array_split(np.argsort(scored.prediction, kind="stable"), BINS)
        bins = [part for part in order if len(part)]
        x, y = ([values[part].mean() for part in bins] for values in (scored.prediction, scored.truth))
        quantiles = np.linspace(0, 1, 101)
        errors = {"x": quantiles, "y": np.quantile(scored.prediction - scored.truth, quantiles)}
        return {"predicted_and_actual": pd.DataFrame({"x": x, "y": y}), "error_quantiles": pd.DataFrame(errors)}
    points = {"calibration": reliability(scored)[["x", "y"]]}
    if scored.kind == "binary" and 0 < scored.truth.sum() < len(scored.truth):
        false_alarms, hits, _ = roc_curve(scored.truth, scored.prediction)
        precision, recall, _ = precision_recall_curve(scored.truth, scored.prediction)
        points["roc"] = thinned(pd.DataFrame({"x": false_alarms, "y": hits}))
        points["precision_recall"] = thinned(pd.DataFrame({"x": recall, "y": precision}))
    return points


def reliability(scored: Scored) -> pd.DataFrame:
    """In each bin of probability that holds a row: the mean probability x, how often it happened y, the rows."""
    happened, probability = scored.confidence()
    bin_ = np.minimum((probability * BINS).astype(int), BINS - 1)
    filled = [bin_ == number for number in range(BINS) if (bin_ == number).any()]
    means = [(probability[chosen].mean(), happened[chosen].mean(), chosen.sum()) for chosen in filled]
    return pd.DataFrame(means, columns=["x", "y", "rows"])


def thinned(points: pd.DataFrame) -> pd.DataFrame:
    """A few hundred of the points, the first and the last among them."""
    return points.iloc[np.unique(np.linspace(0, len(points) - 1, CURVE_POINTS).astype(int))]


if __name__ == "__main__":
    run_stage(main)
