"""Production as a test plays it: requests of the sample's months, answered by the champion at their own times."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pandas as pd
import pytest
from logged import answered, write
from mlops_template.data import sample
from mlops_template.integrations.digests import directory_digest
from mlops_template.training.artifact import load_model

from support import environment


def months(first: str, last: str) -> pd.DataFrame:
    """The sample's rows from one day up to another, with the target."""
    rows = sample.year("late")
    return rows[(rows["departure"] >= first) & (rows["departure"] < last)]


def play(project: Path, place: str, rows: pd.DataFrame) -> None:
    """Log what the champion of a project predicts for rows, at the moments of their departures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        model, digest = load_model(Path("models/champion")), directory_digest(Path("models/champion"))
        predicted = model.predict(rows).to_numpy().tolist()
        columns = ["flight_id", *model.request]
        content = rows[columns].astype(object).where(rows[columns].notna(), None).to_dict("records")
        entries = []
        for row, departure, (no, yes) in zip(content, rows["departure"], predicted, strict=True):
            at = departure.replace(tzinfo=UTC).timestamp()
            entries.append(answered(at, json.dumps(row).encode(), [[no, yes, int(yes > 0.5)]]))
        write(place, *entries, model=digest, id_column="flight_id")


@contextmanager
def serving(project: Path, *options: str, **variables: str) -> Iterator[str]:
    """The address of `serve`, once it is ready."""
    port = free_port()
    command = ["uv", "run", "--no-sync", project.name, "serve", "--port", str(port), *options]
    with served(subprocess.Popen(command, cwd=project, env=environment(**variables)), port) as address:
        yield address


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def served(process: subprocess.Popen[bytes], port: int) -> Iterator[str]:
    """The address of a service that has been started, once it is ready."""
    try:
        until = time.monotonic() + 120
        while not ready(f"http://127.0.0.1:{port}"):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def ready(address: str) -> bool:
    """Whether the service there is ready."""
    try:
        return bool(urlopen(f"{address}/ready", timeout=5).status == 200)
    except URLError:
        return False


CLOCK = "import os, time\ntime.time = lambda: float(open(os.environ['CLOCK']).read())\n"
"""The service's own clock, by which it stamps predictions: a test sets it to the days that it plays."""


def ask(project: Path, log: Path, rows: pd.DataFrame, scratch: Path) -> None:
    """Send rows to the service of a project's champion, each day's at noon of that day, and what came of them a day on.

    `scratch` is a folder of its own.
    """
    clock = scratch / "clock"
    (scratch / "sitecustomize.py").write_text(CLOCK, encoding="utf-8")
    clock.write_text("0", encoding="utf-8")
    columns = load_model(project / "models" / "champion").request
    with serving(project, "--log", str(log), PYTHONPATH=str(scratch), CLOCK=str(clock)) as address:
        for day, flights in rows.groupby(rows["departure"].dt.floor("D")):
            noon = pd.Timestamp(day, tz="UTC") + pd.Timedelta(hours=12)
            written = scratch / "next"
            written.write_text(str(noon.timestamp()), encoding="utf-8")
            written.replace(clock)
            known = flights[["flight_id", *columns]].astype(object)
            content = known.where(known.notna(), None).to_dict("records")
            for begin in range(0, len(content), 500):
                post(f"{address}/predict", content[begin : begin + 500])
            at = (noon + pd.Timedelta(days=1)).isoformat()
            told = zip(flights["flight_id"], flights["late"].tolist(), strict=True)
            post(f"{address}/feedback", [{"id": name, "outcome": late, "known_at": at} for name, late in told])


def post(address: str, content: object) -> None:
    """Send JSON; refused, it is an error."""
    request = Request(address, json.dumps(content).encode(), {"Content-Type": "application/json"})
    urlopen(request, timeout=60).close()
