"""Where fresh rows come from. A source answers one question: which rows are newer than the newest held?"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import ProjectError
from ..owner.modules import own_code
from ..settings.params import Columns, Params
from . import partitions, sample
from .contract import Contract, conform
from .source_files import matching, read_parts
from .source_query import read_sql

GENERATED_ID = "row_id"
"""A project whose `columns.id` is this gets ids made from the content of the rows."""

DIGITS_OF_HASH = 16
"""With which an id from content begins; what follows numbers equal rows."""

Isin = Callable[[pd.Series], NDArray[np.bool_]]
"""Which of some ids are held: ids of shape (n_rows,) → mask."""


@dataclass(frozen=True)
class HeldRows:
    """What the project has.

    Attributes
    ----------
    newest : the latest moment, None without data or time column
    has : which of some ids are held
    files : those of the source that gave rows held and have not changed since, so that they need not be read
    """

    newest: pd.Timestamp | None
    has: Isin
    files: frozenset[str] = frozenset()


NOTHING_HELD = HeldRows(None, lambda ids: np.zeros(len(ids), dtype=bool))


@dataclass(frozen=True)
class FreshRows:
    """Some of the fresh rows, and how many came late beside them: no newer than the newest held, yet not held.

    Late rows are not taken.
    """

    rows: pd.DataFrame
    late: int


def fresh(params: Params, contract: Contract, held: HeldRows) -> Iterator[FreshRows]:
    """What the source of `params.yaml` has that the project has not, with the contract's types, `ROWS` or so at a time.

    Without a time column, rows that have no id of their own come all at once: equal ones are counted.
    Raises ProjectError when the source cannot be read.
    """
    data, columns = params.data, params.columns
    if data.source == "sample":
        yield FreshRows(sample.fresh(columns.target, held.newest), 0)
        return
    parts = (newer_of(table, columns, contract, held) for table in tables_of(params, contract, held))
    for batch in grouped(parts, contract, math.inf if counts_equal(columns) else partitions.ROWS):
        yield only_unknown(batch, columns, held)


def tables_of(params: Params, contract: Contract, held: HeldRows) -> Iterator[pd.DataFrame]:
    """The tables of the source, in parts."""
    data, columns = params.data, params.columns
    if data.source == "files" and data.files:
        # Ids made from content are the same only where a column has the same type, which a whole file decides.
        whole = columns.id == GENERATED_ID
        unread = (path for path in matching(data.files) if path not in held.files)
        return (part for path in unread for part in read_parts(path, texts_of(contract), whole))
    if data.source == "sql" and data.sql:
        # The database can compare moments and days in ISO 8601, but not texts that do not sort as such.
        sorts = columns.time in contract.columns and contract.columns[columns.time].format is None
        return read_sql(data.sql, columns.time, held.newest if sorts else None)
    return iter([read_own(held.newest)])


def counts_equal(columns: Columns) -> bool:
    """Whether only the number of equal rows tells which are fresh: there is neither a time nor an id of their own."""
    return columns.time is None and columns.id == GENERATED_ID


def grouped(parts: Iterator[FreshRows], contract: Contract, rows: float) -> Iterator[FreshRows]:
    """Parts put together until they have so many rows; one at least."""
    group: list[FreshRows] = []
    for part in parts:
        if group and sum(len(one.rows) for one in group) + len(part.rows) > rows:
            yield together(group, contract)
            group = []
        group.append(part)
    if group:
        yield together(group, contract)


def texts_of(contract: Contract) -> list[str]:
    """The columns that a CSV file is to be read as text in: texts, every sign kept, and what has a format."""
    return [name for name, rule in contract.columns.items() if rule.type == "string" or rule.format]


def read_own(newest: pd.Timestamp | None) -> pd.DataFrame:
    """What `fresh_rows` of the owner's source.py returns for the newest moment held.

    Raises ProjectError when there is none, when it fails, or when it returns something else than a DataFrame.
    """
    code = own_code("source")
    file = f"{code.folder.as_posix()}/source.py"
    if "source" not in code.files:
        raise ProjectError(
            f"data.source is source.py: write {file} with a function fresh_rows(newest) that returns a DataFrame"
        )
    rows = code.call("source", "fresh_rows", newest)
    if not isinstance(rows, pd.DataFrame):
        raise ProjectError(f"{file}: fresh_rows returned a {type(rows).__name__}: return the rows, a DataFrame")
    return rows


def only_newer(rows: pd.DataFrame, columns: Columns, held: HeldRows) -> FreshRows:
    """The rows newer than the newest held. One whose time cannot be read stays: the contract is to judge it."""
    if held.newest is None or columns.time not in rows or columns.id not in rows:
        return FreshRows(rows, 0)
    old = pd.to_datetime(rows[columns.time], errors="coerce") <= held.newest
    late = ~held.has(rows.loc[old, columns.id])
    return FreshRows(rows[~old], int(late.sum()))


def only_unknown(batch: FreshRows, columns: Columns, held: HeldRows) -> FreshRows:
    """Equal rows numbered where ids are made of content; without a time column, only rows whose id is not held."""
    rows = batch.rows
    if columns.id == GENERATED_ID:
        rows = number_equal(rows)
    if columns.time is None and columns.id in rows:
        rows = rows[~held.has(rows[columns.id])]
    return FreshRows(rows, batch.late)


def together(batches: list[FreshRows], contract: Contract) -> FreshRows:
    """The rows of all tables; a column of the contract that one of them lacks is missing as a whole."""
    tables = [batch.rows for batch in batches if len(batch.rows)] or [batches[0].rows]
    lacking = {name for table in tables for name in contract.columns if name not in table}
    rows = tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)
    late = sum(batch.late for batch in batches)
    return FreshRows(rows.drop(columns=sorted(lacking), errors="ignore"), late)


def newer_of(table: pd.DataFrame, columns: Columns, contract: Contract, held: HeldRows) -> FreshRows:
    """The rows of a table that are newer than those held, with the contract's types and ids.

    A column that it lacks though it may be missing is missing for the ids, as when the table was adopted beside one
    that has it; fresh rows are not taken for it.
    """
    lacking = [name for name, rule in contract.columns.items() if rule.nullable and name not in table]
    rows = with_ids(conform(table.assign(**dict.fromkeys(lacking, None)), contract), columns.id)
    batch = only_newer(rows, columns, held)
    all_held = columns.time is None and columns.id in rows and bool(held.has(rows[columns.id]).all())
    is_fresh = len(batch.rows) > 0 and not all_held
    return FreshRows(batch.rows.drop(columns=lacking), batch.late) if lacking and is_fresh else batch


def with_ids(rows: pd.DataFrame, id_column: str) -> pd.DataFrame:
    """The rows, with a hash of their content as id where the project has no other.

    They are expected as `conform` leaves them, or the same row would have other ids in other batches.
    """
    if id_column in rows or id_column != GENERATED_ID or rows.empty:
        return rows
    content = pd.util.hash_pandas_object(rows, index=False).to_numpy()
    digits = np.frombuffer(content.astype(">u8").tobytes().hex().encode(), dtype="S16")
    return rows.assign(**{GENERATED_ID: pd.Series(digits.astype("U16"), index=rows.index, dtype="str")})


def numbered_anew(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of several batches, in each of which equal ones were numbered from the first on."""
    if GENERATED_ID not in rows:
        return rows
    return number_equal(rows.assign(**{GENERATED_ID: rows[GENERATED_ID].str.slice(0, DIGITS_OF_HASH)}))


def number_equal(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, with `-1`, `-2` … behind the id of those equal to one above."""
    if GENERATED_ID not in rows:
        return rows
    ids = rows[GENERATED_ID]
    number = ids.groupby(ids).cumcount().astype("str")
    return rows.assign(**{GENERATED_ID: ids.where(number == "0", ids + "-" + number)})
