"""CSV files as programs write them: the delimiter, the line of names, what stands before it, what is missing."""

import csv
import io
import re
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

import pandas as pd

from ..errors import ProjectError
from .contract import ABSENT

if TYPE_CHECKING:
    import pyarrow as pa

HEADER = re.compile(rb'(?:[^"\n]++|"[^"]*+")*+\n')
"""The first line of a CSV file, with the line feeds that stand in quotes."""

DELIMITERS = ",;\t|"

SPREADSHEETS = {".xlsx": "openpyxl", ".xlsm": "openpyxl", ".xls": "xlrd", ".ods": "odfpy"}
"""Ending → the library that reads such a file."""

START = 1_000_000

BLOCK = 16 * 1024**2
"""Bytes of a long file that are in memory at a time."""

WHOLE = 4 * BLOCK
"""A shorter file is read at once."""


def plain(file: IO[bytes], path: str) -> IO[bytes]:
    """The file, or where it is none as Arrow reads them a rewritten one: a line of names, then a line for each row.

    Rewritten are spreadsheets (their first sheet), files with lines before that of the names (`sep=;`, comments that
    begin with #, empty ones), with spaces behind the delimiters, with a delimiter behind the last name, or whose lines
    end with a carriage return alone.

    Raises ProjectError where the library for a spreadsheet is missing, UnicodeDecodeError where it is not UTF-8.
    """
    ending = next((ending for ending in SPREADSHEETS if path.partition("?")[0].lower().endswith(ending)), None)
    if ending:
        return from_spreadsheet(file, path, SPREADSHEETS[ending])
    start = file.read(START)
    file.seek(0)
    returns = b"\n" not in start and b"\r" in start
    if returns:
        start = start.replace(b"\r", b"\n")
    skipped, delimiter = preamble(start)
    if not start[skipped:].strip():
        return file
    delimiter, names = header_of(start[skipped:], delimiter)
    spaced = any(name.startswith(" ") for name in names)
    trailing = len(names) > 1 and not names[-1].strip()
    if not (skipped or spaced or trailing or returns):
        return file
    file.seek(skipped)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline=None if returns else "")
    rewritten = rewrite(csv.reader(text, delimiter=delimiter, skipinitialspace=spaced), trailing)
    text.detach()
    return rewritten


def from_spreadsheet(file: IO[bytes], path: str, library: str) -> IO[bytes]:
    """The first sheet as CSV."""
    try:
        rows = pd.read_excel(file, dtype=object)
    except ImportError:
        raise ProjectError(
            f"{path} is a spreadsheet: add what reads it with `uv add {library}`, or save it as CSV"
        ) from None
    except Exception as error:  # each library has its own for a damaged file
        raise ProjectError(f"{path} cannot be read as a spreadsheet: {error}") from None
    return io.BytesIO(rows.to_csv(index=False).encode())


def preamble(start: bytes) -> tuple[int, str | None]:
    """(bytes before the line of names, the delimiter where a line `sep=` says it).

    A line that begins with # is one of names where the next has as many columns.
    """
    lines = start.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True)
    mark = len(start) - sum(map(len, lines))
    skipped, delimiter = mark, None
    for line, following in zip(lines, [*lines, b""][1:], strict=True):
        said = re.fullmatch(rb"sep=(.)\s*", line, re.IGNORECASE)
        if said:
            delimiter = said[1].decode("latin-1")
        elif line.strip() and not (line.startswith(b"#") and not alike(line, following)):
            break
        skipped += len(line)
    return (skipped if skipped > mark else 0), delimiter


def alike(line: bytes, following: bytes) -> bool:
    """Whether two lines have as many columns, more than one."""
    delimiter = max((sign.encode() for sign in DELIMITERS), key=following.count)
    return line.count(delimiter) == following.count(delimiter) > 0 and not following.startswith(b"#")


