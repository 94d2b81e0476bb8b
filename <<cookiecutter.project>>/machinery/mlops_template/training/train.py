"""The stage `train`: search the candidates, fit the best on all training rows, write the challenger."""

import os
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from ..console.stage import run_stage
from ..errors import ProjectError
from ..integrations.digests import file_digest
from ..serving.model_code import ModelCode
from ..settings import paths
from ..settings.params import Columns, Params, load_params
from .artifact import GOLDEN_ROWS, Model, save_model, versions, window
from .features import describe_inputs, evenly, with_features
from .metrics import higher_is_better, metrics_code
from .on_workers import fit_on_workers
from .pipeline import build, fit_pipeline, labels, training_code
from .search import SearchResult, Setting, search
from .split_rows import column, every_nth, number_of_rows
from .threshold import threshold_of
from .trained_rows import remembered, save_trained_rows

QUANTILES = np.linspace(0, 1, 21)
MAX_CATEGORIES = 50
MAX_PRINTED = 5

SAMPLED = 1_000_000
"""Rows that this process holds at most, evenly drawn, where workers hold all of them."""


def main() -> None:
    """Train from `data/split/train.parquet` into `models/challenger`."""
    params = load_params()
    columns, code = params.columns, training_code(params)
    rows = every_nth(paths.TRAIN, SAMPLED) if params.model.workers else pd.read_parquet(paths.TRAIN)
    train = with_features(rows, code, columns)
    inputs = describe_inputs(rows, train, code, columns)
    golden = rows.iloc[evenly(len(rows), GOLDEN_ROWS)]
    del rows  # millions of rows need not be held twice
    refuse_empty(train, columns)
    judge = metrics_code()
    results = search(train, params, code, judge)
    chosen = next(result for result in results if result.chosen).setting
    print_best(results, params.gates.primary)
    threshold = threshold_of(chosen, train, params, code, judge)
    description = describe(train, results, params, code) | inputs | {"threshold": threshold}
    if params.model.workers:
        pipeline = fit_on_workers(chosen, train, paths.TRAIN, params, code)
    else:
        ready, target = code.inputs(train, columns.kinds), labels(train, columns, params.task)
        del train
        pipeline = fit(chosen, ready, target, params, code)
    card = {**description, **describe_classes(pipeline, params)}
    save_model(paths.CHALLENGER, Model(pipeline, card, code), golden)
    save_trained_rows(paths.CHALLENGER, remembered(column(paths.TRAIN, columns.id)))
    by = f" by {params.model.workers} workers" if params.model.workers else ""
    print(f"trained {chosen.estimator.rpartition('.')[2]} on {description['training']['rows']:,} rows{by}")


def print_best(results: list[SearchResult], primary: str) -> None:
    """The best of the candidates with their mean scores, where there was a choice."""
    if len(results) == 1:
        return
    sign = 1 if higher_is_better(primary) else -1
    defined = sorted((result for result in results if result.mean is not None), key=lambda one: -(one.mean or 0.0))
    print(f"{primary} of {len(results)} candidates, the mean of {len(results[0].scores)} folds:")
    for result in defined[:MAX_PRINTED]:
        name = result.setting.estimator.rpartition(".")[2]
        values = ", ".join(f"{key} = {value}" for key, value in result.setting.params.items())
        mark = "  chosen" if result.chosen else ""
        print(f"  {sign * (result.mean or 0.0):.4f}  {name} {values}".rstrip() + mark)


def refuse_empty(train: pd.DataFrame, columns: Columns) -> None:
    """Raise ProjectError when a feature has no value at all."""
    empty = [name for name in columns.features if train[name].isna().all()]
    if empty:
        raise ProjectError(f"{', '.join(empty)}: no value in any training row; leave it out of {paths.PARAMS}")


def fit(setting: Setting, ready: pd.DataFrame, target: NDArray[Any], params: Params, code: ModelCode) -> Pipeline:
    """The setting, fitted on all training rows with the number of threads that the recipe names."""
    threads = params.model.threads
    pipeline = build(code, setting.estimator, setting.params, params.columns.kinds, params.model.seed, threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # else scikit-learn takes no more than there are cores
    with threadpool_limits(threads):
        fit_pipeline(pipeline, setting.estimator, setting.params, ready, target, params.task)
    return pipeline


def describe(train: pd.DataFrame, results: list[SearchResult], params: Params, code: ModelCode) -> dict[str, Any]:
    """The card of the model, as far as its inputs tell: what it is, what it was trained on, how that looked."""
    columns = params.columns
    chosen = next(result for result in results if result.chosen).setting
    times = pd.concat(column(paths.TRAIN, columns.time)) if columns.time else None
    target = train[columns.target]
    return {
        "task": params.task,
        "target": columns.target,
        "features": columns.kinds,
        "training": {"rows": number_of_rows(paths.TRAIN), **window(times), "digest": file_digest(paths.TRAIN)},
        "estimator": chosen.estimator,
        "params": chosen.params,
        "seed": params.model.seed,
        "threads": params.model.threads,
        **({"workers": params.model.workers} if params.model.workers else {}),
        "search": [
            {
                "estimator": result.setting.estimator,
                "params": result.setting.params,
                "scores": result.scores,
                "mean": result.mean,
                "chosen": result.chosen,
            }
            for result in results
        ],
        "versions": versions(chosen.estimator, code),
        "profile": {
            **{name: profile(train[name]) for name in columns.features},
            columns.target: profile(target if params.task == "regression" else target.astype("str")),
        },
    }


def describe_classes(pipeline: Pipeline, params: Params) -> dict[str, Any]:
    """The classes in the order of their probabilities and, of two, the positive one; None where there are none.

    Raises ProjectError when `columns.positive` names no class.
    """
    if params.task == "regression":
        return {"classes": None, "positive": None}
    classes = [name.item() if isinstance(name, np.generic) else name for name in pipeline.classes_]
    if len(classes) != 2:
        return {"classes": classes, "positive": None}
    positive = classes[-1] if params.columns.positive is None else params.columns.positive
    if positive not in classes:
        raise ProjectError(f"columns.positive is {positive!r}, but the classes are {classes}: name one of them")
    return {"classes": classes, "positive": positive}


def profile(column: pd.Series) -> dict[str, Any]:
    """How a column is distributed: the share missing, with 21 quantiles or the shares of the commonest values."""
    missing = round(float(column.isna().mean()), 9)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        present = column.dropna().to_numpy("float64")
        quantiles = [float(value) for value in np.quantile(present, QUANTILES)] if len(present) else []
        return {"missing": missing, "quantiles": quantiles}
    if pd.api.types.is_datetime64_any_dtype(column):
        quantiles_of_time = column.dropna().quantile(QUANTILES.tolist()) if missing < 1 else []
        return {"missing": missing, "quantiles": [moment.isoformat() for moment in quantiles_of_time]}
    shares = column.astype("str").where(column.notna()).value_counts(normalize=True).sort_index()
    commonest = shares.sort_values(ascending=False, kind="stable").head(MAX_CATEGORIES)
    frequencies = {str(name): round(float(share), 9) for name, share in commonest.items()}
    return {"missing": missing, "frequencies": frequencies, "categories": len(shares)}


if __name__ == "__main__":
    run_stage(main)
