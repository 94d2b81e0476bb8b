"""The log of predictions keeps what it can, in SQLite as in PostgreSQL, and is never in the way of an answer."""

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from mlops_template.errors import ProjectError
from mlops_template.prediction_log import log_tables
from mlops_template.prediction_log.handover import Outcome, Traffic
from mlops_template.prediction_log.policy import LogPolicy, key_of
from mlops_template.prediction_log.retention import forget, prune
from mlops_template.prediction_log.writer import Writer
from mlops_template.serving import log_queue
from mlops_template.serving.log_queue import PredictionLog

from logged import Answered, InProcess, answered, handover, setup, write
from postgres import Server, postgres

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
BODY, VALUES = b'{"distance": 500}', [0.25, 0.75, 1]
DAY = 86_400.0


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL on loopback."""
    with postgres() as running:
        yield running


@pytest.fixture
def database(server: Server) -> str:
    """An empty log in PostgreSQL."""
    engine = log_tables.connect(server.url)
    with engine.begin() as connection:
        connection.execute(sa.text("drop schema public cascade"))
        connection.execute(sa.text("create schema public"))
    engine.dispose()
    return server.url.replace("+psycopg", "")


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty log of each kind."""
    found: str = request.getfixturevalue("database") if request.param == "postgresql" else str(tmp_path / "log.db")
    return found


def asked(at: float = NOW, body: bytes = BODY, rows: int = 1, request: str = "") -> Answered:
    """A request of so many rows."""
    return answered(at, body, [VALUES] * rows, request)


def name_of(entry: Answered) -> str:
    """The id of the first prediction."""
    return str(json.loads(entry[1])["predictions"][0]["id"])


def started(place: str, **settings: Any) -> PredictionLog:
    """A log that stores what it is given."""
    log = PredictionLog(InProcess(setup(place)), **settings)
    log.start()
    return log


def held(place: str, table: sa.Table = log_tables.predictions) -> list[dict[str, Any]]:
    """All rows of a table of the log, in order."""
    engine = log_tables.connect(place)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(table).order_by(*table.primary_key)).mappings().all()
    engine.dispose()
    return [dict(row) for row in rows]


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_each_row_of_a_request_is_stored_with_its_reply(place: str) -> None:
    body = b'[{"distance":\t500, "carrier": "a\\nb\\\\."},\n {"distance":\n7}]'
    entry = asked(body=body, rows=2)
    write(place, entry, asked(NOW + 1))
    first, second, third = held(place)
    assert first | {"at": first["at"].replace(tzinfo=UTC)} == {
        "id": name_of(entry),
        "at": datetime.fromtimestamp(NOW, UTC),
        "model": "d1.dir",
        "row_id": None,
        "features": '{"distance":\t500, "carrier": "a\\nb\\\\."}',
        "prediction": "[0.25,0.75,1]",
    }
    assert second["features"] == '{"distance":7}'
    assert third["id"] > second["id"] > first["id"]


def test_the_contracts_id_is_the_key_and_no_feature(place: str) -> None:
    """However JSON writes its name, and a number that no float holds is kept to the last digit."""
    body = rb'[{"id": 17, "x": 1}, {"x": 2}, {"\u0069d": "a\\\t\n\r:\u0000", "x": 3}, {"id": 12345678901234567890123}]'
    write(place, asked(body=body, rows=4), id_column="id")
    assert [(row["row_id"], row["features"]) for row in held(place)] == [
        ("17", '{"x":1}'),
        (None, '{"x": 2}'),
        ("a\\\t\n\r:\ufffd", '{"x":3}'),
        ("12345678901234567890123", "{}"),
    ]


