"""A table in a real PostgreSQL becomes the project's data, and only what is newer is read of it."""

from collections.abc import Iterator

import pandas as pd
import pytest
import sqlalchemy as sa
from mariadb import mariadb
from mlops_template.data import partitions
from mlops_template.data.contract import load_contract
from mlops_template.data.ingest import ingest
from mlops_template.settings.params import load_params
from mlops_template.starter.adopt import adopt
from postgres import PASSWORD, Server, postgres

from conftest import Bake
from support import ROOT, cli, run, uv_run

pytestmark = pytest.mark.slow

FLIGHTS = ROOT / "tests" / "machinery" / "data" / "flights.csv"

FILL = """
import os
import sys
import pandas as pd
import sqlalchemy as sa

rows = pd.read_csv(sys.argv[1], parse_dates=["departure"]).sort_values("departure")
old, new = rows.iloc[:{cut}], rows.iloc[{cut}:]
old.to_sql("flights", sa.create_engine(os.environ["DATABASE_URL"]), index=False)
new.to_csv("later.csv", index=False)
"""
APPEND = """
import os
import pandas as pd
import sqlalchemy as sa

rows = pd.read_csv("later.csv", parse_dates=["departure"])
rows.to_sql("flights", sa.create_engine(os.environ["DATABASE_URL"]), index=False, if_exists="append")
"""
CUT = 400


@pytest.fixture
def server() -> Iterator[Server]:
    """A PostgreSQL on loopback."""
    with postgres() as running:
        yield running


def test_a_table_is_adopted_followed_and_missed_when_its_server_is_gone(bake: Bake, server: Server) -> None:
    url = server.url
    project = bake()
    run("uv", "sync", "--quiet", cwd=project)
    secret = {"DATABASE_URL": url}
    uv_run(project, "python", "-c", FILL.format(cut=CUT), str(FLIGHTS), **secret)

    roles = ("--target", "late", "--time", "departure", "--id", "flight_id")
    said = cli(project, "adopt", "env:DATABASE_URL::flights", *roles, **secret)
    assert f"took {CUT} rows" in said
    for file in project.glob("*.yaml"):
        assert PASSWORD not in file.read_text(encoding="utf-8")
    assert "no fresh data" in cli(project, "ingest", **secret)

    uv_run(project, "python", "-c", APPEND, **secret)
    fresh = len((project / "later.csv").read_text(encoding="utf-8").splitlines()) - 1
    said = cli(project, "ingest", **secret)
    assert f"took {fresh} rows" in said
    assert len(list((project / "data/raw").glob("*.parquet"))) == 2

    server.stop()
    said = cli(project, "ingest", check=False, **secret)
    assert said.count("\n") == 1
    assert said.startswith("error: data.sql: ")
    assert PASSWORD not in said
    assert len(list((project / "data/raw").glob("*.parquet"))) == 2


TYPES = """
CREATE TYPE mood AS ENUM ('happy', 'sad');
CREATE TABLE orders AS SELECT
  n AS id,
  timestamptz '2024-01-01 12:00+05' + n * interval '1 day' AS at,
  (n * 1.25)::numeric(10, 2) AS price,
  (n * 100.5)::money AS paid,
  n::real / 3 AS share,
  (n % 5 = 0) AS flag,
  (ARRAY['happy', 'sad'])[n % 2 + 1]::mood AS mood,
  ('2024-01-01'::date + n) AS day,
  (n || ' minutes')::interval AS took,
  make_time(n % 24, 30, 0) AS clock,
  ('00000000-0000-0000-0000-' || lpad((n % 3)::text, 12, '0'))::uuid AS shop,
  jsonb_build_object('a', n % 2) AS extra,
  ARRAY[n % 3, n % 2] AS tags,
  decode(lpad(to_hex(n), 4, '0'), 'hex') AS raw,
  ('10.0.0.' || n)::inet AS host,
  9007199254740993 + n AS account,
  CASE WHEN n % 4 > 0 THEN 9007199254740993 + n END AS other_account,
  n % 3 = 0 AS late
FROM generate_series(1, 60) AS n;
"""


