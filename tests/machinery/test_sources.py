"""A source yields only what is newer than the newest row held, or says in one line why it cannot be read."""

import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from mlops_template.data import sample as feed
from mlops_template.data import source_files, sources
from mlops_template.data.contract import Contract, conform, load_contract
from mlops_template.data.sources import FreshRows, HeldRows, fresh, together
from mlops_template.errors import ProjectError
from mlops_template.settings.params import load_params

from .conftest import Change, Deliver

QUERY = "SELECT * FROM \"all flights\" WHERE 'at :noon' = 'at :noon';"


def batch(newest: str | None = None, ids: tuple[str, ...] = ()) -> FreshRows:
    """What the source has for a project that holds these ids."""
    held = HeldRows(pd.Timestamp(newest) if newest else None, lambda asked: asked.isin(ids).to_numpy())
    return together(list(fresh(load_params(), load_contract(), held)), load_contract())


@pytest.fixture
def database(project: Path, flights: pd.DataFrame, change: Change) -> Iterator[Path]:
    """The flights as a table of a database, which is the project's source."""
    path = project / "flights.db"
    with sqlite3.connect(path) as connection:
        flights.assign(departure=flights["departure"].astype("str")).to_sql("all flights", connection, index=False)
    connection.close()
    change(data={"source": "sql", "sql": {"url": f"sqlite:///{path}", "query": QUERY}})
    yield path


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.csv.zip", "a.parquet"])
def test_files_are_read_as_the_contract_has_them(name: str, flights: pd.DataFrame, deliver: Deliver) -> None:
    deliver(flights, name)
    rows = batch().rows
    assert len(rows) == len(flights)
    assert rows["departure"].tolist() == flights["departure"].tolist()
    assert rows["distance"].tolist() == flights["distance"].tolist()


def test_only_an_empty_field_is_a_missing_text(flights: pd.DataFrame, deliver: Deliver) -> None:
    words = ["NA", "null", "nan", "N/A", None, "UA"] * 100
    deliver(flights.head(600).assign(carrier=words))
    assert batch().rows["carrier"].fillna("gap").tolist() == [word or "gap" for word in words]


def test_a_number_a_moment_or_a_truth_may_be_missing_in_words(project: Path) -> None:
    content = "flag,day,size,code,time\nyes,31/01/2013,1.5,NA,2013-01-31\nNA,N/A,null,,NA\n"
    rules = {
        "flag": {"type": "boolean"},
        "day": {"type": "datetime", "format": "%d/%m/%Y"},
        "size": {"type": "number"},
        "code": {"type": "string"},
        "time": {"type": "datetime"},
    }
    (project / "a.csv").write_text(content)
    rows = conform(source_files.read_file("a.csv", ["code"]), Contract.model_validate({"columns": rules}))
    assert rows.isna().iloc[1].all()
    assert rows.iloc[0].notna().all()
    assert rows["code"][0] == "NA"


def test_an_index_of_a_parquet_file_is_a_column(flights: pd.DataFrame, project: Path) -> None:
    (project / "incoming").mkdir()
    flights.set_index("flight_id").to_parquet("incoming/a.parquet")
    assert set(batch().rows["flight_id"]) == set(flights["flight_id"])


def test_files_behind_a_url_are_read(flights: pd.DataFrame, deliver: Deliver, change: Change) -> None:
    path = deliver(flights)
    change(data={"files": {"paths": [path.as_uri()]}})
    assert len(batch().rows) == len(flights)


@pytest.mark.parametrize(("pattern", "files"), [("incoming/[ab].csv", 2), ("incoming/?.csv", 3), ("incoming/??", 0)])
def test_all_signs_of_a_glob_are_known(pattern: str, files: int, flights: pd.DataFrame, deliver: Deliver) -> None:
    for name in "abc":
        deliver(flights.head(2), f"{name}.csv")
    Path("incoming/d.csv").mkdir()
    assert len(list(source_files.expand([pattern]))) == files


@pytest.mark.parametrize(
    "url",
    ["https://host/a.csv?key=[1]", "https://host/a[1].csv", "memory://a.csv?version=[ab]"],
)
def test_a_url_with_a_query_is_no_glob(url: str) -> None:
    [found] = source_files.expand([url])
    assert found.replace(":///", "://") == url


