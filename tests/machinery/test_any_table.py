"""The promise of one way in, over generated tables: what `adopt` takes is held as the file has it, and never fresh again."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mlops_template.data import partitions, split, validate
from mlops_template.data.contract import load_contract
from mlops_template.data.ingest import ingest
from mlops_template.scoring.score import score
from mlops_template.settings import paths
from mlops_template.settings.params import load_params
from mlops_template.starter.adopt import adopt
from mlops_template.training import train
from mlops_template.training.artifact import load_model
from ruamel.yaml import YAML

from .serving import ask, serve

ROWS = 48
Random = np.random.Generator
Values = list[Any]

WORDS = ["north", "süd", "a,b", "a;b", 'say "no"', "two\nlines", " spaces ", "NA", "null", "#1", "O'Hara", "x" * 200, "-", "1a"]
BEGIN = datetime(2023, 5, 1)


def with_gaps(values: Values, random: Random) -> Values:
    """Every sixth of them missing, or so."""
    return [None if random.random() < 1 / 6 else value for value in values]


def numbers(random: Random) -> Values:
    return [float(value) for value in random.normal(size=ROWS) * 10.0 ** random.integers(-6, 9)]


def whole(random: Random) -> Values:
    return [int(value) for value in random.integers(-1000, 1000, ROWS)]


def large(random: Random) -> Values:
    return [2**53 + int(value) for value in random.integers(1, 2**60, ROWS)]


def unsigned(random: Random) -> Values:
    return [2**63 + int(value) for value in random.integers(1, 2**62, ROWS)]


def money(random: Random) -> Values:
    return [Decimal(int(value)) / 100 for value in random.integers(0, 10**6, ROWS)]


def texts(random: Random) -> Values:
    return [str(value) for value in random.choice(WORDS, ROWS)]


def codes(random: Random) -> Values:
    """Half of them begin with a zero, without which nothing tells that a column of a CSV file holds no numbers."""
    return [f"{value:05d}" for value in random.integers(1, 20_000, ROWS)]


def clock(random: Random) -> Values:
    return [f"{value // 60:02d}:{value % 60:02d}" for value in random.integers(0, 1440, ROWS)]


def truths(random: Random) -> Values:
    return [bool(value) for value in random.integers(0, 2, ROWS)]


def yes_and_no(random: Random) -> Values:
    return ["yes" if value else "no" for value in random.integers(0, 2, ROWS)]


def days(random: Random) -> Values:
    return [(BEGIN + timedelta(days=int(value))).date() for value in random.integers(-9000, 900, ROWS)]


def moments(random: Random) -> Values:
    return [BEGIN + timedelta(seconds=int(value)) for value in random.integers(0, 10**8, ROWS)]


def zoned(random: Random) -> Values:
    zone = timezone(timedelta(hours=int(random.integers(-11, 14))))
    return [pd.Timestamp(moment, tz=zone) for moment in moments(random)]


def amounts(random: Random) -> Values:
    return [f"-${-value:,.2f}" if value < 0 else f"${value:,.2f}" for value in random.normal(0, 5000, ROWS)]


def marked(random: Random) -> Values:
    return [str(random.choice(["?", "N/A", "-"])) if random.random() < 1 / 6 else f"{value:.3f}" for value in random.normal(size=ROWS)]


KINDS: dict[str, Callable[[Random], Values]] = {
    kind.__name__: kind
    for kind in (numbers, whole, large, unsigned, money, texts, codes, clock, truths, yes_and_no, days, moments, zoned, amounts, marked)
}


def seen(value: Any, kind: str) -> Any:
    """A value as the project is to hold it."""
    if value is None or value is pd.NA or value != value:
        return None
    if kind in ("large", "unsigned"):
        return str(value)
    if kind == "money":
        return float(value)
    if kind == "amounts":
        return float(value.replace("$", "").replace(",", "")) if isinstance(value, str) else value
    if kind == "marked":
        return None if value in ("?", "N/A", "-") else float(value)
    if kind == "yes_and_no":
        return value == "yes" if isinstance(value, str) else bool(value)
    if kind in ("days", "moments", "zoned"):
        moment = pd.Timestamp(value)
        return moment.tz_convert("UTC").tz_localize(None) if moment.tz else moment
    return value


Table = tuple[pd.DataFrame, dict[str, str]]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A table of 48 rows with a target, and the kind of each column."""
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5))
    gaps = [draw(st.booleans()) for _ in kinds]
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    named = {f"c{place} {kind}": kind for place, kind in enumerate(kinds)}
    columns: dict[str, Values] = {"key": [float(value) for value in random.permutation(ROWS) + 0.5]}
    for (name, kind), gap in zip(named.items(), gaps, strict=True):
        values = KINDS[kind](random)
        columns[name] = with_gaps(values, random) if gap else values
    columns["y"] = [int(value) for value in random.permutation([0, 1] * (ROWS // 2))]
    columns["day"] = [str((BEGIN + timedelta(days=place)).date()) for place in range(ROWS)]
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()}), named


def written(rows: pd.DataFrame, container: str) -> str:
    """The table as a file or in a database; its address."""
    if container.startswith("csv"):
        changed(rows, lambda value: value.isoformat() if isinstance(value, date) else value).to_csv(
            "t.csv", index=False, sep=container[-1]
        )
        return str(Path("t.csv").absolute())
    if container == "two files":
        for number, half in enumerate((rows.head(ROWS // 2), rows.tail(ROWS // 2))):
            written(half, "csv,")
            Path("t.csv").rename(f"t{number}.csv")
        return str(Path(PATTERN).absolute())
    typed = pd.DataFrame({name: arrow(rows[name]) for name in rows})
    if container == "parquet":
        typed.to_parquet("t.parquet", index=False)
        return str(Path("t.parquet").absolute())
    texts = changed(rows, in_database)
    with closing(sqlite3.connect("t.db")) as connection:
        texts.to_sql("t", connection, index=False)
    return "sqlite:///t.db::t"


def changed(rows: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    """Each value changed; the columns stay columns of objects, of which none becomes a number of floating point."""
    return pd.DataFrame({name: pd.Series([change(value) for value in rows[name]], dtype=object) for name in rows})


def in_database(value: Any) -> Any:
    """What SQLite has no type for is a text there."""
    if isinstance(value, Decimal):
        return float(value)
    return str(value) if isinstance(value, date) or too_large(value) else value


def too_large(value: Any) -> bool:
    return isinstance(value, int) and value >= 2**63


def arrow(column: pd.Series) -> pd.Series:
    """A column with the type that Arrow finds for its values."""
    import pyarrow as pa

    present = column.dropna()
    if len(present) and isinstance(present.iloc[0], datetime) and present.iloc[0].tzinfo:
        # Arrow itself would take the time of day for one of UTC.
        return pd.to_datetime(column, utc=True).dt.tz_convert(present.iloc[0].tzinfo)
    array = pa.array(column.tolist(), type=pa.uint64() if column.map(too_large).any() else None, from_pandas=True)
    return pd.Series(pd.arrays.ArrowExtensionArray(array), name=column.name)


CONTAINERS = ["csv,", "csv;", "two files", "parquet", "database"]
PATTERN = "t*.csv"


def taken(table: Table, container: str, time: bool, named: bool) -> pd.DataFrame:
    """The rows of a table that was adopted from a container, with its time and ids or without."""
    for left in ("data", *Path().glob("t*.csv"), "t.parquet", "t.db"):
        shutil.rmtree(left) if Path(left).is_dir() else Path(left).unlink(missing_ok=True)
    rows, _ = table
    if named:
        rows = rows.assign(order=[f"order {place}" for place in range(len(rows))])
    adopt(written(rows, container), "y", "day" if time else None, **({"id_column": "order"} if named else {}))
    return rows


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables(), container=st.sampled_from(CONTAINERS), time=st.booleans(), named=st.booleans())
def test_what_adopt_takes_is_held_as_it_was_and_not_fresh_again(
    project: Path, table: Table, container: str, time: bool, named: bool
) -> None:
    rows = taken(table, container, time, named)
    again = ingest(load_params(), load_contract())
    assert (again.rows, again.late) == (0, 0)

    held = partitions.read().set_index("key")
    assert len(held) == ROWS
    for name, kind in table[1].items():
        expected = {row["key"]: seen(row[name], kind) for _, row in rows.iterrows()}
        found = {key: seen(value, kind) for key, value in held[name].items()}
        assert found == expected, (name, kind, str(held[name].dtype))


QUICK = {
    "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
    "params": {"max_iter": 5, "min_samples_leaf": 2},
}


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes seconds, so none is made smaller
)
@given(table=tables(), container=st.sampled_from(["csv;", "two files", "parquet"]), named=st.booleans())
def test_score_and_the_service_predict_for_the_same_rows_what_the_model_does(
    project: Path, table: Table, container: str, named: bool
) -> None:
    rows = taken(table, container, False, named)
    document = YAML().load(Path("params.yaml"))
    document["model"] |= {"candidates": [QUICK], "threads": 1}
    YAML().dump(document, Path("params.yaml"))
    for stage in (validate, split, train):
        stage.main()
    params, held = load_params(), partitions.read()
    expected = dict(zip(held["key"], load_model(paths.CHALLENGER).predict(held)["probability_1"], strict=True))

    source = {"two files": PATTERN, "parquet": "t.parquet"}.get(container, "t.csv")
    score(params, load_contract(), paths.CHALLENGER, source, "scored.csv")
    scored = dict(zip(rows["key"], pd.read_csv("scored.csv")["probability_1"], strict=True))
    assert {key: round(value, 6) for key, value in scored.items()} == {
        key: round(value, 6) for key, value in expected.items()
    }

    sent = json.loads(held[params.columns.features].to_json(orient="records", date_format="iso"))
    reply = ask(serve(), "/predict", sent)
    assert reply.status == 200, reply.json
    served = dict(zip(held["key"], (one["probability_1"] for one in reply.json["predictions"]), strict=True))
    assert max(abs(served[key] - expected[key]) for key in expected) < 1e-5
