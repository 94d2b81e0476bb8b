"""Predictions for files of any size: batch by batch in this process, or part by part on a Dask cluster."""

import os
import re
import tempfile
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import pandas as pd

from ..console.progress import progress
from ..data.contract import Contract
from ..data.source_files import expand
from ..data.sources import GENERATED_ID
from ..errors import ProjectError, first_line
from ..evaluation.convert import Session, Unfit, feeds, load, predict
from ..evaluation.export import export
from ..serving.runtime import decide
from ..settings.params import Params
from ..settings.paths import CONTRACT
from ..training.artifact import Model, load_model
from ..training.cluster import address_of_cluster, cluster
from .stream import Part, batches, parts_of

if TYPE_CHECKING:
    import pyarrow as pa

FILE, ROW = "file", "row"
"""The columns that say where a row without an id stood."""

WORTH_CONVERTING = 50_000
"""Rows in a batch from which on converting the model to ONNX takes less time than it saves."""

Write = Callable[[pd.DataFrame], None]


@dataclass(frozen=True)
class Scorer:
    """A model, or its ONNX form where that predicts alike, and what it takes from a file."""

    model: Model
    contract: Contract
    others: list[str]
    """Columns that are written beside the predictions: the id. Where the table has none, the number of the row."""
    onnx: bytes | None = None
    threads: int = 1
    """Of ONNX Runtime."""
    named: bool = False
    """Whether the file stands beside the number of a row, since those of several are written together."""

    @property
    def features(self) -> list[str]:
        """The columns that a row needs."""
        return list(self.model.request)

    @property
    def names(self) -> list[str]:
        """What the predictions are called, as in `Model.predict`."""
        classes = self.model.classes
        return ["prediction"] if classes is None else [f"probability_{name}" for name in classes]

    def rows(self, part: Part) -> Iterator[pd.DataFrame]:
        """The rows of a part, batch by batch."""
        return batches(part, self.features, self.others, self.contract)

    def predictions(self, rows: pd.DataFrame, file: str) -> pd.DataFrame:
        """The id of each row, as it came, or its place; and what the model predicts."""
        predicted = self.predict(rows) if len(rows) else self.none()[self.names]
        decision = decide(self.model.card)
        if decision and len(rows):
            predicted = predicted.assign(prediction=decision(predicted.to_numpy()))
        elif decision:
            predicted = self.none()[[*self.names, "prediction"]]
        beside = rows[self.others].copy()
        if self.named:
            beside[FILE] = file
        if not self.others:
            beside[ROW] = rows.index
        return pd.concat([beside, predicted], axis="columns")

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """What the model predicts: by ONNX Runtime, unless that takes no such rows."""
        if self.onnx is not None:
            try:
                ready = feeds(self.model.inputs(rows), self.model.kinds)
                predicted = predict(session(self.onnx, self.threads), ready)
                return pd.DataFrame(predicted.astype("float64"), rows.index, self.names)
            except Unfit as reason:
                print(f"scikit-learn predicts some rows: {reason}", flush=True)
        return self.model.predict(rows)

    def none(self) -> pd.DataFrame:
        """The predictions for no row."""
        texts = {name: pd.Series(dtype="str") for name in (self.others or [FILE] * self.named)}
        places = {} if self.others else {ROW: pd.Series(dtype="int64")}
        numbers = {name: pd.Series(dtype="float64") for name in self.names}
        classes = self.model.classes
        decided = {"prediction": pd.Series(classes).head(0)} if classes else {}
        return pd.DataFrame(texts | places | numbers | decided)


@dataclass(frozen=True)
class ScoreSummary:
    """What was written."""

    rows: int
    out: list[str]
    onnx: bool

    def __str__(self) -> str:
        by = "ONNX Runtime" if self.onnx else "scikit-learn"
        named = ", ".join(self.out[:3]) + (f" and {len(self.out) - 3} more" if len(self.out) > 3 else "")
        return f"{self.rows:,} rows predicted by {by}: {named}"


