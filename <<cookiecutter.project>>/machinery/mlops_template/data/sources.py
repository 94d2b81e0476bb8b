"""Where fresh rows come from. A source answers one question: which rows are newer than the newest held?"""

import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import ProjectError
from ..owner.modules import own_code
from ..settings.params import Columns, Files, Params, Sql
from . import partitions, sample
from .contract import Contract, conform, is_exact
from .csv_file import plain, read_csv, read_parts_of_csv

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa

GENERATED_ID = "row_id"
"""A project whose `columns.id` is this gets ids made from the content of the rows."""

DIGITS_OF_HASH = 16
"""With which an id from content begins; what follows numbers equal rows."""

CHUNK = 500_000
"""Rows that are read at a time."""

IN_UTC = {
    "postgresql": {"options": "-c timezone=utc"},
    "mysql": {"init_command": "SET time_zone = '+00:00'"},
    "mariadb": {"init_command": "SET time_zone = '+00:00'"},
}
"""How a connection is told to give moments in UTC."""


Isin = Callable[[pd.Series], NDArray[np.bool_]]
"""Which of some ids are held: ids of shape (n_rows,) → mask."""


@dataclass(frozen=True)
class HeldRows:
    """What the project has.

    Attributes
    ----------
    newest : the latest moment, None without data or time column
    ids : which of some ids are held
    files : those of the source that gave rows held and have not changed since, so that they need not be read
    """

    newest: pd.Timestamp | None
    ids: Isin
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
    late = ~held.ids(rows.loc[old, columns.id])
    return FreshRows(rows[~old], int(late.sum()))


def only_unknown(batch: FreshRows, columns: Columns, held: HeldRows) -> FreshRows:
    """Equal rows numbered where ids are made of content; without a time column, only rows whose id is not held."""
    rows = batch.rows
    if columns.id == GENERATED_ID:
        rows = number_equal(rows)
    if columns.time is None and columns.id in rows:
        rows = rows[~held.ids(rows[columns.id])]
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
    all_held = columns.time is None and columns.id in rows and bool(held.ids(rows[columns.id]).all())
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


def read_files(files: Files, texts: list[str]) -> Iterator[pd.DataFrame]:
    """The files that the patterns name; the columns in `texts` are read as text, zeros in front kept."""
    return (read_file(path, texts) for path in matching(files))


def matching(files: Files) -> list[str]:
    """The files that the patterns name. Raises ProjectError where there is none."""
    files_named = list(expand(files.paths))
    if not files_named:
        raise ProjectError(f"data.files: no file matches {', '.join(files.paths)}")
    return files_named


def expand(patterns: list[str]) -> Iterator[str]:
    """The files that patterns name, in order of name, each once: on this machine or behind any fsspec URL."""
    import fsspec

    seen = set()
    for pattern in patterns:
        try:
            # fsspec takes `?` and `[…]` for signs of a glob only within a list, from which it takes folders, too.
            globbed = is_glob(pattern)
            files = fsspec.open_files([pattern] if globbed else pattern)
            matches = [file.full_name for file in files if not (globbed and file.fs.isdir(file.path))]
        except (ImportError, ValueError) as error:
            raise ProjectError(
                f"data.files: {pattern} cannot be opened ({error}): add its library with `uv add`"
            ) from None
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ProjectError(f"data.files: {pattern} cannot be reached: {first_line(error)}") from None
        yield from (name for name in sorted(matches) if name not in seen)
        seen.update(matches)


def is_glob(pattern: str) -> bool:
    """Whether `?` or `[…]` in it stand for other signs: not in the query of a URL, nor where a file is called so."""
    import fsspec

    here = "://" not in pattern or pattern.startswith(("file://", "local://"))
    if pattern.startswith(("http://", "https://")) or not re.search(r"[?\[]" if here else r"^[^?]*\[", pattern):
        return False
    files, path = fsspec.url_to_fs(pattern)
    return not files.exists(path)


def is_parquet(path: str) -> bool:
    """Whether a file is Parquet, by its name; else it is CSV, or a spreadsheet that is read as such."""
    return path.partition("?")[0].endswith((".parquet", ".pq"))


