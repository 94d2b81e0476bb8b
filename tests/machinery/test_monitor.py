"""The log of a champion in production is told as what it is: calm, changed, better or worse than when promoted."""

import re
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from mlops_template.data import partitions, split
from mlops_template.data.contract import conform, load_contract
from mlops_template.errors import ProjectError
from mlops_template.integrations.revisions import Champion
from mlops_template.monitor import show, versions
from mlops_template.monitor.open_log import opened
from mlops_template.monitor.baseline import Baseline, baseline_of
from mlops_template.monitor.evidence import evidence, judged
from mlops_template.monitor.champion_view import MonitoredModel
from mlops_template.monitor.monitor import importance
from mlops_template.monitor.monitor import look as look_at
from mlops_template.monitor.monitoring import Monitoring
from mlops_template.monitor.monitoring_page import html
from mlops_template.monitor.outcomes import forget_rows, record
from mlops_template.prediction_log.log_tables import predictions
from mlops_template.prediction_log.ids import request_id
from mlops_template.settings import paths
from mlops_template.settings.params import Params, load_params
from mlops_template.training import train
from mlops_template.training.artifact import load_model
from rich.console import Console
from ruamel.yaml import YAML

from logged import answered, write

from .project import write_package

SETTINGS: dict[str, Any] = {
    "task": "classification",
    "data": {"source": "sample"},
    "columns": {
        "id": "id",
        "time": "time",
        "target": "bought",
        "positive": 1,
        "numeric": ["price", "age", "rebate"],
        "categorical": ["shop"],
    },
    "split": {"holdout": "28 days"},
    "model": {"threads": 1, "candidates": [{"estimator": "sklearn.linear_model.LogisticRegression"}]},
    "evaluate": {"n_bootstrap": 100},
    "gates": {"primary": "roc_auc", "margin": 0.02},
}
CONTRACT: dict[str, Any] = {
    "id": {"type": "string", "unique": True},
    "time": {"type": "datetime"},
    "price": {"type": "number"},
    "age": {"type": "integer", "nullable": True},
    "shop": {"type": "string"},
    "bought": {"type": "integer", "allowed": [0, 1]},
    "paid": {"type": "number"},
}
FEATURES = """
import pandas as pd


def add_features(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(rebate=rows["price"] * (rows["shop"] == "south"))
"""
START = pd.Timestamp("2026-01-01")
DAILY = 120
TRAINED = 90
"""Days of the reference, the last 28 of which are the holdout."""
DIGEST = "d1.dir"


def purchases(first: int, days: int, seed: int = 0, **changed: Any) -> pd.DataFrame:
    """Purchases on some days, 120 each; columns may be replaced, the last time before anyone decides to buy."""
    random = np.random.default_rng([seed, first])
    rows = days * DAILY
    price = random.normal(10, 2, rows) * changed.get("inflation", 1.0)
    age = random.integers(18, 80, rows).astype(float)
    shop = random.choice(["north", "south"], rows)
    sense = changed.get("sense", 1.0)
    logit = sense * 0.8 * (price - 10) + 0.03 * (age - 50) + (shop == "south")
    table = pd.DataFrame(
        {
            "id": [f"{first}-{number}" for number in range(rows)],
            "time": START + pd.to_timedelta(first + np.arange(rows) / DAILY, unit="D"),
            "price": price,
            "age": np.where(random.random(rows) < changed.get("missing", 0.01), np.nan, age),
            "shop": np.where(random.random(rows) < changed.get("new", 0.0), "web", shop),
            "bought": (random.random(rows) < 1 / (1 + np.exp(-logit))).astype("int64"),
        }
    )
    return table.assign(paid=5 * table["price"] + random.normal(0, 3, rows))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A project with a champion, for each task."""
    folders = {}
    for task in ("classification", "regression"):
        folder = folders[task] = tmp_path_factory.mktemp(task)
        settings: dict[str, Any] = json.loads(json.dumps(SETTINGS))
        if task == "regression":
            settings |= {"task": task, "gates": {"primary": "mae"}}
            settings["columns"] |= {"target": "paid", "positive": None}
            settings["model"]["candidates"] = [{"estimator": "sklearn.linear_model.Ridge"}]
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            write_package(folder, features=FEATURES)
            YAML().dump(settings, paths.PARAMS)
            YAML().dump({"columns": CONTRACT}, paths.CONTRACT)
            partitions.add(conform(purchases(0, TRAINED), load_contract()), "time")
            split.main()
            train.main()
    return folders


@pytest.fixture
def project(made: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one that classifies."""
    monkeypatch.chdir(made["classification"])
    return made["classification"]


