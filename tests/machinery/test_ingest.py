"""A batch is taken whole or not at all; a refused one leaves a report, and the data as it was."""

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlops_template.data import partitions, validate
from mlops_template.data.inspection import BatchRejected
from mlops_template.errors import ProjectError
from mlops_template.settings import paths
from ruamel.yaml import YAML

from .conftest import Change, Deliver, Take

HALF = 300


def held() -> dict[str, bytes]:
    """All files under `data`, with their bytes."""
    return {path.name: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()}


def report_of_validate() -> dict[str, Any]:
    """What the stage wrote."""
    report: dict[str, Any] = json.loads(paths.VALIDATION.read_text(encoding="utf-8"))
    return report


def refused(take: Take) -> str:
    """Take a batch that must be refused; the report."""
    before = held()
    with pytest.raises(BatchRejected, match=r"reports/refused\.md") as raised:
        take()
    assert "\n" not in str(raised.value)
    assert held() == before
    return paths.REFUSED.read_text(encoding="utf-8")


@pytest.fixture
def earlier(flights: pd.DataFrame, deliver: Deliver, take: Take) -> pd.DataFrame:
    """The first half of the flights, held already; the source is empty again."""
    rows = flights.iloc[:HALF]
    path = deliver(rows, "earlier.csv")
    take()
    path.write_text(",".join(rows) + "\n")
    return rows


def test_fresh_rows_become_one_partition_named_by_its_dates(
    flights: pd.DataFrame, deliver: Deliver, take: Take
) -> None:
    deliver(flights.sample(frac=1, random_state=0))
    taken = take()
    assert (taken.rows, taken.late) == (len(flights), 0)
    assert [path.name for path in partitions.files()] == ["2013-01-01_2013-03-31.parquet"]
    assert partitions.read()["departure"].is_monotonic_increasing
    assert set(partitions.read(["flight_id"])["flight_id"]) == set(flights["flight_id"])


def test_the_same_rows_give_the_same_bytes(flights: pd.DataFrame, deliver: Deliver, take: Take) -> None:
    deliver(flights)
    take()
    first = held()
    partitions.files()[0].unlink()
    deliver(flights.iloc[::-1])
    take()
    assert held() == first


def test_only_what_is_new_is_taken_and_late_rows_are_counted(
    earlier: pd.DataFrame, flights: pd.DataFrame, deliver: Deliver, take: Take
) -> None:
    late = earlier.iloc[:4].assign(flight_id=[f"late {number}" for number in range(4)])
    deliver(pd.concat([flights, late]))
    taken = take()
    assert (taken.rows, taken.late) == (len(flights) - HALF, 4)
    assert "4 late rows" in str(taken)
    assert sorted(partitions.read()["flight_id"]) == sorted(flights["flight_id"])


def test_nothing_fresh_changes_nothing(earlier: pd.DataFrame, deliver: Deliver, take: Take) -> None:
    deliver(earlier)
    before = held()
    taken = take()
    assert (taken.rows, taken.partitions) == (0, [])
    assert held() == before


def test_an_empty_batch_changes_nothing(earlier: pd.DataFrame, take: Take) -> None:
    before = held()
    assert take().rows == 0
    assert held() == before


def test_partitions_stay_in_order_of_time_however_many_a_day_brings(project: Path, flights: pd.DataFrame) -> None:
    times = pd.date_range("2013-01-01", periods=12, freq="h")
    rows = flights.iloc[:12].assign(departure=times, late=[0, 1] * 6)
    for number in range(0, 12):
        partitions.add(rows.iloc[number : number + 1], "departure")
    assert len(partitions.files()) == 12
    assert partitions.read()["departure"].tolist() == times.tolist()


