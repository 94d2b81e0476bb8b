"""The rows held: dated Parquet files in `data/raw`, only ever added to."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import ProjectError
from ..settings.paths import RAW

HALF_WRITTEN = ".incoming"
"""Prefix of a folder in the making, beside the partitions' directory; a crash leaves no more than that."""

ROWS = 500_000
"""A partition has no more, but where more rows are of one moment: what is held in memory at a time."""


Moments = NDArray[np.int64]
"""Moments as numbers, by which they are ordered and compared."""


@dataclass(frozen=True)
class Span:
    """The first and the last moment of some rows, None where there is none, and how many rows have one."""

    first: pd.Timestamp | None
    last: pd.Timestamp | None
    rows: int


def files() -> list[Path]:
    """The partitions, oldest first."""
    return sorted(RAW.glob("*.parquet"))


def read(columns: list[str] | None = None, only: list[Path] | None = None) -> pd.DataFrame:
    """All rows of all (or only these) partitions, in the order in which they came; `columns` of them."""
    frame: pd.DataFrame = table(columns, only).to_pandas(split_blocks=True, self_destruct=True)
    return frame


def table(columns: list[str] | None = None, only: list[Path] | None = None) -> pa.Table:
    """What `read` gives, as an Arrow table, which takes half the memory."""
    parts = held() if only is None else only
    with readable():
        tables = [pq.read_table(part, columns=columns) for part in parts]
        return pa.concat_tables(tables, promote_options="permissive")


def schema() -> pa.Schema:
    """The columns of all partitions, with types that hold the values of each."""
    parts = held()
    with readable():
        return pa.unify_schemas([pq.read_schema(part) for part in parts], promote_options="permissive")


def span(part: Path, time_column: str) -> Span:
    """The moments of a partition, by the statistics that the file keeps of itself."""
    with readable():
        metadata = pq.read_metadata(part)
        place = metadata.schema.to_arrow_schema().get_field_index(time_column)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        kept = [group.column(place).statistics for group in groups if group.num_rows]
        if any(one is None or (one.num_values and not one.has_min_max) for one in kept):
            return span_of(read([time_column], [part])[time_column])
    known = [one for one in kept if one.num_values]
    if not known:
        return Span(None, None, 0)
    first, last = min(one.min for one in known), max(one.max for one in known)
    return Span(pd.Timestamp(first), pd.Timestamp(last), sum(one.num_values for one in known))


def span_of(moments: "pd.Series[pd.Timestamp]") -> Span:
    """The same of moments at hand."""
    known = moments.dropna()
    return Span(known.min(), known.max(), len(known)) if len(known) else Span(None, None, 0)


def newest(time_column: str | None) -> pd.Timestamp | None:
    """The latest moment held, None where there is no data or no time column."""
    if time_column is None:
        return None
    latest = (span(part, time_column).last for part in files())
    return max((moment for moment in latest if moment is not None), default=None)


def held() -> list[Path]:
    """The partitions. Raises ProjectError where there is none."""
    parts = files()
    if not parts:
        raise ProjectError(f"{RAW} holds no data: `ingest` brings it, `pull` fetches what this commit points to")
    return parts


@contextmanager
def readable() -> Iterator[None]:
    """Raise ProjectError where a partition cannot be read."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ProjectError(f"{RAW} is damaged ({str(error).splitlines()[0]}): delete it and `pull`") from None


def add(rows: pd.DataFrame, time_column: str | None) -> list[Path]:
    """Write rows, which are in order of time, as new partitions and return their paths; see `add_all`."""
    sweep()
    return add_all(cut(rows, time_column), time_column)


def add_all(parts: Iterable[pd.DataFrame], time_column: str | None) -> list[Path]:
    """Write each part, the oldest first, as a new partition and return their paths: all or, on any failure, none.

    A machine that fails while they are put in place leaves the older ones, of which the next `ingest` goes on.
    """
    new: list[Path] = []
    with scratch() as folder:
        for part in parts:
            path = RAW / f"{name_of(part, time_column, [*files(), *new])}.parquet"
            with (folder / path.name).open("wb") as file:
                pq.write_table(pa.Table.from_pandas(part, preserve_index=False), file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            new.append(path)
        try:
            RAW.mkdir(exist_ok=True)
            for path in new:
                (folder / path.name).replace(path)
        except BaseException:
            for path in new:
                path.unlink(missing_ok=True)
            raise
    return new


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the disk of the partitions, for the time of a block."""
    RAW.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=RAW.parent, prefix=f"{HALF_WRITTEN}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove what a crash left behind."""
    for folder in RAW.parent.glob(f"{HALF_WRITTEN}-*"):
        shutil.rmtree(folder, ignore_errors=True)


def cut(rows: pd.DataFrame, time_column: str | None) -> Iterator[pd.DataFrame]:
    """Rows in order of time in pieces of `ROWS`, those of one moment together; always one piece at least."""
    moments = None if time_column is None else as_numbers(rows[time_column])
    edges = [0, *(range(ROWS, len(rows), ROWS) if moments is None else edges_of(moments)), len(rows)]
    return (rows.iloc[start:end] for start, end in pairwise(edges))


def as_numbers(moments: "pd.Series[pd.Timestamp]") -> Moments:
    """Moments as numbers, missing ones the greatest, as they are sorted."""
    numbers: Moments = moments.to_numpy("datetime64[us]").astype("int64")
    return np.where(numbers == np.iinfo("int64").min, np.iinfo("int64").max, numbers)


def edges_of(moments: Moments) -> list[int]:
    """Where to cut rows that are in order, so that no piece has more than `ROWS` and none parts a moment."""
    edges: list[int] = []
    start = 0
    while start + ROWS < len(moments):
        moment = moments[start + ROWS]
        edge = int(np.searchsorted(moments, moment))
        start = edge if edge > start else int(np.searchsorted(moments, moment, side="right"))
        edges.append(start)
    return [edge for edge in edges if edge < len(moments)]


def name_of(rows: pd.DataFrame, time_column: str | None, taken: list[Path]) -> str:
    """The dates of the first and last row, numbered from the second of these dates on, or a running number.

    It sorts after those of all partitions with older rows and is never one that is taken.
    """
    if time_column is None:
        return f"{max((int(file.stem) for file in taken if file.stem.isdecimal()), default=0) + 1:06}"
    first, last = rows[time_column].min(), rows[time_column].max()
    name = f"{first:%Y-%m-%d}_{last:%Y-%m-%d}"
    numbers = [file.stem.removeprefix(name).removeprefix("_") for file in taken if file.stem.startswith(name)]
    return f"{name}_{max(int(number or 1) for number in numbers) + 1:03}" if numbers else name
