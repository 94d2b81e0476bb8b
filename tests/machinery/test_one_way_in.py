"""Tables of other people: what `adopt` took is what `ingest` finds, and what cannot be taken is refused in a sentence."""

import sqlite3
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlops_template.data import partitions
from mlops_template.data.contract import load_contract
from mlops_template.data.ingest import ingest
from mlops_template.errors import ProjectError
from mlops_template.scoring.stream import batches, parts_of
from mlops_template.settings.params import load_params
from mlops_template.starter.adopt import Adopted, adopt

DAYS = pd.date_range("2024-01-20", periods=60)


def frame(**columns: object) -> pd.DataFrame:
    """Sixty days with a target, and the columns given."""
    random = np.random.default_rng(0)
    days, x, y = DAYS.strftime("%Y-%m-%d"), random.normal(size=60), random.integers(0, 2, 60)
    return pd.DataFrame({"day": days, "x": x, "y": y, **columns})


def taken(pattern: str = "t.csv", **options: Any) -> Adopted:
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
    assert ("day was read as %m/%d/%Y, the month first; if the day is first, adopt it again with" in said) is told



@pytest.mark.parametrize(
    ("written", "format"),
    [
        ("%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M %p"),
        ("%d.%m.%y", "%d.%m.%y"),
        ("%d/%b/%Y:%H:%M:%S +0000", "%d/%b/%Y:%H:%M:%S %z"),
        ("%Y%m%d", "%Y%m%d"),
        ("%Y-%m-%d %H:%M:%S UTC", None),
        ("%B %d, %Y", "%B %d, %Y"),
        ("%a %b %d %H:%M:%S +0000 %Y", "%a %b %d %H:%M:%S %z %Y"),
    ],
)
def test_dates_are_read_as_programs_write_them(written: str, format: str | None) -> None:
    csv(frame().assign(day=DAYS.strftime(written)))
    taken()
    assert held("day") == list(DAYS)
    assert load_contract().columns["day"].format == format


def test_an_unusual_date_is_read_as_the_user_says() -> None:
    csv(frame().assign(day=DAYS.strftime("the %d in %m of %Y")))
    with pytest.raises(ProjectError, match="--format day=%d"):
        taken()
    taken(formats=["day=the %d in %m of %Y"])
    assert held("day") == list(DAYS)
    with pytest.raises(ProjectError, match=r"--format day=the %m in %d of %Y: the 20 in 01 of 2024 is not written so"):
        taken(formats=["day=the %m in %d of %Y"])


@pytest.mark.parametrize(
    ("texts", "values", "format"),
    [
        (["0,5", "1,25", "2"], [0.5, 1.25, 2.0], "1234,5"),
        (["1.234,5", "12", "1.234.567,25"], [1234.5, 12.0, 1234567.25], "1.234,5"),
        (["1,234.5", "12", "1,234,567"], [1234.5, 12.0, 1234567.0], "1,234.5"),
        (["1'234.5", "12.5", "1'234"], [1234.5, 12.5, 1234.0], "1'234.5"),
        (["1 234,5", "12,5", "1 234"], [1234.5, 12.5, 1234.0], "1 234,5"),
        (["12 %", "7.5%", "100 %"], [12.0, 7.5, 100.0], "5 %"),
        (["$1,234.50", "-$5", "($7.25)"], [1234.5, -5.0, -7.25], "$1,234.5"),
        (["1.234,5 €", "12 €", "-0,5€"], [1234.5, 12.0, -0.5], "€1.234,5"),
        (["£12", "£7.5", "£ 100"], [12.0, 7.5, 100.0], "£1234.5"),
    ],
)
def test_numbers_are_read_as_programs_write_them(texts: list[str], values: list[float], format: str) -> None:
    csv(frame(price=texts * 20), sep=";")
    assert f"price was read as numbers written as {format}" in str(taken())
    assert held("price") == values * 20
    assert load_contract().columns["price"].format == format


def test_beside_decimal_commas_a_point_is_one_of_thousands() -> None:
    csv(frame(price=["0,5", "1,25", "2"] * 20, amount=["1.234", "2.345", "12"] * 20), sep=";")
    taken()
    assert held("amount") == [1234, 2345, 12] * 20


def test_beside_decimal_commas_numbers_with_decimal_points_stay_numbers() -> None:
    """0.125 is no thousand, so neither is 1.250 beside it."""
    csv(frame(price=["0,5", "1,25", "2"] * 20, amount=["0.125", "1.250", "3.5"] * 20), sep=";")
    taken()
    assert held("amount") == [0.125, 1.25, 3.5] * 20


