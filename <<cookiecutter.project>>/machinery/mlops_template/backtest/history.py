"""The rows that are replayed, in order of time, in one file that every process maps into its memory."""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import ipc

from .. import training
from ..data import partitions, sample
from ..data.contract import Contract, check, conform, refuse_gaps
from ..data.sources import NOTHING_HELD, fresh, numbered_anew, together
from ..errors import ProjectError
from ..owner.modules import own_code
from ..settings import paths
from ..settings.params import Params
from ..training.artifact import versions
from ..training.features import with_features
from ..training.metrics import metrics_code
from ..training.pipeline import labels, training_code
from ..training.scored import Kind

Array = NDArray[Any]

ROWS_FILE = "rows.arrow"

BATCH = 100_000

KEPT = 3
"""Backtests whose trained models are kept; older ones make room."""


@dataclass(frozen=True)
class History:
    """Where the rows lie, and what must be known of all of them at once: their moments and their truth."""

    folder: Path
    times: Array
    """(n,) moments, rising."""
    kind: Kind
    truth: Array
    """(n,) as in `Scored`."""
    classes: list[Any] | None
    """All that occur, None for regression."""
    positive: Any

    def before(self, moment: pd.Timestamp) -> int:
        """How many rows are older than a moment."""
        return int(np.searchsorted(self.times, np.datetime64(moment), side="left"))

    def frame(self, start: int, stop: int, columns: list[str]) -> pd.DataFrame:
        """Some columns of the rows [start, stop)."""
        frame: pd.DataFrame = opened(self.folder / ROWS_FILE).select(columns).slice(start, stop - start).to_pandas()
        return frame


def opened(file: Path) -> pa.Table:
    """The rows, mapped: what is not touched costs no memory."""
    return ipc.open_file(pa.memory_map(str(file))).read_all()


def history(params: Params, contract: Contract, whole: bool) -> History:
    """The rows held or, if `whole`, all that the source has, sorted and laid down under `.dvc/tmp`.

    The folder is named after all that the trained models depend on, so what is found in it can be used again.
    Raises ProjectError when there is no time column.
    """
    time = params.columns.time
    if time is None:
        raise ProjectError(
            "a backtest needs to know when a row came to be: set columns.time in params.yaml, or `adopt` with --time"
        )
    refuse_gaps(params.columns, contract)
    table = with_derived(source_rows(params, contract) if whole else partitions.table(), params)
    if not pa.types.is_timestamp(table.schema.field(time).type) or table[time].null_count:
        raise ProjectError(f"columns.time: {time} must be a moment in every row for a backtest, see contract.yaml")
    table = table.sort_by([(time, "ascending"), (params.columns.id, "ascending")])
    folder = lay_down(table, params)
    del table
    mapped = opened(folder / ROWS_FILE)
    times = mapped[time].to_numpy().astype("datetime64[us]")
    target = labels(mapped.select([params.columns.target]).to_pandas(), params.columns, params.task)
    if params.task == "regression":
        return History(folder, times, "regression", target, None, None)
    classes = [name.item() if isinstance(name, np.generic) else name for name in np.unique(target)]
    positive = classes[-1] if params.columns.positive is None else params.columns.positive
    if positive not in classes:
        raise ProjectError(f"columns.positive is {positive!r}, but the classes are {classes}: name one of them")
    if len(classes) == 2:
        return History(folder, times, "binary", (target == positive).astype("int64"), classes, positive)
    return History(folder, times, "multiclass", pd.Index(classes).get_indexer(pd.Index(target)), classes, None)


def needed(params: Params) -> list[str]:
    """The columns that a backtest looks at."""
    columns = params.columns
    names = [columns.id, str(columns.time), columns.target, *columns.features, *params.evaluate.slices]
    return list(dict.fromkeys(names))


def with_derived(table: pa.Table, params: Params) -> pa.Table:
    """The columns that a backtest looks at, those of features.py among them."""
    names = needed(params)
    rows = with_features(table.to_pandas(split_blocks=True), own_code("features"), params.columns)
    unknown = [name for name in names if name not in rows]
    if unknown:
        raise ProjectError(
            f"neither the data nor features.py has {', '.join(unknown)}: correct the name in params.yaml"
        )
    return pa.Table.from_pandas(rows[names], preserve_index=False)


def source_rows(params: Params, contract: Contract) -> pa.Table:
    """All that the source has, if it keeps the contract. Nothing is taken in."""
    if params.data.source == "sample":
        rows = sample.year(params.columns.target)
    else:
        rows = numbered_anew(together(list(fresh(params, contract, NOTHING_HELD)), contract).rows)
    rows = conform(rows, contract)
    violations = check(rows, contract, params.columns.id)
    if violations:
        first = violations[0]
        raise ProjectError(
            f"the source breaks contract.yaml: {first.column} {first.rule} ({first.rows:,} rows): fix the source "
            "or the rule, or leave out --all to replay the rows held"
        )
    return pa.Table.from_pandas(rows, preserve_index=False)


def lay_down(table: pa.Table, params: Params) -> Path:
    """Write the rows into the folder of this backtest and return it; forget the oldest of the others."""
    paths.BACKTEST.mkdir(parents=True, exist_ok=True)
    scratch = paths.BACKTEST / f"rows-{os.getpid()}"
    try:
        with ipc.new_file(str(scratch), table.schema) as writer:
            writer.write_table(table, max_chunksize=BATCH)
        with scratch.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        folder = paths.BACKTEST / recipe(content, params)
        folder.mkdir(exist_ok=True)
        scratch.replace(folder / ROWS_FILE)
    finally:
        scratch.unlink(missing_ok=True)
    os.utime(folder)
    others = sorted((path for path in paths.BACKTEST.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for old in others[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return folder


def recipe(content: str, params: Params) -> str:
    """Digest of all that a trained model depends on but its rows' numbers: data, settings, code, libraries."""
    settings = params.model_dump(mode="json", include={"task", "columns", "model"})
    sources = sorted([*Path(training.__file__).parent.glob("*.py"), Path(__file__).with_name("trainings.py")])
    code = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sources]
    models = training_code(params)
    libraries = [versions(candidate.estimator, models) for candidate in params.model.candidates]
    everything = [
        content,
        settings,
        params.gates.primary,
        code,
        models.package,
        metrics_code().package,
        libraries,
    ]
    return hashlib.sha256(json.dumps(everything, default=str).encode()).hexdigest()[:16]