def score(params: Params, contract: Contract, champion: Path, source: str, out: str) -> ScoreSummary:
    """Write the champion's predictions for what `source` names: a Parquet or CSV file, a glob or a URL.

    All go into one file where `out` ends with .parquet, .pq or .csv, else one for each into that directory; a file is
    there whole or not at all. Raises ProjectError when a file cannot be read, lacks a column or breaks a type.
    """
    others = [] if params.columns.id == GENERATED_ID else [params.columns.id]
    scorer = Scorer(load_model(champion), contract, others)
    unruled = [name for name in scorer.features if name not in contract.columns]
    if unruled:
        raise ProjectError(f"{CONTRACT} has no {', '.join(unruled)}, which the champion takes: write its rule there")
    targets = targets_of(files_of(source), out)
    scorer = replace(scorer, named=not others and any(len(taken) > 1 for taken in targets.values()))
    columns = [*others, *scorer.features]
    parts = {target: [part for file in taken for part in parts_of(file, columns)] for target, taken in targets.items()}
    scorer = faster(scorer, [part for one in parts.values() for part in one], params)
    return ScoreSummary(sum(write_all(scorer, parts)), list(targets), scorer.onnx is not None)


def files_of(source: str) -> list[str]:
    """The files that a path, a glob or a URL names."""
    try:
        files = [here(file) for file in expand([source])]
    except ProjectError as error:
        raise ProjectError(str(error).removeprefix("data.files: ")) from None
    if not files:
        raise ProjectError(f"no file matches {source}: name a Parquet or CSV file, a glob or a URL")
    return files


def targets_of(files: list[str], out: str) -> dict[str, list[str]]:
    """What is to be written, and the files whose predictions go into each.

    Raises ProjectError on a clash of names, and when the place of one is that of a file read, or of a folder.
    """
    out = here(out)
    if out.endswith((".parquet", ".pq", ".csv")):
        targets = {out: files}
    elif re.search(r"\.[A-Za-z][A-Za-z0-9]+$", out) and not Path(out).is_dir():
        raise ProjectError(f"{out}: predictions are written as .parquet or .csv, or into a folder: `{out}/`")
    else:
        targets = {}
        for file in files:
            name = Path(file.partition("?")[0]).name.split(".")[0]
            targets.setdefault(f"{out.rstrip('/')}/{name}.parquet", []).append(file)
        same = next((taken for taken in targets.values() if len(taken) > 1), None)
        if same:
            raise ProjectError(f"{' and '.join(same)} have the same name: score them one by one, or into one file")
    taken = {place(file) for file in files}
    for target in targets:
        if place(target) in taken:
            raise ProjectError(f"{target} would be overwritten by the predictions for it: name another place")
        if Path(target).is_dir():
            raise ProjectError(f"{target} is a folder: name another place")
        above = next((folder for folder in Path(target).parents if folder.is_file()), None)
        if above:
            raise ProjectError(f"{target}: {above} is a file, not a folder: name another place")
    return targets


def here(name: str) -> str:
    """The path of a `file://` URL; other places as they are."""
    from fsspec.core import strip_protocol

    return str(strip_protocol(name)) if name.startswith(("file://", "local://")) else name


def place(name: str) -> Hashable:
    """What is the same for all names of one file, whether links, relative paths or spellings of a URL."""
    from fsspec.core import OpenFile, url_to_fs

    if "://" in name:
        with named(name):
            name = here(OpenFile(*url_to_fs(name)).full_name)
    try:
        status = Path(name).stat()
    except OSError:  # it is on another machine, or not there yet
        return name
    return status.st_dev, status.st_ino


def faster(scorer: Scorer, parts: list[Part], params: Params) -> Scorer:
    """With the model's ONNX form, where there are rows enough for that to pay and it predicts the first ones alike."""
    first = next(scorer.rows(parts[0]), None) if parts else None
    if first is None or len(first) < WORTH_CONVERTING:
        return scorer
    threads = 1 if address_of_cluster() else joblib.cpu_count()  # a worker has its share of a machine
    return replace(scorer, onnx=export(scorer.model, first, params.serving.parity).onnx, threads=threads)