def test_each_type_of_postgresql_is_held_as_what_it_is(
    bake: Bake, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Money and numerics are numbers, moments those of UTC, whole numbers exact also beside gaps, all else texts."""
    url = server.url
    with sa.create_engine(url).begin() as connection:
        for statement in TYPES.strip().split(";\n"):
            connection.execute(sa.text(statement.replace("::", "\\:\\:")))
    monkeypatch.chdir(bake())
    monkeypatch.setenv("DATABASE_URL", url)
    adopt("env:DATABASE_URL::orders", "late", "at", "id")
    again = ingest(load_params(), load_contract())
    assert (again.rows, again.late) == (0, 0)
    rows = partitions.read().sort_values("at")
    types = {name: rule.type for name, rule in load_contract().columns.items()}
    numbers = ("price", "paid", "share")
    assert {name for name, kind in types.items() if kind == "number"} == set(numbers)
    assert {name for name, kind in types.items() if kind == "datetime"} == {"at", "day"}
    assert {name for name, kind in types.items() if kind == "boolean"} == {"flag", "late"}
    assert rows["at"].iloc[0] == pd.Timestamp("2024-01-02 07:00")
    assert rows["price"].tolist() == [n * 1.25 for n in range(1, 61)]
    assert rows["paid"].tolist() == [n * 100.5 for n in range(1, 61)]
    assert rows["account"].tolist() == [str(9007199254740993 + n) for n in range(1, 61)]
    assert rows["other_account"].dropna().tolist() == [str(9007199254740993 + n) for n in range(1, 61) if n % 4]
    assert rows.iloc[0][["mood", "took", "clock", "tags", "host"]].tolist() == [
        "sad", "0 days 00:01:00", "01:30:00", "[1, 1]", "10.0.0.1"
    ]  # fmt: skip


TYPES_OF_MYSQL = """
CREATE TABLE orders (
  id BIGINT PRIMARY KEY, at DATETIME, seen TIMESTAMP NULL, price DECIMAL(10, 2), share FLOAT, flag BOOLEAN, bits BIT(1),
  mood ENUM('happy', 'sad'), labels SET('a', 'b'), day DATE, clock TIME, made YEAR, extra JSON, raw VARBINARY(4),
  account BIGINT UNSIGNED, other_account BIGINT UNSIGNED NULL, late BOOLEAN
);
INSERT INTO orders SELECT
  seq, '2024-01-01 12:00:00' + INTERVAL seq DAY, '2024-01-01 12:00:00' + INTERVAL seq DAY, seq * 1.25, seq / 4,
  seq % 5 = 0, seq % 2, ELT(seq % 2 + 1, 'happy', 'sad'), ELT(seq % 4 + 1, 'a', 'b', 'a,b', ''),
  DATE '2024-01-01' + INTERVAL seq DAY, MAKETIME(seq % 24, 30, 0), 2000 + seq % 20, JSON_OBJECT('a', seq % 2),
  UNHEX(LPAD(HEX(seq), 4, '0')), 9007199254740993 + seq, IF(seq % 4 > 0, 9007199254740993 + seq, NULL), seq % 3 = 0
FROM seq_1_to_60;
"""


def test_each_type_of_mysql_is_held_as_what_it_is(bake: Bake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TIMESTAMP is a moment of UTC wherever the server is, here five hours ahead; a DATETIME is as it stands."""
    monkeypatch.chdir(bake())
    with mariadb() as url:
        monkeypatch.setenv("DATABASE_URL", url)
        with sa.create_engine(url).begin() as connection:
            for statement in TYPES_OF_MYSQL.strip().split(";\n"):
                connection.execute(sa.text(statement.rstrip(";")))
        adopt("env:DATABASE_URL::orders", "late", "at", "id")
        again = ingest(load_params(), load_contract())
    assert (again.rows, again.late) == (0, 0)
    rows = partitions.read().sort_values("at")
    types = {name: rule.type for name, rule in load_contract().columns.items()}
    assert {name for name, kind in types.items() if kind == "number"} == {"price", "share"}
    assert {name for name, kind in types.items() if kind == "datetime"} == {"at", "seen", "day"}
    assert {name for name, kind in types.items() if kind == "integer"} == {"flag", "made", "late"}
    assert rows["at"].iloc[0] == pd.Timestamp("2024-01-02 12:00")
    assert rows["seen"].iloc[0] == pd.Timestamp("2024-01-02 07:00")
    assert rows["price"].tolist() == [n * 1.25 for n in range(1, 61)]
    assert rows["account"].tolist() == [str(9007199254740993 + n) for n in range(1, 61)]
    assert rows["other_account"].dropna().tolist() == [str(9007199254740993 + n) for n in range(1, 61) if n % 4]
    assert rows.iloc[0][["mood", "labels", "clock", "extra"]].tolist() == ["sad", "b", "0 days 01:30:00", '{"a": 1}']