def test_what_must_not_be_stored_is_not(place: str) -> None:
    """Columns that are left out, and an id that is hashed: the same one always alike, by the secret alone."""
    policy, body = LogPolicy(leave_out=["name"], hash_id=True), b'{"id": "anna", "name": "Anna", "x": 1}'
    key = key_of(policy, "a secret of some length")
    write(place, asked(body=body), asked(NOW + 1, body), policy=policy, id_column="id", key=key)
    stored = held(place)
    assert stored[0]["row_id"] == stored[1]["row_id"] != "anna"
    assert "anna" not in str(stored).lower()
    write(place, asked(NOW + 2, body), policy=policy, id_column="id", key=b"another")
    assert held(place)[2]["row_id"] != stored[0]["row_id"]
    with pytest.raises(ProjectError, match=r"a secret of 16 characters or more in PREDICTIONS_KEY"):
        key_of(policy, "short")


def test_an_id_that_is_left_out_is_not_stored_either(place: str) -> None:
    write(place, asked(body=b'{"id": "anna", "x": 1}'), policy=LogPolicy(leave_out=["id"]), id_column="id")
    [row] = held(place)
    assert (row["row_id"], row["features"]) == (None, '{"x":1}')


def test_a_sample_is_a_share_of_the_requests(tmp_path: Path) -> None:
    log = started(str(tmp_path / "log.db"), sample=0.1)
    for number in range(2000):
        log.add(*asked(NOW + number), 1)
    log.close()
    assert 120 < log.kept < 280
    assert log.lost == 0


def test_of_several_outcomes_the_one_known_last_counts(place: str) -> None:
    """Whether they come in this order or not, in one batch or in several."""
    early, late = (datetime.fromtimestamp(NOW + seconds, UTC) for seconds in (0, 9))
    write(place, Outcome("a", b"0", late), Outcome("a", b"1", early), Outcome("b", b"0", early))
    write(place, Outcome("a", b"1", early), Outcome("b", b"1", late))
    write(place, Outcome("b", b"1", late))
    assert [(row["key"], row["value"], row["corrections"]) for row in held(place, log_tables.outcomes)] == [
        ("a", "0", 0),
        ("b", "1", 1),
    ]


def test_requests_are_counted_by_minute_status_and_latency(place: str) -> None:
    log = started(place)
    for seconds in (0.0004, 0.0004, 9.0):
        log.count(200, 5, seconds)
    log.count(422, 0, 0.001, "distance")
    log.close()
    refused, good = sorted(held(place, log_tables.traffic), key=lambda row: -row["status"])
    assert (good["requests"], good["rows"], good["seconds"]) == (3, 15, "[0,0,2,0,0,0,0,0,0,0,0,0,0,0,1]")
    assert (refused["column"], refused["requests"]) == ("distance", 1)


def test_what_was_stored_before_a_connection_broke_is_not_stored_twice(place: str) -> None:
    """Nor what a writer stored before it died, which another one is given again."""
    again = handover(asked(), traffic=[Traffic(29_000_000, 200, "", 1, 1, [1])])
    for _ in range(2):
        writer = Writer(setup(place))
        writer.store(again)
        writer.store(again)
        writer.close()
    assert len(held(place)) == 1
    assert len(held(place, log_tables.traffic)) == 1


def test_two_processes_share_a_log(place: str) -> None:
    """Here two writers: to the database it is the same. Each makes the tables if the other has not."""
    logs = [started(place) for _ in range(2)]
    for number in range(500):
        for log in logs:
            log.add(*asked(NOW + number), 1)
    for log in logs:
        log.close()
    assert [log.lost for log in logs] == [0, 0]
    assert len(held(place)) == 1000


def test_a_month_of_postgresql_is_a_partition_that_leaves_whole(database: str) -> None:
    write(database, asked(NOW - 70 * DAY), asked(NOW - 40 * DAY), asked(NOW))
    engine = log_tables.connect(database)
    assert {"predictions_2026_09", "predictions_2026_10", "predictions_2026_11"} <= set(
        sa.inspect(engine).get_table_names()
    )
    prune(engine, NOW - 50 * DAY)
    assert "predictions_2026_09" not in sa.inspect(engine).get_table_names()
    engine.dispose()
    assert len(held(database)) == 2


