"""What writes the log is a process of its own: what becomes of its rows when it dies, or the service does."""

import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import mlops_template as package
import pytest
import sqlalchemy as sa
from mlops_template.prediction_log import log_tables
from mlops_template.prediction_log.handover import Handover, Outcome, Receipt
from mlops_template.serving import log_queue
from mlops_template.serving.log_process import LogProcess
from mlops_template.serving.log_queue import PredictionLog

from logged import answered, handover, setup

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

SOURCES = Path(package.__file__ or "").parents[1]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PredictionLog]:
    """A log that is written by a process."""
    monkeypatch.setattr(log_queue, "PAUSE", 0.05)
    monkeypatch.setattr(log_queue, "GATHERING", 0.02)
    started = PredictionLog(LogProcess(setup(tmp_path / "log.db")))
    started.start()
    yield started
    started.close()


def add(log: PredictionLog, rows: int = 1) -> None:
    """Hand over a request."""
    log.add(*answered(time.time(), json.dumps([{"x": 1}] * rows).encode(), [[0.5]] * rows), rows)


def kept(place: Path) -> int:
    """Rows that are stored."""
    with log_tables.connect(str(place)).connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(log_tables.predictions)).scalar_one()


def soon(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)


def gone(pid: int | None) -> bool:
    """Whether a process has ended."""
    assert pid
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return status.startswith("Z") or not status


