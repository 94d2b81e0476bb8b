"""Which of the rows held a champion has seen: those that it was trained on, and those that it was promoted on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data import partitions
from ..settings.params import Params
from ..training.trained_rows import TrainedRows, trained_rows

Array = NDArray[Any]


@dataclass(frozen=True)
class SeenRows:
    """The rows held, in the order in which they came.

    Attributes
    ----------
    deciding : DataFrame of shape (n_rows, n_columns)
        Id, target and, where there is one, time.
    times : Series of shape (n_rows,) or None
    partition : array of shape (n_rows,)
        The number of the partition that brought it.
    trained : array of shape (n_rows,)
        Whether the champion was trained on it.
    promoted_on : array of shape (n_rows,)
        Whether it was held out when the champion was made.
    """

    deciding: pd.DataFrame
    times: pd.Series | None
    partition: Array
    trained: Array
    promoted_on: Array


def seen_rows(params: Params, champion: Path) -> SeenRows:
    """Look at all rows held, for the champion that lies in a directory."""
    columns = params.columns
    rows = partitions.read([columns.id, columns.target, *([columns.time] if columns.time else [])])
    counts = [partitions.table([columns.id], [part]).num_rows for part in partitions.files()]
    partition = np.repeat(np.arange(len(counts)), counts)
    times = rows[columns.time] if columns.time else None
    trained = trained_on(rows[columns.id], times, partition, trained_rows(champion))
    promoted_on = ~trained & held_out_then(times, partition, trained, params)
    return SeenRows(rows, times, partition, trained, promoted_on)


def trained_on(ids: pd.Series, times: pd.Series | None, partition: Array, known: TrainedRows) -> Array:
    """Which rows a champion was trained on.

    Those of which it does not know are taken to be so up to its last known moment; without a time, in the partitions
    from which it knows a row.
    """
    seen, unknown = known.seen(ids), known.unknown(ids)
    if not unknown.any() or not seen.any():
        return seen
    if times is None:
        return np.asarray(seen | (unknown & np.isin(partition, np.unique(partition[seen]))))
    return np.asarray(seen | (unknown & (times <= times[seen].max())))


def held_out_then(times: pd.Series | None, partition: Array, trained: Array, params: Params) -> Array:
    """The rows that were the holdout when the champion was made, as far as they can be told apart.

    They follow the rows that it was trained on, for as long as a holdout is; without a time column they are those
    of its rows' partitions.
    """
    if not trained.any():
        return np.zeros(len(trained), dtype=bool)
    if times is None:
        return np.isin(partition, np.unique(partition[trained]))
    last, size = times[trained].max(), params.split.holdout
    if isinstance(size, str):
        return np.asarray((times > last) & (times <= last + pd.Timedelta(size)))
    after = times[times > last].sort_values()
    count = min(round(trained.sum() * size / (1 - size)), len(after))
    end = after.iloc[count - 1] if count else last
    return np.asarray((times > last) & (times <= end))
