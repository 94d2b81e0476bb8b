"""Which rows a model was trained on, by the hashes of their ids: of all, or of as many as it remembers.

Beyond `REMEMBERED` rows the smallest hashes are kept, which is a sample of ids drawn evenly whatever the rows hold
(Beyer et al., "On synopses for distinct-value estimation", 2007): of an id with a hash no greater than the greatest
kept it is known whether the model has seen it, of the others it is not. So the list never grows beyond 16 MB.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.row_ids import Hashes, are_in, row_hashes
from .card import load_card

TRAINED_ROWS_FILE = "training_rows.npy"

REMEMBERED = 2_000_000

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class TrainedRows:
    """The hashes that are kept, sorted, and whether they are those of all rows."""

    hashes: Hashes
    complete: bool

    def seen(self, ids: pd.Series) -> Mask:
        """Which rows the model was trained on, as far as it is known."""
        return are_in(ids, self.hashes)

    def unknown(self, ids: pd.Series) -> Mask:
        """Of which rows it is not known whether the model was trained on them."""
        if self.complete:
            return np.zeros(len(ids), dtype=bool)
        return np.asarray(row_hashes(ids) > self.hashes[-1])


def remembered(ids: Iterable[pd.Series]) -> Hashes:
    """What a model that is trained on some rows keeps of their ids, which come part by part."""
    kept: Hashes = np.empty(0, dtype="uint64")
    for part in ids:
        kept = np.sort(np.concatenate([kept, row_hashes(part)]))[:REMEMBERED]
    return kept.copy()


def save_trained_rows(directory: Path, hashes: Hashes) -> None:
    """Write down what a model keeps of its training rows."""
    np.save(directory / TRAINED_ROWS_FILE, hashes)


def trained_rows(directory: Path) -> TrainedRows:
    """The rows that the model of a directory was trained on."""
    hashes: Hashes = np.sort(np.load(directory / TRAINED_ROWS_FILE))
    return TrainedRows(hashes, complete=len(hashes) >= load_card(directory)["training"]["rows"])
