"""Ids of rows as 64-bit hashes: eight bytes a row whatever the id, so that those of all rows held fit in memory.

That an id has the hash of one of `n` others by chance has the probability n / 2^64, 3e-12 among 50 million.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

CHUNK = 500_000
"""Ids that are texts of Python at a time."""

Hashes = NDArray[np.uint64]


def row_hashes(ids: pd.Series) -> Hashes:
    """A stable 64-bit hash of each id, of shape (n_rows,)."""
    parts = [ids.iloc[start : start + CHUNK] for start in range(0, max(len(ids), 1), CHUNK)]
    texts = (part.astype("str").to_numpy(dtype=object) for part in parts)
    return np.concatenate([pd.util.hash_array(some, categorize=False) for some in texts])


def hashes_in(files: Sequence[Path], column: str) -> Hashes:
    """The hashes of a column of Parquet files, row after row; what is missing is left out."""
    counts = [pq.read_metadata(file).num_rows for file in files]
    hashes = np.empty(sum(counts), dtype=np.uint64)
    end = 0
    for file in files:
        values = values_in(file, column)
        hashes[end : end + len(values)] = row_hashes(values)
        end += len(values)
    return hashes[:end]


def values_in(file: Path, column: str) -> pd.Series:
    """A column of a Parquet file, without what is missing."""
    values: pd.Series = pq.read_table(file, columns=[column])[column].to_pandas()
    return values.dropna()


def are_in(ids: pd.Series, known: Hashes) -> NDArray[np.bool_]:
    """Mask of the ids whose hash is known; `known` is sorted."""
    if not len(known):
        return np.zeros(len(ids), dtype=bool)
    hashes = row_hashes(ids)
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, hashes), len(known) - 1)] == hashes
    return found


class HeldIds:
    """The ids of all rows held, read when they are first asked for."""

    def __init__(self, parts: Sequence[Path], column: str) -> None:
        self.parts, self.column = parts, column

    @cached_property
    def hashes(self) -> Hashes:
        """Those of the ids, sorted."""
        return np.sort(hashes_in(self.parts, self.column))

    def __call__(self, ids: pd.Series) -> NDArray[np.bool_]:
        """Mask of the ids that are held."""
        return are_in(ids, self.hashes)