def test_the_user_says_what_a_comma_before_three_digits_is() -> None:
    csv(frame(price=["0,125", "1,250", "2,500"] * 20), sep=";")
    taken()
    assert held("price") == [0.125, 1.25, 2.5] * 20
    csv(frame(price=["7,125", "1,250", "2,500"] * 20), sep=";")
    taken()
    assert held("price") == [7125, 1250, 2500] * 20
    taken(formats=["price=1234,5"])
    assert held("price") == [7.125, 1.25, 2.5] * 20


@pytest.mark.parametrize(
    "before", ["sep=,\n", "# made by a program\n# in two lines\n", "\n\n", "\ufeffsep=,\n"], ids=repr
)
def test_lines_before_the_names_are_none_of_the_table(before: str) -> None:
    Path("t.csv").write_text(before + frame().to_csv(index=False), encoding="utf-8")
    taken()
    assert len(held("x")) == 60


def test_names_may_begin_with_a_hash() -> None:
    csv(frame().rename(columns={"day": "#day"}))
    taken(time="#day")
    assert len(partitions.read()) == 60


def test_spaces_behind_delimiters_and_a_delimiter_at_the_end_are_none_of_the_table() -> None:
    rows = [[day, f'"{shop}"', x, y] for day, shop, x, y in frame(s=["A, 1", "B"] * 30)[["day", "s", "x", "y"]].values]
    lines = [", ".join(map(str, row)) + "," for row in [["day", "shop", "x", "y"], *rows]]
    Path("t.csv").write_text("\n".join(lines), encoding="utf-8")
    taken()
    assert set(held("shop")) == {"A, 1", "B"}


def test_the_first_sheet_of_a_spreadsheet_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    frame(zip=["01234", "10115", "99999"] * 20).assign(day=DAYS).to_excel("t.xlsx", index=False)
    taken("t.xlsx")
    assert set(held("zip")) == {"01234", "10115", "99999"}
    assert held("day") == list(DAYS)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ProjectError, match=r"t.xlsx is a spreadsheet: add what reads it with `uv add openpyxl`"):
        taken("t.xlsx")


@pytest.mark.parametrize("zone", ["", "Z", "-05:00", "+14:00"])
def test_no_row_of_a_database_is_lost_where_times_are_texts(zone: str) -> None:
    rows = frame().assign(day=pd.date_range("2024-01-01 06:00", periods=60, freq="h").strftime("%Y-%m-%d %H:%M:%S") + zone)
    with closing(sqlite3.connect("t.db")) as connection:
        rows.head(40).to_sql("t", connection, index=False)
    adopt("sqlite:///t.db::t", "y", "day")
    with closing(sqlite3.connect("t.db")) as connection:
        rows.tail(20).to_sql("t", connection, index=False, if_exists="append")
    again = ingest(load_params(), load_contract())
    assert (again.rows, again.late) == (20, 0)
    assert ingest(load_params(), load_contract()).rows == 0


@pytest.mark.parametrize(
    ("parts", "form"),
    [
        (lambda a, b, c: a + b + c, "a, b and c give y away almost exactly, as a sum (R² 1.0000): a leak?"),
        (lambda a, b, c: 3 * a - b, "a and b give y away almost exactly, as a sum (R² 1.0000): a leak?"),
        (lambda a, b, c: a * b, "a and b give y away almost exactly, as a product or ratio (R² 1.0000): a leak?"),
        (lambda a, b, c: b / c, "b and c give y away almost exactly, as a product or ratio (R² 1.0000): a leak?"),
        (lambda a, b, c: np.where(a + b > 4, "high", "low"), "a and b give y away almost exactly, as a sum (accuracy 1.0000): a leak?"),
        (lambda a, b, c: a + b + c * np.random.default_rng(1).normal(size=len(a)), None),
    ],
)
def test_columns_that_give_the_target_away_together_are_named(parts: Any, form: str | None) -> None:
    random = np.random.default_rng(0)
    a, b, c = random.uniform(1, 3, (3, 2000))
    days = pd.date_range("2015-01-20", periods=2000).strftime("%Y-%m-%d")
    csv(pd.DataFrame({"day": days, "other": random.normal(size=2000), "a": a, "b": b, "c": c, "y": parts(a, b, c)}))
    said = str(taken())
    assert (form in said) if form else ("give" not in said)


@pytest.mark.parametrize("file", ["t.csv", "t.xlsx"])
def test_score_reads_a_file_as_adopt_did(file: str) -> None:
    rows = frame(price=["1.234,5", "12", "1.234.567,25"] * 20, share=["12 %", "7.5%", "100 %"] * 20)
    if file == "t.csv":
        spaced = rows.to_csv(sep=";", index=False).replace(";", "; ")
        Path(file).write_text(f"sep=;\n# export\n{spaced}", encoding="utf-8")
    else:
        rows.to_excel(file, index=False)
    taken(file)
    contract, features = load_contract(), ["price", "share", "x"]
    read = pd.concat(batch for part in parts_of(file, features) for batch in batches(part, features, [], contract))
    for name in features:
        assert list(read[name]) == held(name)


