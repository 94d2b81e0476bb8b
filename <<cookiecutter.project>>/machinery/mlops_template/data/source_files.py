"""Files of a source, CSV and Parquet: found by patterns and read, whole or in parts."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import pandas as pd

from ..errors import ProjectError, first_line
from ..settings.params import Files
from .contract import is_exact
from .csv_file import plain, read_csv, read_parts_of_csv

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 500_000
"""Rows of a Parquet file that are read at a time."""


def read_files(files: Files, texts: list[str]) -> Iterator[pd.DataFrame]:
    """The files that the patterns name; the columns in `texts` are read as text, zeros in front kept."""
    return (read_file(path, texts) for path in matching(files))


def matching(files: Files) -> list[str]:
    """The files that the patterns name. Raises ProjectError where there is none."""
    files_named = list(expand(files.paths))
    if not files_named:
        raise ProjectError(f"data.files: no file matches {', '.join(files.paths)}")
    return files_named


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
