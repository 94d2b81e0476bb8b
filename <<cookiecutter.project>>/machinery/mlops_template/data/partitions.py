"""The rows held: dated Parquet files in `data/raw`, only ever added to."""

import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import ProjectError
from ..settings.paths import RAW

HALF_WRITTEN = ".incoming"
"""Prefix of a file in the making, beside the partitions' directory; a crash leaves no more than that."""


def files() -> list[Path]:
    """The partitions, oldest first."""
    return sorted(RAW.glob("*.parquet"))


def read(columns: list[str] | None = None, only: list[Path] | None = None) -> pd.DataFrame:
    """All rows of all (or only these) partitions, in the order in which they came; `columns` of them."""
    frame: pd.DataFrame = table(columns, only).to_pandas(split_blocks=True, self_destruct=True)
    return frame


def table(columns: list[str] | None = None, only: list[Path] | None = None) -> pa.Table:
    """What `read` gives, as an Arrow table, which takes half the memory."""
    parts = files() if only is None else only
    if not parts:
        raise ProjectError(f"{RAW} holds no data: `ingest` brings it, `pull` fetches what this commit points to")
    try:
        tables = [pq.read_table(part, columns=columns) for part in parts]
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowException, OSError) as error:
        raise ProjectError(f"{RAW} is damaged ({str(error).splitlines()[0]}): delete it and `pull`") from None


def newest(time_column: str | None) -> pd.Timestamp | None:
    """The latest moment held, None where there is no data or no time column."""
    if time_column is None or not files():
        return None
    return pd.Timestamp(read([time_column])[time_column].max())


def held_ids(id_column: str) -> pd.Index:
    """The ids of all rows held."""
    return pd.Index(read([id_column])[id_column]) if files() else pd.Index([], dtype="str")


def add(rows: pd.DataFrame, time_column: str | None) -> Path:
    """Write the rows as one new partition and return its path: wholly or, on any failure, not at all."""
    sweep()
    path = RAW / f"{name_of(rows, time_column)}.parquet"
    RAW.mkdir(parents=True, exist_ok=True)
    scratch = RAW.with_name(f"{HALF_WRITTEN}-{os.getpid()}.parquet")
    try:
        with scratch.open("wb") as file:
            pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    return path


def sweep() -> None:
    """Remove what a crash left behind."""
    for file in RAW.parent.glob(f"{HALF_WRITTEN}-*.parquet"):
        file.unlink()


def name_of(rows: pd.DataFrame, time_column: str | None) -> str:
    """The dates of the first and last row, numbered from the second of these dates on, or a running number.

    It sorts after those of all partitions with older rows and is never that of an existing one.
    """
    if time_column is None:
        return f"{max((int(file.stem) for file in files() if file.stem.isdecimal()), default=0) + 1:06}"
    first, last = rows[time_column].min(), rows[time_column].max()
    name = f"{first:%Y-%m-%d}_{last:%Y-%m-%d}"
    same = sorted(RAW.glob(f"{name}*.parquet"))
    return f"{name}_{int(same[-1].stem.removeprefix(name).removeprefix('_') or 1) + 1:03}" if same else name