@contextmanager
def opened(path: str) -> Iterator[Any]:
    """A file of this machine or behind any fsspec URL. Raises ProjectError that names it, whatever goes wrong."""
    import fsspec
    import pyarrow as pa

    try:
        with fsspec.open(path, "rb", compression=None if is_parquet(path) else "infer") as file:
            yield file
    except UnicodeDecodeError:
        raise ProjectError(f"{path} is not UTF-8: save it again in that encoding") from None
    except FileNotFoundError:
        raise ProjectError(f"{path} does not exist") from None
    except (pa.ArrowException, ImportError, EOFError, ValueError, OSError) as error:
        raise ProjectError(f"{path} cannot be read, it may be half written: {first_line(error)}") from None


def refuse_binary(path: str, table: Any) -> None:
    """Raise ProjectError where a column holds bytes that are no text."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            try:
                table.column(place).cast(pa.large_string())
            except pa.ArrowInvalid:
                raise ProjectError(f"{path}: {field.name} holds bytes that are no text: leave the column out") from None


def read_file(path: str, texts: list[str]) -> pd.DataFrame:
    """One CSV or Parquet file. Raises ProjectError that names it and what is wrong."""
    return next(read_parts(path, texts, whole=True))


def read_parts(path: str, texts: list[str], whole: bool) -> Iterator[pd.DataFrame]:
    """One CSV or Parquet file, `CHUNK` rows or so at a time unless it is asked for as a whole; one part at least.

    Where a CSV file comes in parts, its columns are text, of which `conform` makes the contract's types.
    Raises ProjectError that names the file and what is wrong.
    """
    with opened(path) as file:
        for table in parquet_parts(file, whole) if is_parquet(path) else csv_parts(plain(file, path), texts, whole):
            names = [str(name) for name in table.column_names]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ProjectError(f"{path} has several columns of the name {', '.join(twice)}: rename all but one")
            refuse_binary(path, table)
            frame = pandas_of(table).drop(columns="__index_level_0__", errors="ignore")
            yield frame.set_axis([name for name in names if name != "__index_level_0__"], axis="columns")


def csv_parts(file: IO[bytes], texts: list[str], whole: bool) -> "Iterator[pa.Table]":
    """A CSV file."""
    return iter([read_csv(file.read(), texts)]) if whole else read_parts_of_csv(file, texts)


def parquet_parts(file: Any, whole: bool) -> "Iterator[pa.Table]":
    """A Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Buffered before, all bytes that were read would stay until the end.
    parquet = pq.ParquetFile(file, pre_buffer=False)
    if whole or parquet.metadata.num_rows <= CHUNK:
        # Where a file is damaged, threads of `read_table` would wait for Python at its end, for ever.
        yield parquet.read()
    else:
        for batch in parquet.iter_batches(CHUNK, use_threads=False):
            yield pa.Table.from_batches([batch])


