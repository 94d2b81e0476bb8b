"""Whether the values of a column are unique over many files, of which one is in memory at a time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from .contract import EXAMPLES, Violation
from .row_ids import are_in, hashes_in, values_in


def repeated(files: Sequence[Path], column: str) -> "pd.Series[int]":
    """How often each value occurs that occurs more than once in a column of Parquet files: value → count."""
    hashes = hashes_in(files, column)
    hashes.sort()
    doubtful = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    if not len(doubtful):
        return pd.Series(dtype="int64")
    del hashes
    suspects = [values[are_in(values, doubtful)] for values in (values_in(file, column) for file in files)]
    counts: pd.Series[int] = pd.concat(suspects).value_counts()
    return counts[counts > 1]


def not_unique(files: Sequence[Path], column: str, rule: str) -> list[Violation]:
    """The violation of a column that is to be unique over all files, where it is not."""
    counts = repeated(files, column)
    if not len(counts):
        return []
    told = [f"{value!s:.60}: {count} times" for value, count in counts.head(EXAMPLES).items()]
    return [Violation(column, rule, int(counts.sum()), told)]
