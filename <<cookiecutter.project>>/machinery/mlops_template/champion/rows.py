"""Which of the rows held a champion has seen: those that it was trained on, and those that it was promoted on."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..settings.params import Params


def held_out_then(
    times: pd.Series | None, partition: NDArray[Any], trained: NDArray[Any], params: Params
) -> NDArray[Any]:
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
