"""Of many rows a part is in memory at a time, and what comes of them is the same as of all at once."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlops_template.data import csv_file, incoming, partitions, row_ids, source_files, source_query, split, uniqueness
from mlops_template.data.inspection import BatchRejected
from mlops_template.errors import ProjectError
from mlops_template.settings import paths
from mlops_template.settings.params import load_params
from pandas.testing import assert_frame_equal
from ruamel.yaml import YAML

from .conftest import CONTRACT, Change, Deliver, Take
from .test_ingest import held

ROWS = 50


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part of data is so small that six hundred flights are many."""
    monkeypatch.setattr(partitions, "ROWS", ROWS)
    monkeypatch.setattr(source_files, "CHUNK", 40)
    monkeypatch.setattr(source_query, "CHUNK", 40)
    monkeypatch.setattr(incoming, "GROUP", 7)
    monkeypatch.setattr(csv_file, "BLOCK", 2000)
    monkeypatch.setattr(csv_file, "WHOLE", 4000)
    monkeypatch.setattr(split, "GROUP", 90)


@pytest.fixture
def shuffled(flights: pd.DataFrame) -> pd.DataFrame:
    """The flights in no order."""
    return flights.sample(frac=1, random_state=0, ignore_index=True)


def at_once(take: Take, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """What is held when all rows are taken in one part; nothing is held afterwards."""
    with monkeypatch.context() as context:
        for module, name in ((partitions, "ROWS"), (source_files, "CHUNK"), (source_query, "CHUNK"), (csv_file, "WHOLE")):
            context.setattr(module, name, 10**6)
        take()
    (part,) = partitions.files()
    rows = partitions.read()
    part.unlink()
    return rows


@pytest.mark.parametrize("names", [["a.csv"], ["a.csv.gz"], ["a.parquet"], ["a.csv", "b.parquet", "c.csv"]])
def test_a_batch_in_parts_is_held_as_one_at_once(
    names: list[str], shuffled: pd.DataFrame, deliver: Deliver, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(names):
        deliver(shuffled.iloc[number :: len(names)], name)
    whole = at_once(take, monkeypatch)
    taken = take()
    assert taken.rows == len(shuffled) and taken.partitions == partitions.files()
    assert_frame_equal(partitions.read(), whole)
    sizes = [len(partitions.read(only=[part])) for part in partitions.files()]
    assert max(sizes) <= ROWS and len(sizes) <= -(-len(shuffled) // ROWS) + 1
    assert taken.window == (shuffled["departure"].min(), shuffled["departure"].max())


def test_a_query_in_parts_is_held_as_one_at_once(
    shuffled: pd.DataFrame, project: Path, change: Change, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = sqlite3.connect(project / "flights.db")
    shuffled.assign(departure=shuffled["departure"].astype("str")).to_sql("flights", connection, index=False)
    connection.close()
    change(data={"source": "sql", "sql": {"url": "sqlite:///flights.db", "query": "SELECT * FROM flights"}})
    whole = at_once(take, monkeypatch)
    take()
    assert len(partitions.files()) > 10
    assert_frame_equal(partitions.read(), whole)


def test_many_rows_of_one_moment_stay_in_one_partition(
    shuffled: pd.DataFrame, deliver: Deliver, take: Take
) -> None:
    """The next batch would take the rest of them for late."""
    deliver(shuffled.assign(departure=shuffled["departure"].dt.to_period("M").dt.start_time))
    take()
    moments = [set(partitions.read(["departure"], [part])["departure"]) for part in partitions.files()]
    assert [len(one) for one in moments] == [1, 1, 1]
    assert len(partitions.read()) == len(shuffled)


def test_equal_rows_of_several_parts_get_ids_of_their_own(
    shuffled: pd.DataFrame, deliver: Deliver, take: Take, change: Change, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a time tells which rows are fresh, or only how often a row is there."""
    rules = {"row_id": {"type": "string", "unique": True}, **CONTRACT}
    del rules["flight_id"]
    YAML().dump({"columns": rules}, project / "contract.yaml")
    rows = shuffled.drop(columns="flight_id")
    for name in ("a.csv", "b.parquet"):
        deliver(rows, name)
    for time in ("departure", None):
        change(columns={"id": "row_id", "time": time}, split={"holdout": 0.2})
        whole = at_once(take, monkeypatch)
        assert take().rows == 2 * len(rows)
        assert_frame_equal(partitions.read(), whole)
        assert partitions.read()["row_id"].is_unique
        assert take().rows == 0
        for part in partitions.files():
            part.unlink()


def test_without_a_time_the_parts_come_as_they_are(
    shuffled: pd.DataFrame, deliver: Deliver, take: Take, change: Change
) -> None:
    change(columns={"time": None}, split={"holdout": 0.2})
    deliver(shuffled, "a.parquet")
    assert take().rows == len(shuffled)
    assert partitions.read()["flight_id"].tolist() == shuffled["flight_id"].tolist()
    assert len(partitions.files()) > 10
    deliver(shuffled.assign(flight_id=shuffled["flight_id"] + " again").iloc[:60], "b.parquet")
    assert take().rows == 60


@pytest.fixture
def refusal(shuffled: pd.DataFrame, deliver: Deliver, take: Take) -> Any:
    """`refusal(change of the rows)`: the report on a batch of many parts that must be refused."""

    def refused(rows: pd.DataFrame) -> str:
        deliver(rows, "a.parquet")
        before = held()
        with pytest.raises(BatchRejected):
            take()
        assert held() == before
        return paths.REFUSED.read_text(encoding="utf-8")

    return refused


def test_a_rule_broken_in_any_part_refuses_the_whole(shuffled: pd.DataFrame, refusal: Any) -> None:
    far = shuffled.index.isin([3, 300, len(shuffled) - 1])
    report = refusal(shuffled.assign(distance=shuffled["distance"].mask(far, 9000)))
    assert "| distance | max is 6000 | 3 |" in report
    assert report.count(": 9000") == 3


def test_an_id_in_two_parts_refuses_the_batch(shuffled: pd.DataFrame, refusal: Any) -> None:
    ids = shuffled["flight_id"].copy()
    ids.iloc[-1] = ids.iloc[0]
    report = refusal(shuffled.assign(flight_id=ids))
    assert f"| flight_id | is unique | 2 | {ids.iloc[0]}: 2 times |" in report


def test_a_batch_has_one_class_only_where_all_of_its_parts_have_it(
    shuffled: pd.DataFrame, refusal: Any, deliver: Deliver, take: Take
) -> None:
    assert f"| late | has two classes or more | {len(shuffled)} |" in refusal(shuffled.assign(late=0))
    deliver(shuffled.sort_values("late"), "a.parquet")
    assert take().rows == len(shuffled)


def test_partitions_are_put_in_place_all_or_none(
    shuffled: pd.DataFrame, deliver: Deliver, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(shuffled)
    replace, done = os.replace, []

    def full(*given: Any) -> None:
        done.append(given)
        if len(done) == 3:
            raise OSError(28, "No space left on device")
        replace(*given)

    with monkeypatch.context() as context:
        context.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space"):
            take()
    assert held() == {}
    assert take().rows == len(shuffled)


def test_what_a_power_cut_left_of_a_batch_is_taken_up_again(
    shuffled: pd.DataFrame, deliver: Deliver, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the oldest of its partitions are there, whose rows the next `ingest` does not take again."""
    deliver(shuffled)
    whole = at_once(take, monkeypatch)
    take()
    for part in partitions.files()[3:]:
        part.unlink()
    assert take().rows == len(shuffled) - len(partitions.read(only=partitions.files()[:3]))
    assert_frame_equal(partitions.read(), whole)


@pytest.mark.parametrize("seed", range(12))
def test_the_split_of_partitions_is_that_of_all_rows(
    seed: int, shuffled: pd.DataFrame, change: Change, project: Path
) -> None:
    """However they overlap, whatever the delay of labels and the size of the holdout."""
    random = np.random.default_rng(seed)
    delay, size = f"{random.integers(0, 9)} days", random.choice([0.1, 0.3, 0.5, "9 days", "28 days"])
    change(data={"label_delay": delay}, split={"holdout": float(size) if size[0] == "0" else str(size)})
    rows = shuffled.assign(departure=shuffled["departure"].dt.floor(random.choice(["D", "h", "min"])))
    if seed % 2:
        rows = rows.sort_values(["departure", "flight_id"], ignore_index=True)
    for part in np.array_split(np.arange(len(rows)), random.integers(1, 9)):
        partitions.add_all([rows.iloc[part].sort_values("departure")], "departure")
    split.main()
    params = load_params()
    ordered = partitions.read().sort_values(["departure", "flight_id"], ignore_index=True)
    known = ordered[split.labelled(ordered, params)]
    held_out = split.holdout(known, params)
    for path, chosen in ((paths.TRAIN, ~held_out), (paths.HOLDOUT, held_out)):
        assert_frame_equal(pd.read_parquet(path), known[chosen].reset_index(drop=True))


def test_the_place_of_a_quantile_is_that_of_pandas() -> None:
    for count in (1, 2, 3, 7, 10, 99, 100, 101, 1000, 12345):
        values = pd.Series(range(count))
        for share in np.linspace(0.01, 0.99, 99):
            expected = values.quantile(1 - share, interpolation="lower")
            assert split.place_of_quantile(count, 1 - share) == expected, (count, share)


def test_two_ids_with_one_hash_are_not_taken_for_the_same(
    shuffled: pd.DataFrame, deliver: Deliver, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_ids, "row_hashes", lambda ids: (np.arange(len(ids)) % 5).astype("uint64"))
    deliver(shuffled)
    assert take().rows == len(shuffled)
    assert uniqueness.repeated(partitions.files(), "flight_id").empty


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the files that were opened to be read."""
    opened, names = source_files.opened, []
    monkeypatch.setattr(source_files, "opened", lambda path: names.append(Path(path).name) or opened(path))
    yield names


def aged(path: Path, seconds: float = 60) -> Path:
    """A file that was changed a while ago."""
    moment = path.stat().st_mtime - seconds
    os.utime(path, (moment, moment))
    return path


def test_only_files_that_are_new_or_changed_are_read(
    flights: pd.DataFrame, deliver: Deliver, take: Take, reads: list[str]
) -> None:
    aged(deliver(flights.iloc[:200], "a.csv"))
    assert take().rows == 200
    aged(deliver(flights.iloc[200:400], "b.csv"))
    assert take().rows == 200
    assert reads == ["a.csv", "b.csv"]
    reads.clear()
    assert take().rows == 0
    assert reads == []
    aged(deliver(flights.iloc[200:], "b.csv"), 30)
    assert take().rows == len(flights) - 400
    assert reads == ["b.csv"]


def test_a_file_that_was_changed_only_now_is_read_again(
    flights: pd.DataFrame, deliver: Deliver, take: Take, reads: list[str]
) -> None:
    """It may be changed again without its time telling."""
    deliver(flights.iloc[:200], "a.csv")
    take()
    take()
    assert reads == ["a.csv", "a.csv"]


@pytest.mark.parametrize("lost", ["a partition", "the list", "half of the list", "the time column"])
def test_files_are_read_again_where_the_rows_they_gave_are_gone(
    lost: str, flights: pd.DataFrame, deliver: Deliver, take: Take, change: Change, reads: list[str]
) -> None:
    aged(deliver(flights, "a.csv"))
    take()
    known = paths.RAW / "files.json"
    if lost == "a partition":
        partitions.files()[-1].unlink()
    elif lost == "the list":
        known.unlink()
    elif lost == "half of the list":
        known.write_text(known.read_text()[:40])
    else:
        change(columns={"time": None}, split={"holdout": 0.2})
    before = len(partitions.read())
    assert take().rows == len(flights) - before
    assert reads == ["a.csv", "a.csv"]


def test_a_refused_batch_is_not_remembered(flights: pd.DataFrame, deliver: Deliver, take: Take) -> None:
    aged(deliver(flights.assign(distance=9000)))
    with pytest.raises(BatchRejected):
        take()
    assert not (paths.RAW / "files.json").exists()


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ({"size": 7, "ETag": '"5d41"'}, '7 "5d41"'),
        ({"size": 7, "md5Hash": "XrY7==", "mtime": 1.0}, "7 XrY7=="),
        ({"size": 7, "LastModified": pd.Timestamp("2020-01-01", tz="UTC")}, "7 2020-01-01T00:00:00+00:00"),
        ({"size": 7, "mtime": 1577836800}, "7 2020-01-01T00:00:00+00:00"),
        ({"size": 7, "Last-Modified": "Wed, 01 Jan 2020 00:00:00 GMT"}, None),
        ({"size": 7}, None),
    ],
)
def test_a_version_is_what_the_storage_tells(
    told: dict[str, Any], version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3, Azure and HTTP have an ETag, Google a digest, others a time; without either a file is always read."""
    import fsspec
    from mlops_template.data.known_files import version_of

    class Storage:
        def info(self, _: str) -> dict[str, Any]:
            return told

    monkeypatch.setattr(fsspec, "url_to_fs", lambda path: (Storage(), path))
    assert version_of("s3://bucket/a.csv") == version


def test_a_damaged_file_in_the_middle_takes_nothing(
    shuffled: pd.DataFrame, deliver: Deliver, take: Take
) -> None:
    deliver(shuffled.iloc[:300], "a.csv")
    path = deliver(shuffled.iloc[300:], "b.parquet")
    path.write_bytes(path.read_bytes()[:-2000] + b"x" * 2000)
    with pytest.raises(ProjectError, match="b.parquet cannot be read"):
        take()
    assert held() == {}
