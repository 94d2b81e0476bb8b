"""Tables of other people: what `adopt` took is what `ingest` finds, and what cannot be taken is refused in a sentence."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlops_template.data import partitions
from mlops_template.data.contract import load_contract
from mlops_template.data.ingest import ingest
from mlops_template.errors import ProjectError
from mlops_template.settings.params import load_params
from mlops_template.starter.adopt import Adopted, adopt

DAYS = pd.date_range("2024-01-20", periods=60)


def frame(**columns: object) -> pd.DataFrame:
    """Sixty days with a target, and the columns given."""
    random = np.random.default_rng(0)
    days, x, y = DAYS.strftime("%Y-%m-%d"), random.normal(size=60), random.integers(0, 2, 60)
    return pd.DataFrame({"day": days, "x": x, "y": y, **columns})


def taken(pattern: str = "t.csv", **options: str) -> Adopted:
    """Adopt it, and see that nothing of it is fresh, or late, right afterwards."""
    adopted = adopt(str(Path(pattern).absolute()), **{"target": "y", "time": "day"} | options)
    again = ingest(load_params(), load_contract())
    assert (again.rows, again.late) == (0, 0)
    return adopted


@pytest.fixture(autouse=True)
def here(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project without data."""
    for file in partitions.files():
        file.unlink()


def csv(rows: pd.DataFrame, name: str = "t.csv", **options: object) -> None:
    rows.to_csv(name, index=False, **options)  # type: ignore[call-overload]


def held(column: str) -> list[object]:
    """What the project has of a column, in order of the days."""
    return list(partitions.read().sort_values("day")[column])


def test_a_time_of_day_is_held_as_it_is_written() -> None:
    csv(frame(slot=["08:00", "17:30", "12:15"] * 20))
    taken()
    assert set(held("slot")) == {"08:00", "17:30", "12:15"}


def test_a_column_has_one_type_over_all_files() -> None:
    rows = frame(shop=["001", "002"] * 15 + ["A1", "B7"] * 15)
    csv(rows.head(30), "1.csv")
    csv(rows.tail(30), "2.csv")
    taken("*.csv")
    assert set(held("shop")) == {"001", "002", "A1", "B7"}


def test_zeros_in_front_make_a_code_of_a_number() -> None:
    csv(frame(zip=["01234", "10115", "99999"] * 20))
    taken()
    assert set(held("zip")) == {"01234", "10115", "99999"}


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_a_number_that_floating_point_does_not_hold_is_a_code(dtype: str) -> None:
    frame(account=np.array([2**62 + 1, 2**62 + 2, 2**62 + 3] * 20, dtype=dtype)).to_parquet("t.parquet")
    taken("t.parquet")
    assert set(held("account")) == {str(2**62 + 1), str(2**62 + 2), str(2**62 + 3)}


def test_a_decimal_is_a_number() -> None:
    frame(price=[Decimal(number) / 4 for number in range(60)]).to_parquet("t.parquet")
    adopted = taken("t.parquet")
    assert adopted.inferred.rules["price"].type == "number"
    assert sorted(held("price")) == [number / 4 for number in range(60)]


def test_infinite_values_are_refused_in_a_sentence() -> None:
    csv(frame(z=[np.inf, 1.5] * 30))
    with pytest.raises(ProjectError, match=r"^z is infinite in 30 of 60 rows: leave these values empty$"):
        taken()


def test_a_fresh_row_with_an_infinite_value_is_refused() -> None:
    csv(frame(z=[2.5, 1.5] * 30))
    taken()
    later = frame(z=[np.inf, 1.5] * 30).assign(day=(DAYS + pd.Timedelta("60 days")).strftime("%Y-%m-%d"))
    csv(later)
    with pytest.raises(ProjectError, match="z type is number"):
        ingest(load_params(), load_contract())


def test_what_stands_in_quotes_parts_no_columns() -> None:
    rows = frame().rename(columns={"x": "distance, km, to\nthe next, stop"})
    csv(rows, sep=";")
    taken()
    assert len(held("distance, km, to\nthe next, stop")) == 60


@pytest.mark.parametrize("time", ["day", None])
def test_a_column_that_an_older_file_lacks_is_missing_there(time: str | None) -> None:
    rows = frame(extra=[1.5, 2.5] * 30)
    csv(rows.head(20).drop(columns="extra"), "1.csv")
    csv(rows.tail(40), "2.csv")
    adopt(str(Path("*.csv").absolute()), "y", time)
    again = ingest(load_params(), load_contract())
    assert (again.rows, again.late) == (0, 0)
    assert partitions.read()["extra"].isna().sum() == 20


@pytest.mark.parametrize("name", ["prediction", "probability_1"])
def test_what_predictions_are_called_is_no_name_of_a_target(name: str) -> None:
    csv(frame().rename(columns={"y": name}))
    with pytest.raises(ProjectError, match=f"{name} is what predictions are called: rename the column"):
        taken(target=name)


def test_what_made_up_ids_are_called_is_no_name_of_a_column() -> None:
    csv(frame(row_id=["A", "B"] * 30))
    for options in ({}, {"id_column": "row_id"}):
        with pytest.raises(ProjectError, match="has a column row_id, as ids are called that are made here: rename it"):
            taken(**options)


@pytest.mark.parametrize(("days", "told"), [(pd.date_range("2024-01-01", periods=12, freq="MS"), True), (DAYS, False)])
def test_a_guess_which_of_month_and_day_comes_first_is_told(days: pd.DatetimeIndex, told: bool) -> None:
    rows = frame()
    csv(rows.assign(day=np.resize(days.strftime("%d/%m/%Y").to_numpy(), 60)))
    said = " ".join(adopt(str(Path("t.csv").absolute()), "y", "day").warnings)
    assert ("day was read as %m/%d/%Y, the month first; if it is the other way round" in said) is told

