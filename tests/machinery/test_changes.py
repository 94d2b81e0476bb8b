"""What differs from the base is named: settings, libraries, rows, stages; and nothing where nothing does."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dvc.repo import Repo
from mlops_template.data import known_files, partitions, validate
from mlops_template.integrations import dvc, git
from mlops_template.report import changes
from mlops_template.report.changes import Change, DataSummary
from mlops_template.settings import paths
from mlops_template.settings.params import load_params
from ruamel.yaml import YAML


@pytest.fixture(autouse=True)
def base(project: Path) -> None:
    """The project in a git repository, as its base."""
    (project / "pyproject.toml").write_text(
        '[project]\nname = "flights"\nauthors = [{ name = "A", email = "a@b.c" }]\n'
    )
    git.git("init", "--quiet", "--initial-branch=main")
    commit()


def commit() -> None:
    """Commit everything."""
    git.git("add", "--all")
    git.git("-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "--quiet", "--message=x", "--allow-empty")


def lock(**stages: dict[str, Any]) -> None:
    """Write a `dvc.lock`."""
    YAML().dump({"schema": "2.0", "stages": stages}, paths.LOCK)


def test_nothing_changed_is_nothing() -> None:
    assert changes.parameters("HEAD") == changes.libraries("HEAD") == changes.stages("HEAD") == []
    assert changes.data("HEAD", load_params()) is None
    assert changes.code("HEAD") == ""


def test_each_setting_is_named_and_of_a_list_what_came_and_went(change: Callable[..., None]) -> None:
    change(
        split={"holdout": 0.2},
        columns={"numeric": ["distance", "wind_gust", "humidity"], "positive": None},
        gates={"limits": {"roc_auc": 0.6}},
    )
    assert changes.parameters("HEAD") == [
        Change("columns.positive", "1", "null"),
        Change("columns.numeric", "departure_minute", "humidity"),
        Change("split.holdout", "28 days", "0.2"),
        Change("gates.limits.roc_auc", None, "0.6"),
    ]


def test_another_order_of_a_list_is_shown_whole(change: Callable[..., None]) -> None:
    change(columns={"categorical": ["origin", "carrier"]})
    assert changes.parameters("HEAD") == [Change("columns.categorical", "carrier, origin", "origin, carrier")]


def test_libraries_are_compared_by_the_lock_file() -> None:
    entry = '[[package]]\nname = "{}"\nversion = "{}"\n'
    changes.LIBRARIES.write_text(entry.format("numpy", "2.3.0") + entry.format("scipy", "1.16.0"))
    commit()
    changes.LIBRARIES.write_text(entry.format("numpy", "2.3.1") + entry.format("lightgbm", "4.6.0"))
    assert changes.libraries("HEAD") == [
        Change("lightgbm", None, "4.6.0"),
        Change("numpy", "2.3.0", "2.3.1"),
        Change("scipy", "1.16.0", None),
    ]


def test_a_stage_tells_which_of_its_inputs_differ_and_what_became_of_it() -> None:
    train = {
        "cmd": "train",
        "deps": [{"path": "a.py", "md5": "1"}, {"path": "b.py", "md5": "1"}],
        "params": {"params.yaml": {"model": {"seed": 0}}},
    }
    lock(train=train)
    commit()
    now = {
        "cmd": "train",
        "deps": [{"path": "a.py", "md5": "2"}, {"path": "b.py", "md5": "1"}],
        "params": {"params.yaml": {"model": {"seed": 1}}},
    }
    lock(train=now, evaluate={"cmd": "evaluate"})
    paths.STAGES.parent.mkdir(parents=True)
    noted = {"lock": dvc.lock_digest(), "stages": [{"stage": "train", "ran": True, "seconds": 2.5}]}
    paths.STAGES.write_text(json.dumps(noted))

    train_found, evaluate = changes.stages("HEAD")

    assert train_found == changes.Stage("train", True, 2.5, ["a.py", "params.yaml: model"])
    assert evaluate == changes.Stage("evaluate", None, None, ["new stage"])


def test_times_of_another_result_are_not_shown() -> None:
    lock(train={"cmd": "train"})
    paths.STAGES.parent.mkdir(parents=True)
    paths.STAGES.write_text(json.dumps({"lock": "other", "stages": [{"stage": "train", "ran": True, "seconds": 2.5}]}))
    assert changes.stages("HEAD")[0].seconds is None


def test_only_the_rows_that_were_added_are_held_against_the_base(flights: pd.DataFrame) -> None:
    """Winter against summer, not winter against winter and summer."""
    Repo.init()
    take_in(flights)
    commit()
    summer = flights.assign(
        flight_id=flights["flight_id"] + "s",
        departure=flights["departure"] + pd.Timedelta(days=120),
        wind_gust=flights["wind_gust"] + 100,
    )
    take_in(summer)

    found = changes.data("HEAD", load_params())

    assert found and found.compared == ("rows of the base", "rows added")
    assert found.before == DataSummary(len(flights), *window(flights), 1)
    assert found.after == DataSummary(2 * len(flights), window(flights)[0], window(summer)[1], 2)
    assert [one.column for one in found.drifts if one.moved] == ["wind_gust"]
    assert sum(found.drifts[0].after[12:]) > 0.9 * sum(found.drifts[0].after)
    assert {one.column for one in found.drifts} == {*load_params().columns.features, "late"}


def test_rows_that_were_rewritten_are_compared_as_a_whole(flights: pd.DataFrame) -> None:
    Repo.init()
    take_in(flights)
    commit()
    shutil.rmtree(paths.RAW)
    take_in(flights.assign(carrier="ZZ"))
    found = changes.data("HEAD", load_params())
    assert found and found.compared == ("rows of the base", "rows now")
    assert found.drifts[0].column == "carrier" and found.drifts[0].moved


def test_rows_that_are_gone_are_told_of(flights: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    """The report goes on without them."""
    Repo.init()
    take_in(flights)
    commit()
    shutil.rmtree(".dvc/cache")
    take_in(
        flights.assign(flight_id=flights["flight_id"] + "s", departure=flights["departure"] + pd.Timedelta(days=99))
    )
    shutil.rmtree(".dvc/cache")
    found = changes.data("HEAD", load_params())
    assert found and found.unknown and found.after and found.after.rows == 2 * len(flights)


def take_in(rows: pd.DataFrame) -> None:
    """Add a partition, with the list of files that were read, and version the data."""
    partitions.add(rows, "departure")
    known_files.remember({"incoming/a.csv": f"{len(rows)} a"}, load_params().columns)
    dvc.add(paths.RAW)
    validate.main()


def window(rows: pd.DataFrame) -> tuple[str, str]:
    """The first and the last moment."""
    return rows["departure"].min().isoformat(), rows["departure"].max().isoformat()