def serve(place: Path | str, rows: pd.DataFrame, ids: bool = True) -> list[str]:
    """Log the predictions of the champion for rows, at their times; the ids of the predictions."""
    model = load_model(paths.CHALLENGER)
    request = ["id", *model.request] if ids else [*model.request]
    predicted = model.predict(rows)
    values: Any = predicted.to_numpy().tolist()
    if model.classes is not None:
        values = [[*row, int(row[1] > 0.5)] for row in values]
    entries, found = [], []
    content = rows[request].astype(object).where(rows[request].notna(), None).to_dict("records")
    for row, moment, value in zip(content, rows["time"], values, strict=True):
        at = moment.replace(tzinfo=UTC).timestamp()
        one = request_id(at)
        found.append(f"{one}-0")
        entries.append(answered(at, json.dumps(row).encode(), [value], one))
    write(place, *entries, model=DIGEST, id_column="id")
    return found


def tell(place: Path | str, rows: pd.DataFrame, folder: Path, **columns: Any) -> str:
    """Tell outcomes in a file."""
    file = folder / "outcomes.csv"
    params = load_params()
    rows.assign(**columns)[[*columns, params.columns.target] if columns else ["id", params.columns.target]].to_csv(
        file, index=False
    )
    return str(record(params, str(place), str(file)))


CHAMPION = Champion(1, DIGEST, "c0ffee")


@cache
def learned(project: Path, settings: str) -> tuple[MonitoredModel, Baseline]:
    """The champion of a project, and what is usual for it."""
    params = Params.model_validate_json(settings)
    model = MonitoredModel(params, load_contract(), paths.CHALLENGER)
    return model, baseline_of(params, model, paths.CHALLENGER, {})


def look(place: Path | str, now: datetime | None = None, params: Params | None = None) -> Monitoring:
    """At the log."""
    params = params or load_params()
    with opened(str(place)) as engine:
        parts = *learned(Path.cwd(), params.model_dump_json()), engine, now or datetime(2027, 1, 1, tzinfo=UTC)
        return look_at(params, load_contract(), CHAMPION, *parts)


