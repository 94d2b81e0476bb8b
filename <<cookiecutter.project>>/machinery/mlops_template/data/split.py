"""The stage `split`: the newest rows become the holdout, all older ones train. Never at random.

Rows whose target is not known for sure yet, by `data.label_delay`, are left out.
"""

from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..console.progress import progress
from ..console.stage import run_stage
from ..errors import ProjectError
from ..settings import paths
from ..settings.params import Params, load_params
from . import partitions
from .timeline import Timeline

GROUP = 500_000
"""Rows that are written together, where partitions are smaller."""


def main() -> None:
    """Cut `data/raw` into `data/split/train.parquet` and `data/split/holdout.parquet`, a few partitions at a time."""
    params, schema = load_params(), partitions.schema()
    paths.TRAIN.parent.mkdir(parents=True, exist_ok=True)
    with (
        pq.ParquetWriter(paths.TRAIN, schema, compression="zstd") as train_file,
        pq.ParquetWriter(paths.HOLDOUT, schema, compression="zstd") as holdout_file,
    ):
        sides = Side("training", train_file, params), Side("holdout", holdout_file, params)
        fill(*sides, schema, params)
        for side in sides:
            side.write()
    total = sum(side.rows for side in sides)
    for side in sides:
        side.refuse_useless(total)
    print(f"split {total:,} rows: {sides[0].rows:,} to train, {sides[1].rows:,} held out")


class Side:
    """The rows of one side on their way into its file."""

    def __init__(self, name: str, file: pq.ParquetWriter, params: Params) -> None:
        self.name, self.file, self.params = name, file, params
        self.rows = 0
        self.classes: set[Any] = set()
        self.waiting: list[pa.Table] = []

    def add(self, rows: pa.Table) -> None:
        """Take some more, which are written once they are enough."""
        self.rows += len(rows)
        if len(self.classes) < 2:
            self.classes |= set(pc.unique(rows[self.params.columns.target].drop_null()).to_pylist())
        self.waiting.append(rows)
        if sum(map(len, self.waiting)) >= GROUP:
            self.write()

    def write(self) -> None:
        """Write what is waiting."""
        if self.waiting:
            self.file.write_table(pa.concat_tables(self.waiting))
            self.waiting.clear()

    def refuse_useless(self, total: int) -> None:
        """Raise ProjectError when it has no rows of the `total` of both sides, or rows of a single class."""
        size, target = self.params.split.holdout, self.params.columns.target
        if not self.rows:
            raise ProjectError(f"split.holdout is {size}, which leaves no {self.name} rows of {total:,}")
        if self.params.task == "classification" and len(self.classes) < 2:
            raise ProjectError(
                f"the {self.name} rows have one class of {target} only: change split.holdout, now {size}"
            )


def fill(train: Side, held_out: Side, schema: pa.Schema, params: Params) -> None:
    """Bring all rows to their sides, in order of time where there is one."""
    columns = params.columns
    if columns.time is None:
        for part in progress(partitions.held(), None, "partitions split"):
            rows = of_schema(partitions.table(None, [part]), schema)
            chosen = pa.array(holdout(rows.select([columns.id]).to_pandas(), params))
            train.add(rows.filter(pc.invert(chosen)))
            held_out.add(rows.filter(chosen))
        return
    timeline = Timeline.held(columns.time)
    if not timeline.stretches:
        return
    last_trained, end = (pa.scalar(moment, schema.field(columns.time).type) for moment in limits(timeline, params))
    for stretch in progress(timeline.stretches, None, "partitions split"):
        rows = of_schema(partitions.table(None, stretch.parts), schema)
        rows = rows.sort_by([(columns.time, "ascending"), (columns.id, "ascending")])
        moments = rows[columns.time]
        train.add(rows.filter(pc.less_equal(moments, last_trained)))
        held_out.add(rows.filter(pc.and_(pc.greater(moments, last_trained), pc.less_equal(moments, end))))


def of_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with the columns and types of all partitions."""
    return pa.concat_tables([schema.empty_table(), rows], promote_options="permissive")


def limits(timeline: Timeline, params: Params) -> tuple[pd.Timestamp, pd.Timestamp]:
    """(the last moment that trains, the last whose target is known): what `holdout` and `labelled` say of all rows."""
    end = timeline.newest - pd.Timedelta(params.data.label_delay)
    count, size = timeline.rows_until(end), params.split.holdout
    if not count:
        return end, end
    place = count - 1 if isinstance(size, str) else place_of_quantile(count, 1 - size)
    moment = timeline.moment(place)
    return (moment - pd.Timedelta(size) if isinstance(size, str) else moment), end


def place_of_quantile(count: int, share: float) -> int:
    """Which of so many values in order is their quantile, the lower one where it lies between two."""
    return int((count - 1) * (share * 100 / 100))  # rounded as NumPy does, which is given per cent


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


if __name__ == "__main__":
    run_stage(main)
