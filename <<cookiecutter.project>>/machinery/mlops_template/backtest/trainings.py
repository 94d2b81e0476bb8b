"""The trainings of a backtest, each on its own: on the local cores or a Dask cluster, kept as they come."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from ..console.progress import progress
from ..serving.model_code import ModelCode
from ..settings.params import Params
from ..training.cluster import address_of_cluster, cluster
from ..training.metrics import metrics_code
from ..training.pipeline import labels, training_code
from ..training.scored import Scored
from ..training.search import search
from ..training.threshold import threshold_of
from ..training.train import fit
from .history import ROWS_FILE, Array, History, needed, opened

CHUNK = 200_000
"""Rows that are predicted at a time."""


@dataclass(frozen=True)
class Cell:
    """A training on rows [start, stop), with the predictions for rows [stop, end)."""

    start: int
    stop: int
    end: int


@dataclass(frozen=True)
class CellResult:
    """What came out of a cell, and how many seconds the search and the fit took."""

    pipeline: Pipeline
    predictions: Array
    seconds: float
    threshold: float | None


def train_all(cells: list[Cell], history: History, params: Params) -> None:
    """Train what is not kept from before. Interrupted, it goes on where it stopped.

    As many processes as the cores hold at `model.threads` each; on a cluster, all its workers.
    """
    missing = [cell for cell in cells if not kept(history.folder, cell)]
    if len(missing) < len(cells):
        print(f"{len(cells) - len(missing)} of {len(cells)} trainings are kept from before")
    if not missing:
        return
    missing.sort(key=lambda cell: cell.start - cell.stop)  # the longest first, so that none is left over at the end
    with cluster():
        remote = address_of_cluster() is not None
        file = history.folder / ROWS_FILE
        rows = opened(file) if remote else file.absolute()
        jobs = -1 if remote else max(1, joblib.cpu_count() // params.model.threads)
        run = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
        code, judge = training_code(params), metrics_code()
        asked = (
            joblib.delayed(train)(cell, rows, params, code, judge, history.classes, history.positive)
            for cell in missing
        )
        for cell, trained in progress(run(asked), len(missing), "retraining"):
            keep(history.folder, cell, trained)


def train(
    cell: Cell,
    source: Path | pa.Table,
    params: Params,
    code: ModelCode,
    judge: ModelCode,
    classes: list[Any] | None,
    positive: Any,
) -> tuple[Cell, CellResult]:
    """Search and fit as the stage `train` does, then predict the rows that follow."""
    # Else scikit-learn would hand parts of a fit back to the cluster, which meanwhile gives this worker another cell.
    with joblib.parallel_config("threading", n_jobs=params.model.threads):
        table = opened(source) if isinstance(source, Path) else source
        rows = table.slice(cell.start, cell.stop - cell.start).to_pandas()
        began = time.perf_counter()
        chosen = next(result for result in search(rows, params, code, judge, alone=True) if result.chosen).setting
        threshold = threshold_of(chosen, rows, params, code, judge)
        ready, target = code.inputs(rows, params.columns.kinds), labels(rows, params.columns, params.task)
        del rows
        pipeline = fit(chosen, ready, target, params, code)
        seconds = time.perf_counter() - began
        del ready, target
        predictions = predict(pipeline, table, cell.stop, cell.end, params, code, classes, positive)
    return cell, CellResult(pipeline, predictions, seconds, threshold)


def predict(
    pipeline: Pipeline,
    table: pa.Table,
    start: int,
    stop: int,
    params: Params,
    code: ModelCode,
    classes: list[Any] | None,
    positive: Any,
) -> Array:
    """What a model says of rows [start, stop), in the form of `Scored`; a class unknown to it gets 0."""
    kinds, parts = params.columns.kinds, []
    with threadpool_limits(params.model.threads):
        for first in range(start, stop, CHUNK):
            ready = code.inputs(table.slice(first, min(CHUNK, stop - first)).to_pandas(), kinds)
            if classes is None:
                parts.append(np.asarray(pipeline.predict(ready), dtype="float64"))
                continue
            given = np.zeros((len(ready), len(classes)))
            given[:, pd.Index(classes).get_indexer(pd.Index(pipeline.classes_))] = pipeline.predict_proba(ready)
            parts.append(given[:, classes.index(positive)] if len(classes) == 2 else given)
    shape = (0, len(classes)) if classes and len(classes) > 2 else (0,)
    return np.concatenate(parts) if parts else np.empty(shape)


def name(folder: Path, cell: Cell) -> Path:
    """Where a cell is kept, without the ending of a file."""
    return folder / f"{cell.start}-{cell.stop}"


def kept(folder: Path, cell: Cell) -> bool:
    """Whether a cell is there as a whole: its card is written last."""
    return name(folder, cell).with_suffix(".json").exists()


def keep(folder: Path, cell: Cell, trained: CellResult) -> None:
    """Write a cell; whatever happens meanwhile, it is there as a whole or not at all."""
    place = name(folder, cell)
    joblib.dump(trained.pipeline, place.with_suffix(".joblib"), compress=("zlib", 3))
    np.save(place.with_suffix(".npy"), trained.predictions)
    scratch = place.with_suffix(".part")
    scratch.write_text(
        json.dumps({"seconds": round(trained.seconds, 3), "threshold": trained.threshold}), encoding="utf-8"
    )
    scratch.replace(place.with_suffix(".json"))


def seconds(history: History, cell: Cell) -> float:
    """How long a cell's training took."""
    card = json.loads(name(history.folder, cell).with_suffix(".json").read_text(encoding="utf-8"))
    return float(card["seconds"])


def threshold(history: History, cell: Cell) -> float:
    """Above which probability a cell's model decides for the positive class; a half where there are not two classes."""
    card = json.loads(name(history.folder, cell).with_suffix(".json").read_text(encoding="utf-8"))
    return 0.5 if card["threshold"] is None else float(card["threshold"])


def scored(history: History, params: Params, cell: Cell, start: int, stop: int) -> Scored:
    """A cell's predictions for rows [start, stop) beside the truth; those that were not foreseen are asked for now."""
    place = name(history.folder, cell)
    stored = np.load(place.with_suffix(".npy"), mmap_mode="r")
    end = cell.stop + len(stored)
    parts = [stored[start - cell.stop : stop - cell.stop]]
    if stop > end:
        code = training_code(params).register()  # the folder is named after it: what is kept was trained with it
        pipeline, table = joblib.load(place.with_suffix(".joblib")), opened(history.folder / ROWS_FILE)
        parts.append(predict(pipeline, table, max(start, end), stop, params, code, history.classes, history.positive))
    rows = history.frame(start, stop, needed(params))
    return Scored(history.kind, history.truth[start:stop], np.concatenate(parts), threshold(history, cell), rows)
