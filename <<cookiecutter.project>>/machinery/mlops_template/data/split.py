"""The stage `split`: the newest rows become the holdout, all older ones train. Never at random.

Rows whose target is not known for sure yet, by `data.label_delay`, are left out.
"""

from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..console.stage import run_stage
from ..errors import ProjectError
from ..settings import paths
from ..settings.params import Params, load_params
from . import partitions


def main() -> None:
    """Cut `data/raw` into `data/split/train.parquet` and `data/split/holdout.parquet`."""
    params = load_params()
    columns = params.columns
    rows = partitions.table()
    if columns.time:
        rows = rows.sort_by([(columns.time, "ascending"), (columns.id, "ascending")])
    deciding = [columns.id, columns.target, *([columns.time] if columns.time else [])]
    looked_at: pd.DataFrame = rows.select(deciding).to_pandas()
    with_label = labelled(looked_at, params)
    if not with_label.all():
        rows, looked_at = rows.filter(pa.array(with_label)), looked_at[with_label]
    held_out = holdout(looked_at, params)
    refuse_useless(looked_at, held_out, params)
    paths.TRAIN.parent.mkdir(parents=True, exist_ok=True)
    for path, chosen in ((paths.TRAIN, ~held_out), (paths.HOLDOUT, held_out)):
        pq.write_table(rows.filter(pa.array(chosen)), path, compression="zstd")
    print(f"split {len(rows):,} rows: {(~held_out).sum():,} to train, {held_out.sum():,} held out")


def labelled(rows: pd.DataFrame, params: Params) -> pd.Series:
    """Mask of the rows whose target is known, as of the newest row."""
    if params.columns.time is None:
        return pd.Series(True, index=rows.index)
    moments: pd.Series[Any] = rows[params.columns.time]
    arrived: pd.Series[bool] = moments <= moments.max() - pd.Timedelta(params.data.label_delay)
    return arrived


def holdout(rows: pd.DataFrame, params: Params) -> pd.Series:
    """Mask of the rows held out. Rows of one moment stay together; without a time, a hash of the id decides."""
    size, time = params.split.holdout, params.columns.time
    if time is None:
        hashed = pd.util.hash_array(rows[params.columns.id].to_numpy(dtype=object))
        return pd.Series(hashed / 2.0**64 < float(size), index=rows.index)
    moments: pd.Series[Any] = rows[time]
    before = (
        moments.max() - pd.Timedelta(size)
        if isinstance(size, str)
        else moments.quantile(1 - size, interpolation="lower")
    )
    held_out: pd.Series[bool] = moments > before
    return held_out


def refuse_useless(rows: pd.DataFrame, held_out: pd.Series, params: Params) -> None:
    """Raise ProjectError when one side is empty or has a single class."""
    for name, chosen in (("training", ~held_out), ("holdout", held_out)):
        if not chosen.any():
            raise ProjectError(f"split.holdout is {params.split.holdout}, which leaves no {name} rows of {len(rows):,}")
        if params.task == "classification" and rows.loc[chosen, params.columns.target].nunique() < 2:
            raise ProjectError(
                f"the {name} rows have one class of {params.columns.target} only: change split.holdout, "
                f"now {params.split.holdout}"
            )


if __name__ == "__main__":
    run_stage(main)
