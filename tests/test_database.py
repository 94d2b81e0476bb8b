"""A table in a real PostgreSQL becomes the project's data, and only what is newer is read of it."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

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