def test_a_calm_month_is_calm_and_its_estimate_is_right(project: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.db"
    rows = purchases(TRAINED, 35)
    serve(log, rows)
    assert tell(log, rows, tmp_path).startswith("4,200 outcomes: 4,200 new")
    found = look(log)
    assert found.problems == []
    assert len(found.windows) == 5
    for window in found.windows:
        assert (window.rows, window.known) == (840, 840)
        assert window.real and window.estimated and window.real.value and window.estimated.value
        assert abs(window.real.value - window.estimated.value) < 0.06
    assert {one.column for one in found.drifted} == {"price", "age", "rebate", "shop"}, "derived columns, too"
    text = show.markdown(found)
    assert "champion 1 does as expected" in text
    assert "where all outcomes are known (5 windows)" in text
    said = judged(found, wanted=True)
    assert not said.given
    assert re.fullmatch(
        r"roc_auc 0\.\d+ \[0\.\d+, 0\.\d+\] by 840 outcomes of \S+ to \S+, 0\.\d+ \[.*\] when promoted; "
        "no worse than by chance",
        said.figure,
    )


@pytest.mark.parametrize(
    ("changed", "blamed"),
    [
        ({"inflation": 1.6}, "price"),
        ({"missing": 0.4}, "age"),
        ({"new": 0.1}, "shop"),
    ],
)
def test_what_changed_is_named_within_days(
    project: Path, tmp_path: Path, changed: dict[str, float], blamed: str
) -> None:
    """Without a single outcome."""
    log = tmp_path / "log.db"
    serve(log, pd.concat([purchases(TRAINED, 10), purchases(TRAINED + 10, 10, **changed)]))
    found = look(log)
    problem = found.open[0]
    assert any(blamed in figure for figure in problem.figures)
    assert problem.since <= datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=TRAINED + 14)
    assert found.windows[-1].real is None
    assert found.drifted[0].column in (blamed, "rebate")
    assert found.drifted[0].psi > 0.1 > max(one.psi for one in found.drifted if one.column not in (blamed, "rebate"))
    assert f"champion 1 needs attention since {problem.since:%Y-%m-%d}" in show.markdown(found)
    said = judged(found, wanted=True)
    assert "predictions of" in said.figure and "no outcome known" in said.figure
    assert not said.given, "that the rows are others is a reason of its own"