def test_a_url_may_be_a_glob_and_a_name_may_look_like_one() -> None:
    import fsspec

    for name in ("glob/a.csv", "glob/b.csv", "glob/c[1].csv"):
        fsspec.filesystem("memory").pipe(name, b"x\n")
    assert len(list(source_files.expand(["memory://glob/[ab].csv"]))) == 2
    assert list(source_files.expand(["memory://glob/c[1].csv"])) == ["memory:///glob/c[1].csv"]


def test_only_rows_after_the_newest_are_fresh_and_older_ones_not_held_are_late(
    flights: pd.DataFrame, deliver: Deliver
) -> None:
    deliver(flights)
    newest = flights["departure"].iloc[399]
    old = flights[flights["departure"] <= newest]
    found = batch(str(newest), tuple(old["flight_id"].iloc[7:]))
    assert found.rows["departure"].min() > newest
    assert (len(found.rows), found.late) == (len(flights) - len(old), 7)


def test_without_a_time_rows_whose_id_is_not_held_are_fresh(
    flights: pd.DataFrame, deliver: Deliver, change: Change
) -> None:
    deliver(flights)
    change(columns={"time": None}, split={"holdout": 0.2})
    found = batch(None, tuple(flights["flight_id"].iloc[10:]))
    assert (sorted(found.rows["flight_id"]), found.late) == (sorted(flights["flight_id"].iloc[:10]), 0)


def test_rows_without_an_id_get_one_from_their_content_whatever_file_brings_them(project: Path) -> None:
    rows = pd.DataFrame({"a": [1.0, 2.0, 1.0], "b": ["x", None, "x"]})
    named = sources.number_equal(sources.with_ids(rows, "row_id"))["row_id"]
    assert named[2] == f"{named[0]}-1"
    assert named.is_unique
    assert sources.with_ids(rows.iloc[1:2], "row_id")["row_id"].tolist() == [named[1]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "a.csv.*empty"),
        (b"flight_id,late\nx,1\ny,1,surplus\n", "a.csv cannot be read.*Expected 2 columns, got 3"),
        (b"flight_id,late\nx,1\ny\n", "a.csv cannot be read.*Expected 2 columns, got 1"),
        ("flight_id,carrier\nx,Méxicana\n".encode("latin-1"), "a.csv is not UTF-8"),
        ("flight_id,wörd\nx,1\n".encode("latin-1"), "a.csv is not UTF-8"),
        ("flight_id,word\nx,wörd\n".encode("latin-1"), "a.csv is not UTF-8"),
        (b"late,late\n1,1\n", "several columns of the name late"),
    ],
)
def test_a_damaged_csv_file_is_named(content: bytes, reason: str, project: Path) -> None:
    (project / "incoming").mkdir()
    (project / "incoming" / "a.csv").write_bytes(content)
    with pytest.raises(ProjectError, match=reason):
        batch()


@pytest.mark.parametrize("name", ["a.parquet", "a.csv.gz"])
def test_a_half_written_file_is_named(name: str, flights: pd.DataFrame, deliver: Deliver) -> None:
    path = deliver(flights, name)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ProjectError, match=f"{name} cannot be read"):
        batch()


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("incoming/*.csv", r"no file matches incoming/\*.csv"),
        ("absent.csv", "absent.csv does not exist"),
        ("nosuch://bucket/a.csv", "nosuch://bucket/a.csv cannot be opened"),
    ],
)
def test_a_place_without_files_is_named(pattern: str, reason: str, change: Change) -> None:
    change(data={"files": {"paths": [pattern]}})
    with pytest.raises(ProjectError, match=reason):
        batch()


def test_a_query_is_asked_only_for_newer_rows(database: Path, flights: pd.DataFrame) -> None:
    assert len(batch().rows) == len(flights)
    newest = flights["departure"].iloc[399]
    found = batch(str(newest))
    assert sorted(found.rows["flight_id"]) == sorted(flights.loc[flights["departure"] > newest, "flight_id"])


