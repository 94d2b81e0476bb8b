"""A model runs beside the champion: its predictions are logged, nobody else gets them, and no answer waits for it."""

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from sqlite3 import OperationalError
from mlops_template.evaluation.comparison import Comparison
from mlops_template.monitor import live
from mlops_template.prediction_log import log_tables
from mlops_template.prediction_log.ids import request_id
from mlops_template.prediction_log.handover import Handover, Outcome
from mlops_template.prediction_log.writer import Writer
from mlops_template.render.json_file import write_json
from mlops_template.serving.routes import create
from mlops_template.serving.environment import Settings
from mlops_template.serving.files import RELEASE_FILE, SHADOW
from mlops_template.serving.runtime import load
from mlops_template.serving.service import Service
from mlops_template.serving.shadow import Shadow
from mlops_template.settings.params import load_params

from logged import Answered, answered, handover, setup, write

from .serving import ROW, ask, make_package

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose package has a model beside it, by another name: the same one, but that its code prints."""
    folder = make_package(tmp_path_factory.mktemp("shadowed"))
    package = folder / "build" / "model"
    shutil.copytree(package, package / SHADOW)
    write_json(package / SHADOW / RELEASE_FILE, {"version": "stronger", "commit": "beef", "digest": "d2.dir"})
    with (package / SHADOW / "code" / "machinery_inputs.py").open("a") as code:
        code.write('print("hello")\n')
    return folder


@contextmanager
def service(folder: Path, place: Path, sample: float = 1.0) -> Iterator[Service]:
    """The service with a log."""
    started = Service(Settings(model_dir=folder / "build" / "model", predictions=str(place)))
    started.start()
    assert started.reason() is None
    assert started.log
    started.log.sample = sample
    yield started
    started.end()


def held(place: Path) -> list[tuple[str, str, str]]:
    """(id, model, prediction) of all rows."""
    log = log_tables.predictions.c
    with log_tables.connect(str(place)).connect() as connection:
        return [tuple(row) for row in connection.execute(sa.select(log.id, log.model, log.prediction).order_by(log.id))]


@pytest.mark.parametrize("runtime", ["onnx", "sklearn"])
def test_what_only_tries_the_service_is_in_no_log(runtime: str, tmp_path: Path) -> None:
    """Checks of a deployment ask rows of the past, some of them wrong on purpose: monitoring is to see neither."""
    folder, place = make_package(tmp_path / "project", runtime), tmp_path / "log.db"
    trying = {"content-type": "application/json", "prediction-log": "off"}
    started = Service(Settings(model_dir=folder / "build" / "model", predictions=str(place)))
    started.start()
    app = create(started)
    for headers in (trying, None):
        assert ask(app, "/predict", ROW, headers=headers).status == 200
        assert ask(app, "/predict", {**ROW, "shop": 1}, headers=headers).status == 422
    started.end()
    traffic = log_tables.traffic.c
    with log_tables.connect(str(place)).connect() as connection:
        counted = connection.execute(sa.select(traffic.status, traffic.requests).order_by(traffic.status)).all()
    assert len(held(place)) == 1
    assert [tuple(row) for row in counted] == [(200, 1), (422, 1)]


def test_both_predict_each_row_and_only_one_answers(made: Path, tmp_path: Path) -> None:
    place = tmp_path / "log.db"
    with service(made, place) as started:
        app = create(started)
        replies = [ask(app, "/predict", content) for content in (ROW, [ROW, {**ROW, "price": 1}], [ROW])]
        assert ask(app, "/model").json["shadow"] == {"version": "stronger", "commit": "beef", "digest": "d2.dir"}
    answered = [one["id"] for reply in replies for one in reply.json["predictions"]]
    rows = held(place)
    assert sorted(answered) == sorted({name for name, *_ in rows})
    by_model = {model: {name: value for name, one, value in rows if one == model} for model in ("d1.dir", "d2.dir")}
    assert by_model["d1.dir"] == by_model["d2.dir"], "they are the same model, row for row"
    assert len(by_model["d1.dir"]) == 4
    assert len(set(by_model["d1.dir"].values())) == 2


def test_of_a_sample_both_have_the_same_rows(made: Path, tmp_path: Path) -> None:
    place = tmp_path / "log.db"
    with service(made, place, sample=0.5) as started:
        app = create(started)
        for _ in range(60):
            ask(app, "/predict", ROW)
    ids = [{name for name, one, _ in held(place) if one == model} for model in ("d1.dir", "d2.dir")]
    assert ids[0] == ids[1] and 10 < len(ids[0]) < 50


@contextmanager
def shadow(made: Path, place: Path) -> Iterator[tuple[Shadow, Writer]]:
    """The other model in this process, and the writer of its log."""
    writer = Writer(setup(place))
    started = Shadow(load(made / "build" / "model" / SHADOW), writer, max_rows=100)
    yield started, writer
    started.close()
    writer.close()


def asked(*prices: float) -> Handover:
    """Requests of a row each."""
    return handover(*(answered(0, json.dumps({**ROW, "price": price}).encode(), [[0.5, 0.5, 0]]) for price in prices))


def test_what_it_cannot_predict_is_counted_and_the_rest_is_predicted(made: Path, tmp_path: Path) -> None:
    with shadow(made, tmp_path / "log.db") as (started, writer):
        honest = started.served.predict

        def sensitive(numbers: Any, categories: Any) -> Any:
            if (numbers[:, 0] == 13).any():
                raise ValueError("unlucky")
            return honest(numbers, categories)

        started.served = replace(started.served, predict=sensitive)
        started.start()
        started.offer(writer.store(asked(12, 13, 14)))
        started.close()
        assert started.told() == (1, 0)
        assert started.told() == (0, 0), "each is told once"
        assert started.why_lost == "ValueError: unlucky"
    assert [model for _, model, _ in held(tmp_path / "log.db")].count("d2.dir") == 2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no such policy")
def test_what_answers_goes_first_on_a_core_that_both_need(made: Path, tmp_path: Path) -> None:
    """And what writes the log, in the same process."""
    with shadow(made, tmp_path / "log.db") as (started, _):
        started.start()
        started.offer([(b"[]", [])])
        [thread] = [one for one in threading.enumerate() if one.name == "shadow" and one.is_alive()]
        until = time.monotonic() + 10
        while os.sched_getscheduler(thread.native_id or 0) != os.SCHED_IDLE and time.monotonic() < until:
            time.sleep(0.01)
        assert os.sched_getscheduler(thread.native_id or 0) == os.SCHED_IDLE
        assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_where_it_is_too_slow_it_leaves_out_and_tells(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here it has not begun. The log itself keeps all."""
    monkeypatch.setattr("mlops_template.serving.shadow.MAX_WAITING_BYTES", 1500)
    with shadow(made, tmp_path / "log.db") as (started, writer):
        started.offer(writer.store(asked(1, 2, 3)))
        assert started.told() == (1, 2)
        assert started.why_lost == "it is slower than the requests come"
        started.start()
    assert sorted(model for _, model, _ in held(tmp_path / "log.db")) == ["d1.dir"] * 3 + ["d2.dir"] * 2


