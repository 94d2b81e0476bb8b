"""Rows of a database: a query, read through SQLAlchemy in chunks."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import ProjectError, first_line
from ..settings.params import Sql
from .contract import is_exact

if TYPE_CHECKING:
    import sqlalchemy as sa

CHUNK = 500_000
"""Rows that are read at a time."""

IN_UTC = {
    "postgresql": {"options": "-c timezone=utc"},
    "mysql": {"init_command": "SET time_zone = '+00:00'"},
    "mariadb": {"init_command": "SET time_zone = '+00:00'"},
}
"""How a connection is told to give moments in UTC."""


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
