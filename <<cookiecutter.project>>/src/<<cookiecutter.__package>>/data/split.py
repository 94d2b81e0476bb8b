"""The stage `split`: the newest rows become the holdout, all older ones train. Never at random."""

import pandas as pd

from .. import paths
from ..errors import ProjectError
from ..params import Params, load_params
from ..stage import run_stage
from . import partitions


def main() -> None:
    """Cut `data/raw` into `data/split/train.parquet` and `data/split/holdout.parquet`."""
    params = load_params()
    rows = partitions.read()
    if params.columns.time:
        rows = rows.sort_values([params.columns.time, params.columns.id], ignore_index=True)
    held_out = holdout(rows, params)
    refuse_useless(rows, held_out, params)
    paths.TRAIN.parent.mkdir(parents=True, exist_ok=True)
    rows[~held_out].to_parquet(paths.TRAIN, index=False, compression="zstd")
    rows[held_out].to_parquet(paths.HOLDOUT, index=False, compression="zstd")
    print(f"split {len(rows):,} rows: {(~held_out).sum():,} to train, {held_out.sum():,} held out")


def holdout(rows: pd.DataFrame, params: Params) -> pd.Series:
    """Mask of the rows held out. Rows of one moment stay together; without a time, a hash of the id decides."""
    size, time = params.split.holdout, params.columns.time
    if time is None:
        hashed = pd.util.hash_array(rows[params.columns.id].to_numpy(dtype=object))
        return pd.Series(hashed / 2.0**64 < float(size), index=rows.index)
    moments = rows[time]
    if isinstance(size, str):
        return moments > moments.max() - pd.Timedelta(size)
    return moments > moments.quantile(1 - size, interpolation="lower")


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