def test_a_database_that_is_away_is_waited_for(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_template.serving.shadow.PAUSE", 0.01)
    with shadow(made, tmp_path / "log.db") as (started, writer):
        honest, failures = writer.insert, [OperationalError("away")] * 3

        def insert(*rows: Any) -> None:
            if failures:
                raise failures.pop()
            honest(*rows)

        requests = writer.store(asked(1))
        monkeypatch.setattr(writer, "insert", insert)
        started.start()
        started.offer(requests)
        until = time.monotonic() + 20
        while started.told()[1]:
            assert time.monotonic() < until
            time.sleep(0.01)
    assert sorted(model for _, model, _ in held(tmp_path / "log.db")) == ["d1.dir", "d2.dir"]


def test_one_that_cannot_be_loaded_keeps_nobody_from_being_answered(
    made: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made, folder)
    (folder / "build/model" / SHADOW / "model.onnx").write_bytes(b"damaged")
    with service(folder, tmp_path / "log.db") as started:
        assert "shadow" not in started.card()
        assert ask(create(started), "/predict", ROW).status == 200
    assert "there is no shadow" in caplog.text
    assert [model for _, model, _ in held(tmp_path / "log.db")] == ["d1.dir"]


def test_without_a_log_it_does_not_run(made: Path) -> None:
    started = Service(Settings(model_dir=made / "build" / "model"))
    started.start()
    assert "shadow" not in started.card()


class Stood:
    """A champion or a shadow, as far as comparing asks."""

    def __init__(self, digest: str, folder: Path) -> None:
        self.digest, self.short, self.number, self.name = digest, digest, 7, "stronger"
        self.folder = folder

    @contextmanager
    def directory(self) -> Iterator[Path]:
        yield self.folder / "models" / "challenger"


@pytest.fixture
def compared(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`compared(days, champion, shadow)`: the verdict where each says the truth with so much noise."""
    monkeypatch.chdir(made)
    champion, shadow = Stood("d1.dir", made), Stood("d2.dir", made)
    monkeypatch.setattr(live, "find_champion", lambda name: (champion, None))
    monkeypatch.setattr(live, "find_shadow", lambda name: shadow)
    monkeypatch.setattr(live, "model_directory", lambda *_: shadow.directory())
    held = load_params()
    params = held.model_copy(update={"serving": held.serving.model_copy(update={"shadow": "stronger"})})

    def play(days: int, champion_noise: float, shadow_noise: float, outcomes: float = 1.0) -> Comparison:
        place = tmp_path / "log.db"
        place.unlink(missing_ok=True)
        random = np.random.default_rng(1)
        told: list[Outcome] = []
        entries: dict[str, list[Answered]] = {"d1.dir": [], "d2.dir": []}
        body = pd.Series(ROW).to_json(force_ascii=False).encode()
        for day in range(days):
            for row in range(40):
                at = (BEGIN + timedelta(days=day, minutes=row)).timestamp()
                request, truth = request_id(at), int(random.integers(2))
                for model, noise in (("d1.dir", champion_noise), ("d2.dir", shadow_noise)):
                    probability = 1 / (1 + np.exp(-(2 * truth - 1) - random.normal(0, noise)))
                    values = [[float(1 - probability), float(probability), truth]]
                    entries[model].append(answered(at, body, values, request))
                if random.random() < outcomes:
                    told.append(Outcome(f"{request}-0", str(truth).encode(), BEGIN))
        for model, of_model in entries.items():
            write(place, *of_model, *told, model=model)
            told = []
        return live.compare_live(params, str(place))

    return play


def test_a_better_one_is_shown_to_be_so_and_an_equal_one_is_not(compared: Any) -> None:
    better = compared(20, 2.0, 1.0)
    assert better.verdict == "promote" and better.rows == 800
    assert "roc_auc +" in better.reasons[0] and "not worse than the champion" in better.reasons[0]
    assert better.metrics["roc_auc"].challenger > better.metrics["roc_auc"].champion
    worse = compared(20, 1.0, 2.0)
    assert worse.verdict == "keep" and "non-inferiority not shown" in worse.reasons[0]


def test_it_is_too_early_before_two_weeks_and_only_known_outcomes_count(compared: Any) -> None:
    early = compared(10, 2.0, 0.5, outcomes=0.5)
    assert early.verdict == "keep"
    assert early.reasons == ["10 days with outcomes, 14 are needed"]
    assert 150 < early.rows < 250