def test_the_url_of_the_database_may_come_from_the_environment(
    database: Path, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(data={"sql": {"url": "env:FLIGHTS_URL", "query": QUERY}})
    with pytest.raises(ProjectError, match="environment variable FLIGHTS_URL is not set"):
        batch()
    monkeypatch.setenv("FLIGHTS_URL", f"sqlite:///{database}")
    assert len(batch().rows)


@pytest.mark.parametrize(
    ("url", "query", "reason"),
    [
        ("sqlite:///absent.db", QUERY, "absent.db does not exist"),
        ("sqlite:///flights.db", "SELECT * FROM absent", "no such table: absent"),
        ("nosuch://u:secret@h/db", QUERY, "no driver for this database"),
        ("u:secret@h", QUERY, "no database URL"),
        ("mssql+pymssql://u:secret@127.0.0.1:1/db", QUERY, "uv add"),
    ],
)
def test_a_database_that_cannot_be_read_is_one_line_without_the_password(
    url: str, query: str, reason: str, database: Path, change: Change
) -> None:
    change(data={"sql": {"url": url, "query": query}})
    with pytest.raises(ProjectError, match=reason) as raised:
        batch()
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unreachable_database_is_one_line_without_the_password(
    database: Path, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("could not connect with s3cret\nfor many reasons")

    change(data={"sql": {"url": "sqlite://u:s3cret@h/", "query": QUERY}})
    monkeypatch.setattr("sqlalchemy.engine.default.DefaultDialect.connect", unreachable)
    monkeypatch.setattr(
        "sqlalchemy.dialects.sqlite.pysqlite.SQLiteDialect_pysqlite.create_connect_args", lambda *_: ([], {})
    )
    with pytest.raises(ProjectError, match="cannot be read: could not connect") as raised:
        batch()
    assert "s3cret" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.fixture
def sample(project: Path, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample feed in small: a flight in each month but the last, one that never arrived, one at midnight."""
    months = [*range(1, 12), 1, 1]
    flights = pd.DataFrame(
        {
            "year": 2013,
            "month": months,
            "day": 5,
            "hour": 5,
            "minute": [15] * 12 + [45],
            "sched_dep_time": 515,
            "sched_arr_time": [800] * 12 + [2400],
            "arr_delay": [20.0] * 11 + [None, 14.0],
            "carrier": "UA",
            "flight": 1,
            "origin": "EWR",
            "dest": "IAH",
            "distance": 1400,
            "time_hour": "2013-01-05T10:00:00Z",
        }
    )
    weather = pd.DataFrame(
        {"origin": "EWR", "time_hour": ["2013-01-05T10:00:00Z"], "year": 2013, "month": 1, "day": 5, "hour": 5}
        | dict.fromkeys(("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"), 1.0)
        | dict.fromkeys(("precip", "pressure", "visib"), 1.0)
    )
    weather.to_csv(project / "weather.csv", index=False)
    with zipfile.ZipFile(project / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", flights.to_csv(index=False))
    monkeypatch.setattr(feed, "folder", lambda: project)
    change(data={"source": "sample"})


def test_the_sample_begins_with_a_quarter_then_brings_a_month_and_ends(sample: None) -> None:
    assert batch().rows["departure"].dt.month.unique().tolist() == [1, 2, 3]
    assert batch("2013-03-05 05:15").rows["departure"].dt.month.tolist() == [4]
    assert batch("2013-12-31 23:59").rows.empty


def test_the_sample_knows_nothing_from_after_departure_but_the_target(sample: None, change: Change) -> None:
    rows = batch().rows
    assert not {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"} & set(rows)
    assert rows["late"].tolist() == [1, 0, 1, 1]
    assert rows["arrival_minute"].tolist() == [480, 0, 480, 480]
    change(columns={"target": "arrival_delay"})
    assert "late" not in batch().rows


def test_the_sample_of_another_target_is_refused(sample: None, change: Change) -> None:
    change(columns={"target": "delay"})
    with pytest.raises(ProjectError, match=r"columns\.target is 'delay'"):
        batch()


def test_a_missing_sample_names_the_command_that_brings_it(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    change(data={"source": "sample"})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ProjectError, match="uv sync --group sample"):
        batch()
