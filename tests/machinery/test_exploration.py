"""A notebook explores a project by the functions of its pipeline, away from the rows held out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlops_template.data import split
from mlops_template.data.contract import conform, load_contract
from mlops_template.errors import ProjectError
from mlops_template.notebook.exploration import Exploration
from mlops_template.settings import paths

from .conftest import Change
from .project import write_package

DERIVED = """
import pandas as pd

def add_features(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(far={})
"""


@pytest.fixture
def split_rows(project: Path, flights: pd.DataFrame) -> pd.DataFrame:
    """The rows of the project, split as its settings say."""
    rows = conform(flights, load_contract())
    paths.RAW.mkdir(parents=True)
    rows.to_parquet(paths.RAW / "all.parquet", index=False)
    (project / "notebooks").mkdir()
    return rows


def explored(monkeypatch: pytest.MonkeyPatch, project: Path) -> Exploration:
    """From where notebooks lie."""
    split.main()
    Path("dvc.yaml").touch()
    monkeypatch.chdir(project / "notebooks")
    return Exploration()


def test_the_latest_rows_judge_and_those_held_out_are_not_among_them(
    project: Path, split_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    exploration = explored(monkeypatch, project)
    rows, held_out = exploration.rows(), pd.read_parquet(paths.HOLDOUT)
    earlier, later = exploration.split(rows)
    assert not set(rows["flight_id"]) & set(held_out["flight_id"])
    assert len(earlier) + len(later) == len(rows) and 0.1 < len(later) / len(rows) < 0.3
    assert earlier["departure"].max() < later["departure"].min()
    assert len(exploration.split(rows, "14 days")[1]) < len(rows)


def test_without_a_time_a_share_of_the_ids_judges(
    project: Path, split_rows: pd.DataFrame, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another hash than that by which the rows to train on were chosen."""
    change(columns={"time": None}, split={"holdout": 0.3})
    exploration = explored(monkeypatch, project)
    rows = exploration.rows()
    earlier, later = exploration.split(rows, 0.25)
    assert 0.15 < len(later) / len(rows) < 0.35
    assert not set(earlier["flight_id"]) & set(later["flight_id"])
    assert np.isfinite(exploration.measure(exploration.fit(earlier), later)["value"]).any()
    with pytest.raises(ProjectError, match="no time: give a share"):
        exploration.split(rows, "14 days")


def test_models_are_those_of_the_pipeline(
    project: Path, split_rows: pd.DataFrame, task: str, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that are the same do not differ; another estimator does; the worst rows are told."""
    change(model={"threads": 1})
    if task == "regression":
        change(task=task, columns={"target": "distance", "numeric": ["departure_minute"]}, gates={"primary": "mae"})
    exploration = explored(monkeypatch, project)
    earlier, later = exploration.split(exploration.rows())
    model = exploration.fit(earlier)
    linear = "sklearn.linear_model." + ("Ridge" if task == "regression" else "LogisticRegression")
    primary = "mae" if task == "regression" else "roc_auc"
    measured = exploration.measure(model, later).loc[primary]
    assert measured["low"] <= measured["value"] <= measured["high"]
    same = exploration.difference(exploration.fit(earlier), model, later).loc[primary]
    assert same["difference"] == 0 and same["this"] == same["other"] == pytest.approx(measured["value"], abs=1e-5)
    other = exploration.difference(exploration.fit(earlier, linear), model, later).loc[primary]
    assert other["difference"] != 0 and other["low"] <= other["difference"] <= other["high"]
    worst = exploration.worst(model, later, 5)
    assert len(worst) == 5 and list(worst.columns[: len(later.columns)]) == list(later.columns)
    target = exploration.params.columns.target
    told = "prediction" if task == "regression" else "probability_1"
    errors = (worst[told] - worst[target]).abs().tolist()
    assert errors == sorted(errors, reverse=True)


def test_what_the_owner_changes_is_read_anew(
    project: Path, split_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_package(project, features=DERIVED.format("rows['distance'] > 1000"))
    exploration = explored(monkeypatch, project)
    rows = exploration.rows()
    assert set(exploration.features(rows)["far"]) == {False, True}
    write_package(project, features=DERIVED.format("'edited'"))
    assert set(exploration.features(rows)["far"]) == {"edited"}
    with paths.PARAMS.open("a", encoding="utf-8") as params:
        params.write("evaluate: { slices: [origin], min_slice_rows: 5 }\n")
    earlier, later = exploration.split(rows)
    assert set(exploration.slices(exploration.fit(earlier), later).index) <= {"origin = EWR", "origin = JFK", "origin = LGA"}


def test_columns_are_told_by_what_they_are_for(
    project: Path, split_rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    exploration = explored(monkeypatch, project)
    told = exploration.columns(exploration.rows().assign(extra=1))
    assert told.loc["late", "used as"] == "target" and told.loc["flight_id", "used as"] == "id"
    assert told.loc["extra", "type"] == "derived"
    assert told.loc["distance", "least"] <= told.loc["distance", "greatest"]