def test_another_takes_the_place_of_one_that_died(
    log: PredictionLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost of what it had not stored. What may go to all processes of a service ends none of these."""
    first = log.process.pid
    os.kill(first or 0, signal.SIGTERM)
    add(log)
    soon(lambda: log.kept == 1)
    assert log.process.pid == first
    os.kill(first or 0, signal.SIGKILL)
    for _ in range(100):
        add(log)
    soon(lambda: log.kept == 101)
    assert (log.lost, kept(tmp_path / "log.db")) == (0, 101)
    assert log.process.pid != first
    assert f"process {first}, which writes the log, ended with -9: another takes its place" in caplog.text


def test_one_that_dies_in_the_middle_is_followed_by_one_that_is_given_the_same(
    log: PredictionLog, tmp_path: Path
) -> None:
    """It holds still with the rows in hand, and is killed then."""
    first = log.process.pid or 0
    os.kill(first, signal.SIGSTOP)
    add(log, 7)
    soon(lambda: not log._waiting)
    os.kill(first, signal.SIGKILL)
    soon(lambda: log.kept == 7)
    assert (log.lost, kept(tmp_path / "log.db")) == (0, 7)


class Fragile(LogProcess):
    """Dies of whatever it is given while it is `weak`; else it tells of a shadow that still has something to do."""

    weak = False

    def store(self, handover: Handover) -> Receipt:
        """What became of a handover."""
        if self.weak:
            os.kill(self.pid or 0, signal.SIGKILL)
        return super().store(handover)._replace(shadow_waiting=5)


def test_what_it_dies_of_twice_is_lost_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is what a shadow had not predicted yet. A third process stores what comes then."""
    monkeypatch.setattr(log_queue, "PAUSE", 0.05)
    lost: list[int] = []
    left_out: list[int] = []
    process = Fragile(setup(tmp_path / "log.db"))
    log = PredictionLog(process, count_lost=lost.append, count_shadow_lost=left_out.append)
    log.start()
    add(log)
    soon(lambda: log.kept == 1)
    process.weak = True
    add(log, 3)
    soon(lambda: log.lost)
    process.weak = False
    assert log.why_lost == "the process that writes them ended with -9"
    assert sum(left_out) == 5
    add(log)
    soon(lambda: log.kept == 2)
    log.close()
    assert (log.lost, sum(lost), kept(tmp_path / "log.db")) == (3, 3, 2)


def test_an_end_does_not_wait_for_one_that_hangs(
    log: PredictionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not stored is counted, and nobody stays behind."""
    monkeypatch.setattr(log_queue, "CLOSING_SECONDS", 0.3)
    pid = log.process.pid
    os.kill(pid or 0, signal.SIGSTOP)
    add(log, 2)
    began = time.monotonic()
    log.close()
    assert time.monotonic() - began < 2
    assert (log.kept, log.lost) == (0, 2)
    assert gone(pid)


def test_an_end_stores_what_is_waiting(tmp_path: Path) -> None:
    """More than one handover of it, outcomes and traffic too; the process has ended then."""
    log = PredictionLog(LogProcess(setup(tmp_path / "log.db")))
    log.start()
    body = json.dumps({"x": "y" * 300_000}).encode()
    for _ in range(10):
        log.add(*answered(time.time(), body, [[0.5]]), 1)
    log.add_outcomes([Outcome("a", b"1", datetime.now(UTC))])
    log.count(200, 1, 0.001)
    log.close()
    assert (log.kept, log.lost, kept(tmp_path / "log.db")) == (10, 0, 10)
    assert gone(log.process.pid)
    with log_tables.connect(str(tmp_path / "log.db")).connect() as connection:
        for table in (log_tables.outcomes, log_tables.traffic):
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 1


def test_one_that_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What comes meanwhile waits."""
    monkeypatch.setattr(log_queue, "PAUSE", 0.05)
    caplog.set_level(logging.WARNING)
    log = PredictionLog(LogProcess(setup(tmp_path / "log.db")))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(tmp_path / "none"))
        log.start()
        add(log)
        soon(lambda: log.failure)
    soon(lambda: log.kept == 1)
    log.close()
    assert log.lost == 0
    assert "the process that writes them cannot be started" in caplog.text


@pytest.mark.parametrize("whole", [True, False])
def test_when_the_service_is_gone_it_stores_what_it_was_given_whole(whole: bool, tmp_path: Path) -> None:
    """A service that is killed closes its end of the pipe, maybe in the middle of a handover."""
    sent = b"".join(map(pickle.dumps, [setup(tmp_path / "log.db"), handover(answered(0, b"{}", [[0.5]]))]))
    sent += pickle.dumps(handover(answered(1, b"{}", [[0.5]])))[: None if whole else -5]
    command = [sys.executable, "-m", "mlops_template.serving.log_writer"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    ended = subprocess.run(command, input=sent, env=environment, capture_output=True, timeout=30)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert kept(tmp_path / "log.db") == (2 if whole else 1)


@pytest.mark.parametrize("told", [b"", pickle.dumps(setup("log.db"))])
def test_it_ends_quietly_when_the_service_was_gone_before_it_was_ready(told: bytes, tmp_path: Path) -> None:
    """As one that is killed while it starts."""
    command = [sys.executable, "-m", "mlops_template.serving.log_writer"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, cwd=tmp_path, **pipes) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        process.stdin.write(told)
        process.stdin.close()
        assert (process.wait(timeout=30), process.stderr.read()) == (0, b"")


def test_it_imports_nothing_that_answers_requests() -> None:
    """Nor the runtime of models: its memory comes on top of the service's."""
    code = "import sys, mlops_template.serving.log_writer; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    unwanted = {"uvicorn", "starlette", "prometheus_client", "numpy", "pandas", "onnxruntime", "multiprocessing"}
    assert "sqlalchemy" in told.stdout.split()
    assert not unwanted & set(told.stdout.split())


def test_what_is_lost_is_in_the_metrics_of_every_process(tmp_path: Path) -> None:
    """Whichever is asked for them, and whether or not the one that lost it was ever asked."""
    code = """
import sys
from logged import answered, setup
from mlops_template.serving.log_process import LogProcess
from mlops_template.serving.log_queue import PredictionLog
from mlops_template.serving.prometheus import Metrics
metrics = Metrics()
if sys.argv[1] == "lose":
    log = PredictionLog(LogProcess(setup("missing/log.db")), count_lost=metrics.lost.inc)
    log.start()
    for _ in range(3):
        log.add(*answered(0, b"{}", [[1.0]]), 1)
    log.close()
else:
    print(metrics.text().decode())
"""
    paths = os.pathsep.join([str(SOURCES), str(Path(__file__).parents[1])])
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": paths}
    for what in ("lose", "lose", "tell"):
        command = [sys.executable, "-c", code, what]
        ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "predictions_lost 6.0" in ended.stdout