def write_all(scorer: Scorer, parts: dict[str, list[Part]]) -> Iterator[int]:
    """Write every target, and tell how many rows each batch has."""
    flat = [(target, part) for target, taken in parts.items() for part in taken]
    on_cluster = bool(address_of_cluster())
    stream = by_workers(scorer, flat) if on_cluster else one_by_one(scorer, flat)
    steps = len(flat) if on_cluster else sum(part.steps for _, part in flat)
    scored = progress(stream, steps, "scoring")
    waiting = next(scored, None)
    for target in parts:
        with writing(target, scorer.none()) as write:
            while waiting is not None and waiting[0] == target:
                write(waiting[1])
                yield len(waiting[1])
                waiting = next(scored, None)


def one_by_one(scorer: Scorer, parts: list[tuple[str, Part]]) -> Iterator[tuple[str, pd.DataFrame]]:
    """The predictions batch by batch, each with the target it goes to."""
    for target, part in parts:
        for rows in scorer.rows(part):
            yield target, scorer.predictions(rows, part.path)


def by_workers(scorer: Scorer, parts: list[tuple[str, Part]]) -> Iterator[tuple[str, pd.DataFrame]]:
    """The predictions part by part, in the order of the parts, from the workers of the Dask cluster.

    They have to reach the files by the same names: a shared folder, or URLs.
    """
    with cluster():
        run = joblib.Parallel(n_jobs=-1, return_as="generator")
        predicted = run(joblib.delayed(score_part)(scorer, part) for _, part in parts)
        yield from zip([target for target, _ in parts], predicted, strict=True)


def score_part(scorer: Scorer, part: Part) -> pd.DataFrame:
    """The predictions for a part as a whole."""
    return pd.concat([part_predictions for _, part_predictions in one_by_one(scorer, [("", part)])] or [scorer.none()])


@lru_cache(maxsize=1)
def session(onnx: bytes, threads: int) -> Session:
    """The ONNX model, loaded once in a process."""
    return load(onnx, threads)


@contextmanager
def writing(target: str, none: pd.DataFrame) -> Iterator[Write]:
    """A function that adds predictions to a file, which is there only when all is well; `none` has its columns."""
    import fsspec
    import pyarrow as pa
    from pyarrow import csv, parquet

    remote = "://" in target
    folder = Path(tempfile.gettempdir()) if remote else Path(target).parent
    fresh = folder / f".{Path(target).name}.{os.getpid()}.new"
    writers: list[Any] = []
    with named(target):
        folder.mkdir(parents=True, exist_ok=True)
        fresh.touch()

    def write(predictions: pd.DataFrame) -> None:
        table = pa.Table.from_pandas(predictions, preserve_index=False).replace_schema_metadata()
        with named(target):
            if not writers:
                kind = csv.CSVWriter if target.endswith(".csv") else parquet.ParquetWriter
                writers.append((kind(str(fresh), table.schema), table.schema))
            writer, schema = writers[0]
            writer.write_table(alike(table, schema, target))

    try:
        yield write
        if not writers:
            write(none)
        with named(target):
            writers.pop()[0].close()
            if remote:
                fsspec.get_fs_token_paths(target)[0].put(str(fresh), target)
            else:
                fresh.replace(target)
    finally:
        for writer, _ in writers:
            with suppress(OSError):  # the disk is full, as was said
                writer.close()
        fresh.unlink(missing_ok=True)


def alike(table: "pa.Table", schema: "pa.Schema", target: str) -> "pa.Table":
    """The table with the types of those before it. Raises ProjectError where its ids have no such type."""
    import pyarrow as pa

    try:
        return table.cast(schema)
    except pa.ArrowException:
        before, now = next((one, other) for one, other in zip(schema, table.schema, strict=True) if one != other)
        raise ProjectError(
            f"{target}: {now.name} is {before.type} in some files and {now.type} in others: "
            "name a folder, for one file each"
        ) from None


@contextmanager
def named(target: str) -> Iterator[None]:
    """Raise ProjectError, which names the target, when it cannot be written."""
    try:
        yield
    except ProjectError:
        raise
    except ImportError as error:
        raise ProjectError(f"{target} cannot be written ({error}): add its library with `uv add`") from None
    except Exception as error:  # every kind of storage has its own
        reason = getattr(error, "strerror", None) or first_line(error)
        raise ProjectError(f"{target} cannot be written ({reason}): name another place") from None