def pandas_of(table: Any) -> pd.DataFrame:
    """A table or batch of Arrow with pandas' types, no value another one than before.

    Decimals become numbers, and whole numbers texts where a missing value would make them numbers of floating point
    that are too large for it.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, field in enumerate(table.schema):
        column = table.column(place)
        if pa.types.is_decimal(field.type):
            # By way of text, since Arrow's own conversion does not round to the nearest number.
            table = table.set_column(place, field.name, column.cast(pa.string()).cast(pa.float64()))
        elif pa.types.is_integer(field.type) and column.null_count:
            ends = pc.min_max(column).as_py()
            if ends["min"] is not None and not is_exact(ends["min"], ends["max"]):
                table = table.set_column(place, field.name, column.cast(pa.string()))
    # Without pandas' metadata an index is a column like the others, unless it only numbers the rows.
    frame: pd.DataFrame = table.to_pandas(date_as_object=False, ignore_metadata=True)
    return frame


def read_sql(sql: Sql, time_column: str | None, newest: pd.Timestamp | None) -> Iterator[pd.DataFrame]:
    """The rows of the query in chunks, only those newer than the newest held where that is known."""
    import sqlalchemy as sa

    url = database(sql.url)
    # A colon before a word, as in a time of day, would be taken for a parameter.
    query = sa.text(re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", sql.query.strip().rstrip(";")))
    source = query.columns(*([sa.column(time_column)] if time_column else [])).subquery("source")
    statement: sa.Select[Any] = sa.select(sa.literal_column("*")).select_from(source)
    try:
        # Moments without a time zone, as the project holds them, are UTC.
        engine = sa.create_engine(url, connect_args=IN_UTC.get(url.get_backend_name(), {}))
        with engine.connect().execution_options(stream_results=True) as connection:
            if time_column and newest is not None:
                times = source.c[time_column]
                a_time = connection.execute(sa.select(times).where(times.is_not(None)).limit(1)).scalar()
                if not isinstance(a_time, int | float):  # numbers are compared here, where their unit is known
                    statement = statement.where(times > moment_or_day(a_time, newest))
            result = connection.execute(statement)
            names, rows = list(result.keys()), result.fetchmany(CHUNK)
            yield frame_of(names, rows)
            while rows := result.fetchmany(CHUNK):
                yield frame_of(names, rows)
        engine.dispose()
    except (sa.exc.NoSuchModuleError, ImportError) as error:
        raise ProjectError(f"data.sql: no driver for this database ({error}): add it, as in `uv add psycopg`") from None
    except sa.exc.SQLAlchemyError as error:
        reason = first_line(getattr(error, "orig", None) or error)
        reason = reason.replace(str(url.password), "***") if url.password else reason
        raise ProjectError(f"data.sql: {url.render_as_string()} cannot be read: {reason}") from None


def frame_of(names: list[str], rows: Sequence[Any]) -> pd.DataFrame:
    """Rows of a database, no value another one than there."""
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return pd.DataFrame({name: column_of(list(values)) for name, values in zip(names, columns, strict=True)})


def column_of(values: list[Any]) -> pd.Series:
    """Decimals become numbers; so do whole ones beside gaps, unless they are too large for floating point."""
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind == "decimal":
        return pd.Series([None if value is None else float(value) for value in values], dtype="float64")
    if kind == "integer" and None in values:
        present = [value for value in values if value is not None]
        if not is_exact(min(present), max(present)):
            return pd.Series([None if value is None else str(value) for value in values], dtype="str")
    return pd.Series(values)


def moment_or_day(like: Any, newest: pd.Timestamp) -> "sa.BindParameter[Any]":
    """What a column of times is compared with in the database: a moment, or a text where the column holds texts.

    Texts in ISO 8601 may have any offset from UTC, up to 14 hours, so that they are compared with the day two days
    before; what is not newer among the rest is told here, by its moment.
    """
    import sqlalchemy as sa

    if isinstance(like, str):
        return sa.bindparam("newest", f"{newest - pd.Timedelta(days=2):%Y-%m-%d}", sa.String())
    return sa.bindparam("newest", newest.to_pydatetime(), sa.DateTime())


def database(text: str) -> "sa.URL":
    """The URL of a database. Raises ProjectError, which never shows a password."""
    import sqlalchemy as sa

    try:
        url = sa.make_url(resolve_url(text))
    except sa.exc.ArgumentError:
        raise ProjectError("data.sql.url is no database URL such as postgresql+psycopg://user@host/name") from None
    file = url.database if url.get_backend_name() == "sqlite" else None
    if file and not file.startswith((":", "file:")) and not Path(file).exists():
        raise ProjectError(f"data.sql.url: the database {file} does not exist")
    return url


def resolve_url(url: str) -> str:
    """The URL, taken from an environment variable where it is `env:NAME`, so that no secret is in git."""
    if not url.startswith("env:"):
        return url
    name = url.removeprefix("env:")
    if not os.environ.get(name):
        raise ProjectError(f"data.sql.url is {url}, but the environment variable {name} is not set")
    return os.environ[name]


def first_line(error: BaseException) -> str:
    """What an error says, as far as its first line goes."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