def rewrite(rows: Any, trailing: bool) -> IO[bytes]:
    """Rows as a CSV file of the usual form. `trailing`: the last column has no name; ValueError unless it is empty."""
    rewritten = tempfile.SpooledTemporaryFile(START)  # noqa: SIM115 - the one who reads it lets it go
    text = io.TextIOWrapper(rewritten, encoding="utf-8", newline="")
    names = [name.strip() for name in next(rows)]
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow(names[:-1] if trailing else names)
    write = csv.writer(text).writerow
    for row in rows:
        if trailing and len(row) == len(names) and row[-1].strip():
            raise ValueError("the last column has values but no name: write one into the first line")
        if row:
            write(row[:-1] if trailing and len(row) == len(names) else row)
    text.flush()
    text.detach()
    rewritten.seek(0)
    return rewritten


def read_csv(content: bytes, texts: list[str]) -> "pa.Table":
    """Text as a table, see `empty_is_missing`. A line with too many or too few fields is an error, unlike in pandas.

    Raises UnicodeDecodeError when it is not UTF-8, ArrowInvalid and ValueError for other faults.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow

    delimiter, _ = header_of(content)
    try:
        table = arrow.read_csv(
            pa.BufferReader(content),
            parse_options=arrow.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow.ConvertOptions(column_types=dict.fromkeys(texts, pa.string()), null_values=ABSENT),
        )
    except pa.ArrowInvalid as error:
        if "invalid UTF8" in str(error):
            content.decode("utf-8")
        raise
    if any(pa.types.is_binary(kind) for kind in table.schema.types):
        content.decode("utf-8")
    return empty_is_missing(table)


def read_parts_of_csv(file: IO[bytes], texts: list[str]) -> "Iterator[pa.Table]":
    """Text as tables, see `read_csv`: a long one in parts whose columns are all text. One part at least.

    The type that all values of a column have is known at its end only.
    """
    import pyarrow as pa

    start = file.read(WHOLE)
    if len(start) < WHOLE:
        yield read_csv(start, texts)
        return
    file.seek(0)
    names = header_of(start)[1]
    for block in read_blocks(file, dict.fromkeys(names, pa.string())):
        yield pa.Table.from_batches([block])


def read_blocks(
    file: IO[bytes], types: "dict[str, pa.DataType]", only: Sequence[str] = ()
) -> "Iterator[pa.RecordBatch]":
    """Text, `BLOCK` bytes at a time: the columns with these types, or `only` some of them.

    Raises UnicodeDecodeError when it is not UTF-8, ArrowInvalid for other faults.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow

    start = file.read(BLOCK)
    file.seek(0)
    try:
        reader = arrow.open_csv(
            pa.PythonFile(file, mode="r"),
            read_options=arrow.ReadOptions(block_size=BLOCK, use_threads=False),
            parse_options=arrow.ParseOptions(delimiter=header_of(start)[0], newlines_in_values=True),
            convert_options=arrow.ConvertOptions(column_types=types, include_columns=only, null_values=ABSENT),
        )
        yield from map(empty_is_missing, reader)
    except pa.ArrowInvalid as error:
        if "invalid UTF8" in str(error):
            raise UnicodeDecodeError("utf-8", start[:1], 0, 1, str(error)) from None
        raise


def header_of(start: bytes, said: str | None = None) -> tuple[str, list[str]]:
    """What parts the columns of a CSV file, and their names, by how it starts; what stands in quotes parts nothing.

    `said`: the delimiter, where the file tells it.

    Raises UnicodeDecodeError when it is not UTF-8, ValueError where there are no columns.
    """
    whole = HEADER.match(start)
    end = whole.end() if whole else start.find(b"\n") + 1
    line = start[: end or None].decode("utf-8-sig")
    if not line.strip():
        raise ValueError("it is empty, without even a line of column names")
    delimiter = said or max(DELIMITERS, key=re.sub(r'"[^"]*"', "", line).count)
    return delimiter, next(csv.reader(io.StringIO(line.rstrip("\r\n")), delimiter=delimiter))


def empty_is_missing(table: Any) -> Any:
    """A table or batch of a CSV file, in whose columns of text the empty fields, and only they, are missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            texts = table.column(place)
            table = table.set_column(place, field, pc.if_else(pc.equal(texts, ""), None, texts))
    return table
