"""The stage `train`: search the candidates, fit the best on all training rows, write the challenger."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from .. import paths
from ..errors import ProjectError
from ..params import Params, load_params
from ..stage import run_stage
from .artifact import GOLDEN_ROWS, Model, save_model, versions
from .pipeline import build, inputs, labels
from .search import Result, Setting, search

QUANTILES = np.linspace(0, 1, 21)
MOST_CATEGORIES = 50


def main() -> None:
    """Train from `data/split/train.parquet` into `models/challenger`."""
    params = load_params()
    columns = params.columns
    needed = dict.fromkeys([columns.id, columns.target, *columns.features, *([columns.time] if columns.time else [])])
    train = pd.read_parquet(paths.TRAIN, columns=list(needed))
    results = search(train, params)
    chosen = next(result for result in results if result.chosen).setting
    pipeline = fit(chosen, train, params)
    model = Model(pipeline, card(pipeline, chosen, results, train, params))
    golden = train.iloc[np.linspace(0, len(train) - 1, min(GOLDEN_ROWS, len(train))).astype(int)]
    save_model(paths.CHALLENGER, model, golden, train[columns.id])
    print(f"trained {chosen.estimator.rpartition('.')[2]} on {len(train):,} rows")


def fit(setting: Setting, train: pd.DataFrame, params: Params) -> Pipeline:
    """The setting, fitted on all training rows with the number of threads that the recipe names."""
    pipeline = build(setting.estimator, setting.params, params.columns.kinds, params.model.seed)
    os.environ["OMP_NUM_THREADS"] = str(params.model.threads)  # else scikit-learn takes no more than there are cores
    with threadpool_limits(params.model.threads):
        try:
            return pipeline.fit(inputs(train, params.columns.kinds), labels(train, params.columns, params.task))
        except ValueError as error:
            raise ProjectError(
                f"model.candidates: {setting.estimator} with {setting.params}: {str(error).splitlines()[0]}"
            ) from None


def card(
    pipeline: Pipeline, chosen: Setting, results: list[Result], train: pd.DataFrame, params: Params
) -> dict[str, Any]:
    """What is worth knowing of the model, as far as its inputs determine it."""
    columns = params.columns
    classes = None if params.task == "regression" else [plain(name) for name in pipeline.classes_]
    positive = columns.positive
    if classes and len(classes) == 2:
        positive = classes[-1] if positive is None else positive
        if positive not in classes:
            raise ProjectError(f"columns.positive is {positive!r}, but the classes are {classes}: name one of them")
    times = train[columns.time] if columns.time else None
    return {
        "task": params.task,
        "target": columns.target,
        "classes": classes,
        "positive": positive if classes and len(classes) == 2 else None,
        "features": columns.kinds,
        "training": {
            "rows": len(train),
            "first": None if times is None else times.min().isoformat(),
            "last": None if times is None else times.max().isoformat(),
            "digest": digest(paths.TRAIN),
        },
        "estimator": chosen.estimator,
        "params": chosen.params,
        "seed": params.model.seed,
        "threads": params.model.threads,
        "search": [
            {
                "estimator": result.setting.estimator,
                "params": result.setting.params,
                "scores": result.scores,
                "mean": float(np.mean(result.scores)) if result.scores else None,
                "chosen": result.chosen,
            }
            for result in results
        ],
        "versions": versions(chosen.estimator),
        "profile": {
            **{name: profile(train[name]) for name in columns.features},
            columns.target: profile(train[columns.target].astype("str") if classes else train[columns.target]),
        },
    }


def profile(column: pd.Series) -> dict[str, Any]:
    """How a column is distributed: the share missing, with 21 quantiles or the shares of the commonest values."""
    missing = round(float(column.isna().mean()), 9)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        known = column.dropna().to_numpy("float64")
        quantiles = [float(value) for value in np.quantile(known, QUANTILES)] if len(known) else []
        return {"missing": missing, "quantiles": quantiles}
    if pd.api.types.is_datetime64_any_dtype(column):
        quantiles_of_time = column.dropna().quantile(QUANTILES.tolist()) if missing < 1 else []
        return {"missing": missing, "quantiles": [moment.isoformat() for moment in quantiles_of_time]}
    shares = column.astype("str").where(column.notna()).value_counts(normalize=True).sort_index()
    commonest = shares.sort_values(ascending=False, kind="stable").head(MOST_CATEGORIES)
    frequencies = {str(name): round(float(share), 9) for name, share in commonest.items()}
    return {"missing": missing, "frequencies": frequencies, "categories": len(shares)}


def digest(path: Path) -> str:
    """MD5 of a file, as DVC names it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def plain(value: Any) -> Any:
    """A NumPy scalar as the Python value that JSON holds."""
    return value.item() if isinstance(value, np.generic) else value


if __name__ == "__main__":
    run_stage(main)