def test_without_a_time_partitions_are_numbered(
    flights: pd.DataFrame, deliver: Deliver, take: Take, change: Change
) -> None:
    change(columns={"time": None}, split={"holdout": 0.2})
    deliver(flights.iloc[:HALF], "a.csv")
    take()
    deliver(flights, "b.csv")
    taken = take()
    assert taken.rows == len(flights) - HALF
    assert [path.name for path in partitions.files()] == ["000001.parquet", "000002.parquet"]


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("distance", -1, "min is 0"),
        ("distance", 9000, "max is 6000"),
        ("distance", "far", "type is integer"),
        ("departure", "soon", "type is datetime"),
        ("origin", "BOS", "allowed are EWR, JFK, LGA"),
        ("carrier", None, "is not null"),
        ("late", None, "is not null"),
        ("late", 2, "allowed are 0, 1"),
        ("departure", "2999-01-01", "is not in the future"),
    ],
)
def test_one_bad_row_refuses_the_batch(
    column: str, value: Any, rule: str, earlier: pd.DataFrame, flights: pd.DataFrame, deliver: Deliver, take: Take
) -> None:
    rows = flights.iloc[HALF:].astype(object)
    rows.iloc[5, list(rows).index(column)] = value
    deliver(rows)
    report = refused(take)
    (line,) = [line for line in report.splitlines() if line.startswith(f"| {column} |") and rule in line]
    assert "| 1 |" in line
    assert rows["flight_id"].iloc[5] in line


def test_a_file_that_lacks_a_column_that_may_be_null_is_refused_beside_one_that_has_it(
    flights: pd.DataFrame, deliver: Deliver, take: Take
) -> None:
    deliver(flights.iloc[:HALF], "a.csv")
    deliver(flights.iloc[HALF:].drop(columns="wind_gust"), "b.csv")
    assert "| wind_gust | is missing |" in refused(take)


def test_missing_and_surplus_columns_refuse_the_batch(
    earlier: pd.DataFrame, flights: pd.DataFrame, deliver: Deliver, take: Take
) -> None:
    deliver(flights.iloc[HALF:].drop(columns="carrier").assign(tail="N1"))
    report = refused(take)
    assert "| carrier | is missing |" in report
    assert "| tail | is not in the contract |" in report


@pytest.mark.parametrize("column", ["flight_id", "departure", "late"])
def test_a_batch_without_a_column_that_has_a_role_is_refused(
    column: str, earlier: pd.DataFrame, flights: pd.DataFrame, deliver: Deliver, take: Take
) -> None:
    deliver(flights.iloc[HALF:].drop(columns=column))
    assert f"| {column} | is missing |" in refused(take)


def test_an_id_twice_in_the_batch_refuses_it(
    earlier: pd.DataFrame, flights: pd.DataFrame, deliver: Deliver, take: Take
) -> None:
    rows = flights.iloc[HALF:]
    deliver(pd.concat([rows, rows.iloc[:1]]))
    report = refused(take)
    assert report.count("| flight_id |") == 1
    assert rows["flight_id"].iloc[0] in report


def test_an_id_that_is_held_already_refuses_the_batch(
    earlier: pd.DataFrame, flights: pd.DataFrame, deliver: Deliver, take: Take
) -> None:
    rows = flights.iloc[HALF:].copy()
    rows.iloc[0, list(rows).index("flight_id")] = earlier["flight_id"].iloc[0]
    deliver(rows)
    assert "| flight_id | is held already | 1 |" in refused(take)


def test_a_target_with_one_class_refuses_a_batch(flights: pd.DataFrame, deliver: Deliver, take: Take) -> None:
    deliver(flights[flights["late"] == 0])
    assert "| late | has two classes or more |" in refused(take)


def test_a_batch_so_small_that_one_class_is_no_wonder_is_taken(
    earlier: pd.DataFrame, flights: pd.DataFrame, deliver: Deliver, take: Take
) -> None:
    rows = flights.iloc[HALF:]
    deliver(rows[rows["late"] == 0].tail(5))
    assert take().rows == 5


def test_a_number_as_target_need_not_have_classes(
    flights: pd.DataFrame, deliver: Deliver, take: Take, change: Change
) -> None:
    change(task="regression", columns={"target": "arrival_delay", "positive": None}, gates={"primary": "mae"})
    deliver(flights.assign(arrival_delay=1.5))
    assert take().rows == len(flights)