@pytest.mark.parametrize("low", [0, 1_990, 20_240_101, 1_706_659_200_000, 9_000_000_000_000_001])
def test_a_narrow_range_far_from_zero_is_none_that_its_own_rows_break(low: int) -> None:
    """Years, days and moments as numbers: three digits of a bound would not reach them."""
    csv(frame(z=[low, low + 1, low + 2] * 20))
    taken()
    rule = load_contract().columns["z"]
    assert rule.min is not None and rule.max is not None
    assert (rule.min, rule.max) == (max(low - 2, 0), low + 4)


@pytest.mark.parametrize("mark", ["?", "-", "--", ".", "None", "N.A.", "<NA>", "#DIV/0!"])
def test_what_programs_write_where_a_number_is_missing_makes_no_text_of_a_column(mark: str) -> None:
    csv(frame(z=["1.5", mark, "2.5"] * 20, word=["a", mark, "b"] * 20))
    taken()
    assert [load_contract().columns[name].type for name in ("z", "word")] == ["number", "string"]
    assert partitions.read()["z"].isna().sum() == 20
    assert set(held("word")) == {"a", mark, "b"}, "as a text it may mean something"


def test_a_column_of_numbers_but_for_some_values_is_told() -> None:
    csv(frame(z=["1.5", "(2)", "2.5"] * 20, code=["001", "A1", "002"] * 20))
    said = str(taken())
    assert "z is text, since 20 of its 60 values are no numbers, such as '(2)'; if they mean" in said
    assert "code is text" not in said


def test_lines_may_end_with_a_carriage_return_alone() -> None:
    rows = frame(z=[1, 2] * 30)
    Path("t.csv").write_bytes(rows.to_csv(index=False).replace("\n", "\r").encode())
    taken()
    assert held("z") == [1, 2] * 30


def test_the_value_that_is_no_date_is_named() -> None:
    rows = frame()
    csv(pd.concat([rows.head(30), pd.DataFrame([["day", "x", "y"]], columns=rows.columns), rows.tail(30)]))
    with pytest.raises(ProjectError, match="--time day: day is no date or moment"):
        taken()


@pytest.mark.parametrize(
    ("written", "format"),
    [
        (lambda days: 1960 + np.arange(60), "%Y"),
        (lambda days: pd.date_range("2015-01-01", periods=60, freq="MS").strftime("%Y-%m"), "%Y-%m"),
        (lambda days: days.astype("int64") // 1_000_000_000, "seconds since 1970"),
        (lambda days: days.astype("int64") / 1_000_000_000 + 0.25, "seconds since 1970"),
        (lambda days: days.astype("int64") // 1_000_000, "milliseconds since 1970"),
        (lambda days: days.strftime("%Y%m%d").astype("int64"), "%Y%m%d"),
    ],
)
@pytest.mark.parametrize("database", [False, True])
def test_a_time_may_be_a_number_or_a_month(written: Any, format: str, database: bool) -> None:
    """What a database cannot compare with a moment is compared here: no newer row is lost."""
    rows = frame().assign(day=written(DAYS.astype("datetime64[ns]")))

    def save(part: pd.DataFrame, name: str) -> None:
        if not database:
            csv(part, name)
            return
        with closing(sqlite3.connect("t.db")) as connection:
            part.to_sql("t", connection, index=False, if_exists="append")

    save(rows.head(40), "1.csv")
    adopt("sqlite:///t.db::t" if database else str(Path("*.csv").absolute()), "y", "day")
    assert load_contract().columns["day"].format == format
    save(rows.tail(20), "2.csv")
    again = ingest(load_params(), load_contract())
    assert (again.rows, again.late) == (20, 0)
    assert ingest(load_params(), load_contract()).rows == 0


def test_bytes_that_are_no_text_are_refused() -> None:
    frame(picture=[b"\x00\xff"] * 60).to_parquet("t.parquet")
    with pytest.raises(ProjectError, match="picture holds bytes that are no text: leave the column out"):
        taken("t.parquet")


def test_a_last_column_with_values_but_no_name_is_refused() -> None:
    rows = frame(z=[1, 2] * 30)
    Path("t.csv").write_text(rows.to_csv(index=False).replace("day,x,y,z", "day,x,y,", 1))
    with pytest.raises(ProjectError, match="the last column has values but no name: write one into the first line"):
        taken()


def test_decimal_numbers_in_a_column_of_text_are_numbers() -> None:
    frame(z=["1.5", "-2", "1e-3"] * 20, code=["1", "2", "3"] * 20).to_parquet("t.parquet")
    taken("t.parquet")
    assert held("z") == [1.5, -2.0, 0.001] * 20
    assert load_contract().columns["code"].type == "string"