def test_an_account_that_may_make_no_table_writes_into_the_default_partition(database: str) -> None:
    write(database, asked(NOW - 40 * DAY))
    engine = log_tables.connect(database)
    with engine.begin() as connection:
        for statement in (
            "drop role if exists service",
            "create role service login password 'weak'",
            "grant usage on schema public to service",
            "grant select, insert, update, delete on all tables in schema public to service",
        ):
            connection.execute(sa.text(statement))
    write(database.replace("me:s3cret", "service:weak"), asked(NOW))
    with engine.begin() as connection:
        inside = connection.execute(sa.text("select count(*) from predictions_other")).scalar()
        connection.execute(sa.text("drop owned by service"))
        connection.execute(sa.text("drop role service"))
    engine.dispose()
    assert inside == 1


def test_what_is_too_old_is_deleted_by_the_service_itself(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_template.prediction_log.retention.CHUNK", 3)
    old = [asked(NOW - 20 * DAY + number) for number in range(8)]
    write(place, *old, Outcome("a", b"1", datetime.fromtimestamp(NOW - 20 * DAY, UTC)))
    keep = time.time() - NOW + 10 * DAY
    write(place, asked(NOW), policy=LogPolicy(keep_seconds=keep))
    assert len(held(place)) == 1
    assert held(place, log_tables.outcomes) == []


def test_a_subject_is_forgotten_whole(place: str) -> None:
    """Its predictions, what was told of its id, and what was told of the ids of its predictions; no one else's."""
    hers, others = asked(body=b'{"id": 1}'), asked(NOW + 1, b'{"id": 2}')
    known = datetime.fromtimestamp(NOW, UTC)
    told = [Outcome(key, b"1", known) for key in ("1", name_of(hers), "2")]
    write(place, hers, others, *told, id_column="id")
    engine = log_tables.connect(place)
    assert forget(engine, ["1"], LogPolicy(), b"") == (1, 2)
    assert forget(engine, ["1"], LogPolicy(), b"") == (0, 0)
    engine.dispose()
    assert [row["row_id"] for row in held(place)] == ["2"]
    assert [row["key"] for row in held(place, log_tables.outcomes)] == ["2"]


def test_what_is_forgotten_is_not_left_in_the_file(tmp_path: Path) -> None:
    """SQLite leaves the bytes of deleted rows in the file unless it is told to overwrite them."""
    place = str(tmp_path / "log.db")
    write(place, asked(body=b'{"id": 1, "name": "Anna Unmistakable"}'), id_column="id")
    engine = log_tables.connect(place)
    forget(engine, ["1"], LogPolicy(), b"")
    engine.dispose()
    sqlite3.connect(place).execute("pragma wal_checkpoint(truncate)").close()
    assert b"Unmistakable" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_a_server_that_is_away_for_a_while_costs_nothing(
    server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes meanwhile waits in memory and is stored when it is back."""
    monkeypatch.setattr(log_queue, "PAUSE", 0.1)
    log = started(database)
    log.add(*asked(NOW), 1)
    wait_for(lambda: log.kept == 1)
    server.stop()
    for number in range(1, 100):
        log.add(*asked(NOW + number), 1)
    wait_for(lambda: log.failure != "")
    server.start()
    wait_for(lambda: log.kept == 100)
    log.close()
    assert log.lost == 0
    assert len(held(database)) == 100


def test_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite answers to a file at its limit of pages as to a full disk; with room again, it goes on."""
    place, full = str(tmp_path / "log.db"), [True]
    monkeypatch.setattr(log_queue, "PAUSE", 0.05)
    prepare = log_tables.prepare_sqlite

    def small(connection: Any, record: Any) -> None:
        prepare(connection, record)
        if full:
            connection.execute("pragma max_page_count = 8")

    monkeypatch.setattr(log_tables, "prepare_sqlite", small)
    log = started(place)
    for number in range(1000):
        log.add(*asked(NOW + number), 1)
    wait_for(lambda: "full" in log.failure)
    assert log.lost == 0
    full.clear()
    wait_for(lambda: log.kept == 1000)
    log.close()
    assert len(held(place)) == 1000


def test_a_row_that_the_database_refuses_holds_up_no_other(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_queue, "GATHERING", 0.01)
    process = InProcess(setup(place, model=None))
    log = PredictionLog(process)
    log.start()
    log.add(*asked(), 1)
    wait_for(lambda: log.lost == 1)
    assert process.writer
    process.writer.setup = setup(place)
    log.add(*asked(NOW + 1), 1)
    log.close()
    assert (log.kept, log.lost) == (1, 1)


def test_a_place_that_cannot_be_written_loses_what_it_is_given(tmp_path: Path) -> None:
    log = started(str(tmp_path / "missing" / "log.db"))
    for _ in range(10):
        log.add(*asked(), 1)
    log.close()
    assert (log.kept, log.lost) == (0, 10)
    assert "unable to open" in log.why_lost


def test_each_reason_is_told_once_and_no_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What comes in too quickly because nothing can be written is lost for that reason."""
    monkeypatch.setattr(log_queue, "MAX_WAITING_BYTES", 10 * size_of(asked()))
    monkeypatch.setattr(log_queue, "PAUSE", 0.05)
    caplog.set_level(logging.WARNING)
    log = started("postgresql://me:s3cret@127.0.0.1:1/none")
    log.add(*asked(), 1)
    wait_for(lambda: log.failure != "")
    for _ in range(20):
        log.add(*asked(), 1)
    log.close()
    assert log.lost == 21
    messages = [record.getMessage() for record in caplog.records]
    assert 1 <= len(messages) <= 3
    assert all("predictions are not stored in postgresql+psycopg://me:***@127.0.0.1:1/none" in one for one in messages)
    assert "refused" in messages[0]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("mysql://me@host/db", "in mysql is not supported: give a file, or a URL of postgresql://"),
        ("postgresql://me:p@ss:w@host:port/db", "no database URL"),
        ("nonsense://x", "in nonsense is not supported"),
    ],
)
def test_a_place_that_is_none_is_refused_at_the_start(place: str, said: str) -> None:
    with pytest.raises(ProjectError, match=said):
        log_tables.database_url(place)


def test_what_comes_while_something_is_stored_is_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each transaction costs as much as many rows: only what fills one is stored at once."""
    monkeypatch.setattr(log_queue, "MAX_HANDOVER_BYTES", 3 * size_of(asked()))
    process = InProcess(setup(tmp_path / "log.db"))
    process.start()
    log = PredictionLog(process)
    for number in range(8):
        log.add(*asked(NOW + number), 1)
    log._store_waiting()
    assert (log.kept, len(log._waiting)) == (6, 1)
    log._store_waiting()
    assert (log.kept, len(log._waiting)) == (8, 0)


def size_of(entry: Answered) -> int:
    """Bytes that a request takes while it waits."""
    return sum(map(len, entry))


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the database stands still: what is too much is left out at once, and there is room again afterwards."""
    monkeypatch.setattr(log_queue, "MAX_WAITING_BYTES", 10 * size_of(asked()))
    log = PredictionLog(InProcess(setup(tmp_path / "log.db")))
    for number in range(50):
        log.add(*asked(NOW + number), 1)
    known = datetime.fromtimestamp(NOW, UTC)
    assert log.add_outcomes([Outcome("a", b"1", known)] * 5) == 0
    log.start()
    wait_for(lambda: log.kept == 10)
    assert log.add_outcomes([Outcome("a", b"1", known)] * 5) == 10 * size_of(asked()) // log_queue.OUTCOME_BYTES
    log.close()
    assert (log.kept, log.lost) == (10, 40)
