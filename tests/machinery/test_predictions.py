"""The log of predictions keeps what it can, and is never in the way of an answer."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import mlops_template as package
import pytest
from mlops_template.serving import predictions
from mlops_template.serving.predictions import PredictionLog


def fill(log: PredictionLog, first: int, count: int) -> None:
    """Hand over so many predictions."""
    for number in range(first, first + count):
        log.add((f"id-{number}", 1.5, "abc", b'{"distance": 500}', b'{"prediction": 1.25}'))


def held(file: Path) -> list[tuple[object, ...]]:
    """All that the file holds."""
    with sqlite3.connect(file) as connection:
        return connection.execute("select * from predictions order by id").fetchall()


def test_what_was_asked_and_answered_is_kept(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "predictions.db")
    log.start()
    fill(log, 0, 2500)
    log.close()
    assert (log.kept, log.lost) == (2500, 0)
    found = held(log.file)
    assert len(found) == 2500
    assert found[0] == ("id-0", 1.5, "abc", '{"distance": 500}', '{"prediction": 1.25}')


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    """Here two writers: to SQLite it is the same."""
    logs = [PredictionLog(tmp_path / "predictions.db") for _ in range(2)]
    for place, log in enumerate(logs):
        log.start()
        fill(log, place * 1000, 1000)
    for log in logs:
        log.close()
    assert len(held(logs[0].file)) == 2000


def test_a_full_disk_loses_predictions_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite answers to a file at its limit of pages as to a full disk; with room again, it goes on."""
    log = PredictionLog(tmp_path / "predictions.db")
    opened = PredictionLog._open
    full = [True]

    def small(self: PredictionLog) -> sqlite3.Connection:
        connection = opened(self)
        if full:
            connection.execute("pragma max_page_count = 3")
        return connection

    monkeypatch.setattr(PredictionLog, "_open", small)
    monkeypatch.setattr(predictions, "BATCH", 100)
    log.start()
    fill(log, 0, 1000)
    log.close()
    assert log.kept + log.lost == 1000
    assert log.lost > 0
    assert "full" in log.why_lost

    full.clear()
    again = PredictionLog(log.file)
    again.start()
    fill(again, 1000, 10)
    again.close()
    assert again.kept == 10
    assert len(held(log.file)) == log.kept + 10


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "missing" / "predictions.db")
    log.start()
    fill(log, 0, 10)
    log.close()
    assert (log.kept, log.lost) == (0, 10)


def test_each_reason_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What comes in too quickly because nothing can be written is lost for that reason."""
    monkeypatch.setattr(predictions, "WAITING_BYTES", 370)
    monkeypatch.setattr(predictions, "PAUSE", 0.0)
    log = PredictionLog(tmp_path / "missing" / "predictions.db")
    fill(log, 0, 12)
    log.start()
    log.close()
    fill(log, 0, 20)
    assert [record.getMessage() for record in caplog.records] == [
        f"predictions are not kept in {log.file}: the disk is slower than the requests come",
        f"predictions are not kept in {log.file}: unable to open database file",
    ]


def test_what_is_lost_is_in_the_metrics_of_every_process(tmp_path: Path) -> None:
    """Whichever is asked for them, and whether or not the one that lost it was ever asked."""
    loses = "log = service.log; log.start(); [log.add(('a', 1.0, 'b', b'{}', b'{}')) for _ in range(3)]; log.close()"
    code = """
from pathlib import Path
from PACKAGE.serving.service import Service
from PACKAGE.serving.environment import Settings
service = Service(Settings(predictions=Path("missing/predictions.db")))
"""
    sources = Path(package.__file__ or "").parents[1]
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(sources)}
    for last in (loses, loses, "print(service.metrics.text().decode())"):
        command = [sys.executable, "-c", code.replace("PACKAGE", package.__name__) + last]
        ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "predictions_lost 6.0" in ended.stdout


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the disk stands still: what is too much is left out at once."""
    monkeypatch.setattr(predictions, "WAITING_BYTES", 370)
    log = PredictionLog(tmp_path / "predictions.db")
    fill(log, 0, 50)
    log.start()
    log.close()
    assert (log.kept, log.lost) == (10, 40)
