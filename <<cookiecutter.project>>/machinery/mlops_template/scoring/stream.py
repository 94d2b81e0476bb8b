"""Files of any size, batch by batch: columns with the contract's types, or an error that names file, column and row."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..data.contract import Contract, convert
from ..data.csv_file import BLOCK, header_of, plain, read_blocks
from ..data.source_files import is_parquet, opened, pandas_of
from ..errors import ProjectError
from ..settings.paths import CONTRACT

BATCH = 100_000
"""Rows of a Parquet file that are in memory at a time."""

PART = 1_000_000
"""Rows that a part of a Parquet file has at most, where its row groups are no larger."""


@dataclass(frozen=True)
class Part:
    """A file, or some row groups of a Parquet file."""

    path: str
    groups: list[int]
    first: int
    """The number of its first row within the file."""
    steps: int
    """Batches that it comes in; 1 where that is not known before."""


def parts_of(path: str, columns: list[str]) -> list[Part]:
    """A Parquet file in parts, as far as its row groups let it be split; a CSV file is one part.

    Raises ProjectError when it cannot be read or lacks one of the columns.
    """
    with opened(path) as file:
        if not is_parquet(path):
            require(path, columns, header_of(plain(file, path).read(BLOCK))[1])
            counted = path.partition("?")[0].endswith((".csv", ".tsv", ".txt"))
            return [Part(path, [], 0, 1 + file.seek(0, io.SEEK_END) // BLOCK if counted else 1)]
        import pyarrow.parquet as pq

        parquet = pq.ParquetFile(file)
        require(path, columns, parquet.schema_arrow.names)
        sizes = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
    parts: list[Part] = []
    start = first = 0
    for end in range(1, len(sizes) + 1):
        rows = sum(sizes[start:end])
        if end == len(sizes) or rows + sizes[end] > PART:
            parts.append(Part(path, list(range(start, end)), first, -(-rows // BATCH)))
            start, first = end, first + rows
    return parts


def require(path: str, columns: list[str], there: list[str]) -> None:
    """Raise ProjectError when a column is missing, or there twice."""
    missing = [name for name in columns if name not in there]
    if missing:
        raise ProjectError(f"{path} has no column {', '.join(missing)}: add what is missing, or rename what is there")
    twice = sorted({name for name in columns if there.count(name) > 1})
    if twice:
        raise ProjectError(f"{path} has several columns of the name {', '.join(twice)}: rename all but one")


def batches(part: Part, features: list[str], others: list[str], contract: Contract) -> Iterator[pd.DataFrame]:
    """Some columns of a part: features with the contract's types, others as they come, of pyarrow's types.

    The index is the number of the row within the file, from 1 on.
    Raises ProjectError when a value of a feature has another type.
    """
    row = part.first
    with opened(part.path) as file:
        read = parquet_batches if is_parquet(part.path) else csv_batches
        for batch in read(file, part, features, others, contract):
            frame = pandas_of(batch.select(features))
            exact = {name: batch.column(name).to_pandas(types_mapper=pd.ArrowDtype) for name in others}
            frame = frame.assign(**exact).set_index(pd.RangeIndex(row + 1, row + len(frame) + 1))
            yield typed(frame, features, contract, part.path, row)
            row += len(frame)


def parquet_batches(file: Any, part: Part, features: list[str], others: list[str], _: Contract) -> Any:
    """Row groups, batch by batch."""
    import pyarrow.parquet as pq

    # Buffered before, all bytes that were read would stay until the end.
    return pq.ParquetFile(file, pre_buffer=False).iter_batches(
        BATCH, part.groups, [*others, *features], use_threads=False
    )


def csv_batches(file: Any, part: Part, features: list[str], others: list[str], contract: Contract) -> Any:
    """Text, block by block: numbers are read as such, all else as text, of which the contract's type is made."""
    import pyarrow as pa

    rules = {name: contract.columns[name] for name in features}
    numbers = [name for name, rule in rules.items() if rule.type in ("number", "integer") and rule.format is None]
    types = dict.fromkeys([*others, *features], pa.string()) | dict.fromkeys(numbers, pa.float64())
    return read_blocks(plain(file, part.path), types, list(types))


def typed(frame: pd.DataFrame, features: list[str], contract: Contract, path: str, first: int) -> pd.DataFrame:
    """The features with the contract's types. Raises ProjectError that names the first value of another type."""
    for name in features:
        rule = contract.columns[name]
        column, wrong = convert(frame[name], rule)
        if wrong.any():
            place = int(wrong.to_numpy().argmax())
            value = f"{frame[name].iloc[place]!s:.60}"
            raise ProjectError(
                f"{path}: {name} is {value} in row {first + place + 1}, which is no {rule.type}: "
                f"correct it there, or the type in {CONTRACT}"
            )
        frame[name] = column
    return frame
