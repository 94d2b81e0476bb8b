"""The rows of a batch on their way in: in memory while they are few, else in files, from which they come in order."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..settings.params import Columns
from .contract import Contract, conform
from .partitions import Moments, as_numbers, cut, edges_of
from .sources import GENERATED_ID, numbered_anew

GROUP = 5_000
"""Rows of a file that are read together where only a stretch of it is asked for."""


class Incoming:
    """The rows of a batch, taken part by part into a folder. `files` is empty while one part is all there is."""

    def __init__(self, folder: Path, columns: Columns, contract: Contract) -> None:
        self.folder, self.columns, self.contract = folder, columns, contract
        self.files: list[Path] = []
        self.only: pd.DataFrame | None = None

    def add(self, rows: pd.DataFrame) -> None:
        """One more part, which keeps the contract."""
        if self.only is None and not self.files:
            self.only = rows
            return
        if self.only is not None:
            self.lay_down(self.only)
            self.only = None
        self.lay_down(rows)

    def lay_down(self, rows: pd.DataFrame) -> None:
        """Write a part into a file of its own, in order."""
        rows = in_order(rows, self.columns)
        file = self.folder / f"{len(self.files):06}.parquet"
        pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), file, row_group_size=GROUP)
        self.files.append(file)

    def parts(self) -> Iterator[pd.DataFrame]:
        """All rows, in order of time and then of id, as `partitions.cut` gives them."""
        if self.only is not None:
            yield from cut(in_order(self.only, self.columns), self.columns.time)
        elif self.columns.time is None:
            for file in self.files:
                yield from cut(self.together([pq.read_table(file)]), None)
        else:
            yield from self.stretches(self.columns.time)

    def stretches(self, time: str) -> Iterator[pd.DataFrame]:
        """The rows of all files, one stretch of time after the other."""
        starts = self.starts(time)
        edges = []
        for file in self.files:
            moments = moments_in(file, time)
            edges.append([0, *np.searchsorted(moments, starts).tolist(), len(moments)])
        for number in range(len(starts) + 1):
            yield self.together(
                [rows_of(file, *places[number : number + 2]) for file, places in zip(self.files, edges, strict=True)]
            )

    def starts(self, time: str) -> Moments:
        """The first moment of each stretch but the first, of about as many rows each."""
        moments = np.empty(sum(pq.read_metadata(file).num_rows for file in self.files), dtype="int64")
        end = 0
        for file in self.files:
            some = moments_in(file, time)
            moments[end : end + len(some)] = some
            end += len(some)
        moments.sort()
        return moments[edges_of(moments)]

    def together(self, tables: list[pa.Table]) -> pd.DataFrame:
        """Rows that were laid down, in order, with the contract's types; equal ones are numbered anew."""
        rows = conform(pa.concat_tables(tables, promote_options="permissive").to_pandas(), self.contract)
        if self.columns.id == GENERATED_ID and self.columns.time:
            rows = numbered_anew(rows)
        return in_order(rows, self.columns)


def moments_in(file: Path, time: str) -> Moments:
    """Those of a file that was laid down, in order."""
    return as_numbers(pq.read_table(file, columns=[time])[time].to_pandas())


def rows_of(file: Path, start: int, end: int) -> pa.Table:
    """The rows of a file from one place up to another."""
    first = start // GROUP
    return (
        pq.ParquetFile(file).read_row_groups(range(first, -(-end // GROUP))).slice(start - first * GROUP, end - start)
    )


def in_order(rows: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Rows in order of time and then of id, where there is a time."""
    return rows.sort_values([columns.time, columns.id], ignore_index=True) if columns.time else rows