def test_a_good_batch_removes_the_report_on_a_bad_one(flights: pd.DataFrame, deliver: Deliver, take: Take) -> None:
    deliver(flights.assign(distance=-1))
    refused(take)
    deliver(flights)
    take()
    assert not paths.REFUSED.exists()


def test_settings_and_contract_must_name_the_same_columns(
    flights: pd.DataFrame, deliver: Deliver, take: Take, change: Change
) -> None:
    change(columns={"target": "altitude"})
    deliver(flights)
    with pytest.raises(ProjectError, match=r"params\.yaml names altitude"):
        take()


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_crash_while_writing_leaves_the_data_as_it_was(
    broken: str,
    earlier: pd.DataFrame,
    flights: pd.DataFrame,
    deliver: Deliver,
    take: Take,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    deliver(flights)
    before = held()
    with monkeypatch.context() as context:
        context.setattr(os, broken, crash)
        with pytest.raises(KeyboardInterrupt):
            take()
    assert held() == before
    assert take().rows == len(flights) - HALF


def test_what_a_power_cut_left_is_no_data_and_is_swept(
    earlier: pd.DataFrame, flights: pd.DataFrame, deliver: Deliver, take: Take
) -> None:
    half_written = paths.RAW.parent / ".incoming-1" / "000000.parquet"
    half_written.parent.mkdir()
    half_written.write_bytes(b"PAR1 and no more")
    assert len(partitions.read()) == HALF
    deliver(flights)
    take()
    assert not half_written.parent.exists()


def test_validate_reports_every_partition(
    earlier: pd.DataFrame, flights: pd.DataFrame, deliver: Deliver, take: Take
) -> None:
    deliver(flights)
    take()
    validate.main()
    report = report_of_validate()
    assert report["rows"] == len(flights)
    assert [part["rows"] for part in report["partitions"]] == [HALF, len(flights) - HALF]
    assert report["partitions"][0]["first"] == "2013-01-01T05:15:00"


def test_validate_refuses_data_that_a_changed_contract_forbids(
    earlier: pd.DataFrame,
) -> None:
    validate.main()
    before = paths.VALIDATION.read_bytes()
    text = paths.CONTRACT.read_text().replace("max: 6000", "max: 100")
    paths.CONTRACT.write_text(text)
    with pytest.raises(ProjectError, match="distance max is 100, in "):
        validate.main()
    assert paths.VALIDATION.read_bytes() == before, "git keeps it"
    assert "| distance | max is 100, in " in paths.REFUSED.read_text()


def test_the_columns_may_change_after_rows_were_taken_in(
    earlier: pd.DataFrame, flights: pd.DataFrame, deliver: Deliver, take: Take
) -> None:
    """A new one is missing in the older rows, if it may be; one that is gone is left aside."""
    contract = YAML(typ="safe").load(paths.CONTRACT)
    del contract["columns"]["wind_gust"]
    contract["columns"]["gate"] = {"type": "string", "nullable": True}
    YAML().dump(contract, paths.CONTRACT)
    params = paths.PARAMS.read_text()
    paths.PARAMS.write_text(params.replace(" wind_gust,", "").replace("    - wind_gust\n", ""))
    deliver(flights.iloc[HALF:].drop(columns="wind_gust").assign(gate="A1"))
    take()
    validate.main()
    assert partitions.read()["gate"].isna().sum() == HALF
    contract["columns"]["gate"]["nullable"] = False
    YAML().dump(contract, paths.CONTRACT)
    with pytest.raises(ProjectError, match=r"gate is missing, in 2013-01-01_.* \(300 rows\)"):
        validate.main()


def test_validate_finds_an_id_that_is_in_two_partitions(earlier: pd.DataFrame, flights: pd.DataFrame) -> None:
    partitions.add(partitions.read().tail(3).assign(departure=pd.Timestamp("2013-05-01")), "departure")
    with pytest.raises(ProjectError, match="flight_id is unique over all partitions"):
        validate.main()