def test_a_concept_that_changed_shows_in_the_outcomes_alone(project: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.db"
    rows = pd.concat([purchases(TRAINED, 10), purchases(TRAINED + 10, 14, sense=-1.0)])
    serve(log, rows)
    assert look(log).open == []
    tell(log, rows, tmp_path)
    found = look(log)
    assert {*found.open[0].figures} <= {"the loss", "the primary metric"}
    assert found.open[0].of_performance
    real, estimated = found.windows[-1].real, found.windows[-1].estimated
    assert real and estimated and real.high and estimated.low
    assert real.high < estimated.low, "the estimate cannot know"
    said = judged(found, wanted=True)
    assert said.given and f"worse by more than chance since {found.open[0].since:%Y-%m-%d}" in said.figure
    assert not judged(found, wanted=False).given


def test_a_log_that_is_away_keeps_no_retraining_from_being_decided(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MONITORING", raising=False)
    assert evidence(load_params(), "") is None
    said = evidence(load_params(), str(tmp_path / "no.db"))
    assert said and not said.given and said.figure.startswith("not measured: ")


def test_of_slices_the_one_that_became_worst_comes_first(project: Path, tmp_path: Path) -> None:
    """In the latest window that has outcomes; each beside what it was when the champion was promoted."""
    params = load_params()
    settings = params.evaluate.model_copy(update={"slices": ["shop", "rebated"], "min_slice_rows": 50})
    by_shop = params.model_copy(update={"evaluate": settings.model_copy(update={"slices": ["shop"]})})
    log = tmp_path / "log.db"
    rows, worse = purchases(TRAINED, 14), purchases(TRAINED, 14, sense=-1.0)
    rows["bought"] = worse["bought"].where(rows["shop"] == "south", rows["bought"])
    serve(log, rows)
    assert look(log, params=by_shop).slices == []
    known = rows[rows["time"] < START + pd.Timedelta(days=TRAINED + 7)]
    tell(log, known, tmp_path)
    found = look(log, params=by_shop).slices
    assert [one.name for one in found] == ["shop = south", "shop = north"]
    assert sum(one.rows for one in found) == len(known), "of the last window with outcomes, not the last one"
    south, north = found
    assert south.promoted and north.promoted and south.real.high and south.promoted.low
    assert south.real.high < south.promoted.low
    unknown = params.model_copy(update={"evaluate": settings})
    assert {one.name for one in look(log, params=unknown).slices} == {"shop = south", "shop = north"}
    stored = by_shop.predictions.model_copy(update={"leave_out": ["shop"]})
    assert look(log, params=by_shop.model_copy(update={"predictions": stored})).slices == []


def test_models_of_one_window_stand_beside_each_other(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another model predicted some of the rows, always right; one of other classes is counted, and not judged."""
    monkeypatch.setattr(versions, "champions", lambda: [CHAMPION])
    log = tmp_path / "log.db"
    rows = purchases(TRAINED, 10)
    serve(log, rows)
    tell(log, rows, tmp_path)
    engine = sa.create_engine(f"sqlite:///{log}")
    prediction = "json_array(1.0 - {0}, {0} * 1.0, {0})".format("(select json(value) from outcomes where key = row_id)")
    kept = ", ".join(column.name for column in predictions.columns if column.name not in ("model", "prediction"))
    with engine.begin() as connection:
        for name, said in (("better00", prediction), ("otherwise", "'[1, 2, 3, 4, 5]'")):
            connection.execute(
                sa.text(
                    f"insert into predictions ({kept}, model, prediction) select {kept}, '{name}', {said} "
                    "from predictions where model not in ('better00', 'otherwise') and row_id not like '%0'"
                )
            )
    found = look(log)
    assert [one.name for one in found.versions][1:] == ["better00", "otherwis"]
    champion, better, otherwise = found.versions
    assert champion.rows > better.rows == otherwise.rows > 0 and champion.known == champion.rows
    assert champion.real and champion.real.value and champion.real.value < 1.0
    assert better.real and better.real.value == 1.0
    assert otherwise.real is None and otherwise.known == otherwise.rows
    assert "better00" in show.markdown(found) and "better00" in html(found, "shop")


def test_a_day_of_few_predictions_is_noted(project: Path, tmp_path: Path) -> None:
    """Beside the same weekday of four weeks; it is no alarm."""
    log = tmp_path / "log.db"
    rows = purchases(TRAINED, 29)
    last = rows["time"].dt.floor("D").max()
    serve(log, rows[(rows["time"] < last) | (np.arange(len(rows)) % 4 == 0)])
    found = look(log)
    assert found.notes[-1] == f"{last:%Y-%m-%d} had 30 predictions, the same weekday of the 4 weeks before 120"
    serve(tmp_path / "other.db", rows)
    assert not any("predictions" in note for note in look(tmp_path / "other.db").notes)


def test_a_day_that_is_not_over_raises_no_alarm(project: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.db"
    rows = pd.concat([purchases(TRAINED, 10), purchases(TRAINED + 10, 3, inflation=5.0)])
    serve(log, rows)
    begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=TRAINED + 10)
    before = look(log, now=begin + timedelta(hours=12))
    assert before.problems == []
    assert any("not over" in note for note in before.notes)
    assert look(log).open != []


def test_before_a_day_is_over_nothing_is_said_to_be_well(project: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.db"
    serve(log, purchases(TRAINED, 1))
    begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=TRAINED)
    assert "cannot be judged yet" in show.headline(look(log, now=begin + timedelta(hours=23)))
    assert "does as expected" in show.headline(look(log, now=begin + timedelta(hours=25)))


def test_outcomes_join_by_either_id_late_repeated_and_corrected(project: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.db"
    rows = purchases(TRAINED, 2)
    ids = serve(log, rows.iloc[:120], ids=False) + serve(log, rows.iloc[120:])
    wrong = rows.assign(bought=1 - rows["bought"])
    first = tell(log, wrong.iloc[:120], tmp_path, id=ids[:120])
    assert first.startswith("120 outcomes: 120 new")
    again = tell(log, rows.iloc[:120], tmp_path, id=ids[:120])
    assert "120 corrected" in again
    assert "held already" in tell(log, rows.iloc[:120], tmp_path, id=ids[:120])
    older = tell(log, wrong.iloc[:120], tmp_path, id=ids[:120], known_at="2020-01-01T00:00:00Z")
    assert "120 older than the one held" in older
    assert "wait for it" in tell(log, purchases(TRAINED + 5, 1), tmp_path)
    assert look(log).windows[-1].known == 120
    tell(log, rows.iloc[120:], tmp_path)
    assert look(log).windows[-1].known == 240
    serve(log, purchases(TRAINED + 5, 1))
    assert look(log).windows[-1].known == 360, "what was told before the prediction was logged"


def test_outcomes_come_from_the_rows_held_and_from_a_database(project: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.db"
    serve(log, purchases(TRAINED - 1, 1, seed=0))
    params = load_params()
    assert str(record(params, str(log), "")).startswith(f"{TRAINED * DAILY:,} outcomes")
    engine = sa.create_engine(f"sqlite:///{tmp_path}/truth.db")
    purchases(TRAINED, 1).to_sql("sales", engine, index=False)
    engine.dispose()
    told = record(params, str(log), f"sqlite:///{tmp_path}/truth.db::SELECT id, bought FROM sales")
    assert told.rows == 120
    assert forget_rows(params, str(log), [f"{TRAINED}-3"]) == f"deleted 0 predictions and 1 outcomes of {TRAINED}-3"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,bought\n1,2\n", "has no column id or id"),
        ("id,b\n1,2\n", "has no column bought or outcome"),
        ("id,bought,known_at\n1,1,soon\n", "known_at has what is no moment in ISO 8601"),
    ],
)
def test_a_table_without_outcomes_is_refused(project: Path, tmp_path: Path, content: str, said: str) -> None:
    log = tmp_path / "log.db"
    serve(log, purchases(TRAINED, 1).head(1))
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ProjectError, match=said):
        record(load_params(), str(log), str(tmp_path / "a.csv"))


def test_a_regression_is_judged_by_its_errors(
    made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made["regression"])
    log = tmp_path / "log.db"
    calm, wild = purchases(TRAINED, 14), purchases(TRAINED + 14, 14)
    rows = pd.concat([calm, wild.assign(paid=wild["paid"] + np.tile([-9.0, 9.0], len(wild) // 2))])
    serve(log, rows)
    assert look(log).problems == []
    tell(log, rows, tmp_path)
    found = look(log)
    assert {*found.open[0].figures} <= {"the loss", "the primary metric"}
    first, last = found.windows[0], found.windows[-1]
    assert first.real and first.real.value and first.estimated and first.estimated.value
    assert abs(first.real.value - first.estimated.value) < 0.3
    assert last.real and last.real.value and last.real.value > 2 * first.real.value


def test_columns_that_are_never_stored_are_not_looked_at(project: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.db"
    serve(log, purchases(TRAINED, 20))
    params = load_params()
    policy = params.predictions.model_copy(update={"leave_out": ["price"]})
    changed = params.model_copy(update={"predictions": policy})
    found = look(log, params=changed)
    assert {drifted.column for drifted in found.drifted} == {"age", "shop"}
    assert any("derived columns are not looked at" in note for note in found.notes)


def test_the_terminal_shows_it_in_eighty_columns(project: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.db"
    serve(log, purchases(TRAINED, 20, inflation=1.5))
    console = Console(width=80, record=True)
    for part in show.terminal(look(log)):
        console.print(part)
    text = console.export_text()
    assert "needs attention" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    (line,) = [line for line in text.splitlines() if line.startswith("roc_auc (more is better); ")]
    assert line.rstrip().endswith(" when promoted")


def test_what_a_model_stands_on_is_told_in_shares() -> None:
    assert importance({"a": {"value": 0.3}, "b": {"value": 0.1}, "c": {"value": -0.1}, "d": {"value": None}}) == {
        "a": pytest.approx(0.75),
        "b": pytest.approx(0.25),
        "c": 0.0,
        "d": 0.0,
    }
    assert importance({}) == {}


def test_what_is_no_log_is_said(project: Path, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="is no log of predictions: `serve --log"), opened(str(tmp_path / "no.db")):
        pass
    (tmp_path / "text.db").write_text("no database at all, only some text that is long enough to be read")
    with pytest.raises(ProjectError, match="cannot be used: file is not a database"):
        with opened(str(tmp_path / "text.db")):
            pass
