"""A table in a real PostgreSQL becomes the project's data, and only what is newer is read of it."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from mlops_template.data import partitions
from mlops_template.data.contract import load_contract
from mlops_template.data.ingest import ingest
from mlops_template.settings.params import load_params
from mlops_template.starter.adopt import adopt

from conftest import Bake
from support import ROOT, cli, missing, run, uv_run

pytestmark = pytest.mark.slow

PASSWORD = "s3cret"
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
def server() -> Iterator[tuple[str, list[str]]]:
    """(the URL of a PostgreSQL on loopback, the command that stops it).

    Its files are not in pytest's own folder: each session of pytest, a generated project's too, takes the
    right to enter that folder from other users, and the server runs as another one.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "")]
    if not found[-1].is_file():
        missing("PostgreSQL", "`apt-get install postgresql` or the like")
    binaries = found[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="postgres"))
    as_user: list[str] = []
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # it refuses to run as root
        as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        shutil.chown(folder, "nobody")
    secret = folder / "secret"
    secret.write_text(PASSWORD)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    control = [*as_user, str(binaries / "pg_ctl"), "--pgdata", str(data), "--wait"]
    settings = f"-h 127.0.0.1 -p {port} -k {folder}"
    init = ["--username=me", f"--pwfile={secret}", "--auth=scram-sha-256", "--no-sync"]
    run(*as_user, str(binaries / "initdb"), "--pgdata", str(data), *init, cwd=folder)
    subprocess.run(  # not through a pipe, which the server would keep open
        [*control, "--log", str(folder / "log"), "-o", settings, "start"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
    )
    stop = [*control, "--mode=immediate", "stop"]
    yield f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:{port}/postgres", stop
    subprocess.run(stop, check=False, capture_output=True, cwd=folder)
    shutil.rmtree(folder)


def test_a_table_is_adopted_followed_and_missed_when_its_server_is_gone(
    bake: Bake, server: tuple[str, list[str]]
) -> None:
    url, stop = server
    project = bake()
    run("uv", "add", "--quiet", "psycopg[binary]", cwd=project)
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

    subprocess.run(stop, check=True, capture_output=True, cwd="/")
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
    bake: Bake, server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Money and numerics are numbers, moments those of UTC, whole numbers exact also beside gaps, all else texts."""
    url, _ = server
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
