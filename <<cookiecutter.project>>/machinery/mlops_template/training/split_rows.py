"""The rows of a side of the split where it may be larger than memory: some of them, or a column."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


def every_nth(file: Path, most: int) -> pd.DataFrame:
    """Rows of a Parquet file in their order: all, or so many of more, evenly drawn, that they are `most` at most.

    A column has the type that it has where all rows are read: whole numbers of which some are missing are float64.
    """
    parquet = pq.ParquetFile(file)
    step = max(1, -(-parquet.metadata.num_rows // most))
    parts, start = [], 0
    for batch in parquet.iter_batches():
        parts.append(batch.take(np.arange(-start % step, len(batch), step)))
        start += len(batch)
    frame: pd.DataFrame = pa.Table.from_batches(parts, parquet.schema_arrow).to_pandas()
    whole = [name for name in map(str, frame.select_dtypes("integer")) if has_missing(parquet, name)]
    return frame.astype(dict.fromkeys(whole, "float64"))


def has_missing(parquet: pq.ParquetFile, name: str) -> bool:
    """Whether a column lacks a value in some row, by the statistics that lie beside the rows."""
    place = parquet.schema_arrow.names.index(name)
    groups = range(parquet.metadata.num_row_groups)
    return any(parquet.metadata.row_group(group).column(place).statistics.null_count for group in groups)


def number_of_rows(file: Path) -> int:
    """How many rows a Parquet file has."""
    return int(pq.read_metadata(file).num_rows)


def column(file: Path, name: str) -> Iterator["pd.Series[Any]"]:
    """A column of a Parquet file, part by part."""
    for batch in pq.ParquetFile(file).iter_batches(columns=[name]):
        yield batch.to_pandas()[name]
