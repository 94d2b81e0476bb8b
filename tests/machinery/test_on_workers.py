"""A model that several workers fit, on real ones of Dask: as good as that of one process, and the same each time."""

import os
import signal
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlops_template.errors import ProjectError
from mlops_template.settings import paths
from mlops_template.settings.params import load_params
from mlops_template.training import cluster, on_workers, train
from mlops_template.training.artifact import load_model
from mlops_template.training.trained_rows import trained_rows
from ruamel.yaml import YAML
from sklearn.metrics import roc_auc_score

from .project import template_module, write_package

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="LightGBM needs a library of its own there")

ROWS, GROUP = 12_000, 2_500

SETTINGS: dict[str, Any] = {
    "task": "classification",
    "data": {"source": "sample"},
    "columns": {
        "id": "id",
        "time": "time",
        "target": "bought",
        "numeric": ["price", "pieces", "shelf"],
        "categorical": ["shop"],
    },
    "split": {"holdout": 0.25},
    "model": {
        "threads": 1,
        "workers": 2,
        "candidates": [{"estimator": "lightgbm.LGBMClassifier", "params": {"n_estimators": 40, "verbose": -1}}],
    },
    "gates": {"primary": "roc_auc"},
}


def table() -> pd.DataFrame:
    """Purchases in order of time; a shelf is missing once, where a sample does not look."""
    random = np.random.default_rng(0)
    price, pieces = random.normal(10, 3, ROWS), random.integers(1, 5, ROWS)
    shop = random.choice(["north", "south", "west"], ROWS)
    chance = 1 / (1 + np.exp(11 - price - 2 * (shop == "south") + pieces))
    columns = {
        "id": [f"r{number}" for number in range(ROWS)],
        "time": pd.date_range("2024-01-01", periods=ROWS, freq="min"),
        "price": np.where(random.random(ROWS) < 0.1, np.nan, price),
        "pieces": pieces,
        "shelf": pd.array(random.integers(1, 50, ROWS), dtype="Int64"),
        "shop": shop,
        "bought": (random.random(ROWS) < chance).astype(int),
    }
    rows = pd.DataFrame(columns)
    rows.loc[1, "shelf"] = pd.NA
    return rows


def prepare(folder: Path, rows: pd.DataFrame, **model: Any) -> None:
    """A project that has been split, with row groups that are not all of one size."""
    (folder / "data/split").mkdir(parents=True)
    write_package(folder)
    settings = deepcopy(SETTINGS)
    settings["model"] |= model
    with (folder / paths.PARAMS).open("w", encoding="utf-8") as file:
        YAML().dump(settings, file)
    held = ROWS * 3 // 4
    rows.iloc[:held].to_parquet(folder / paths.TRAIN, index=False, row_group_size=GROUP)
    rows.iloc[held:].to_parquet(folder / paths.HOLDOUT, index=False)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Any]:
    """Two workers that wait for work."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as local:
        yield local


@pytest.fixture
def project(scheduler: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and a cluster that is named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(cluster.CLUSTER, scheduler.scheduler_address)
    return tmp_path


def test_all_rows_are_learned_from_as_by_one_process(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "SAMPLED", 500)
    prepare(project, table())
    train.main()
    assert "boosting: 40 of 40\ntrained LGBMClassifier on 9,000 rows by 2 workers" in capsys.readouterr().out
    model = load_model(paths.CHALLENGER)
    trees = model.pipeline.steps[-1][1].booster_.dump_model()["tree_info"]
    assert len(trees) == 40
    assert {tree["tree_structure"]["internal_count"] for tree in trees} == {9_000}
    card = model.card
    assert card["workers"] == 2
    assert card["training"]["rows"] == 9_000 and card["training"]["last"] == "2024-01-07T05:59:00"
    assert card["request"]["shelf"] == "float64" and card["request"]["pieces"] == "int64"
    held = pd.read_parquet(paths.HOLDOUT)
    assert trained_rows(paths.CHALLENGER).complete
    assert trained_rows(paths.CHALLENGER).seen(pd.read_parquet(paths.TRAIN)["id"]).all()
    by_workers = model.predict(held)

    settings = YAML(typ="safe").load(paths.PARAMS)
    del settings["model"]["workers"]
    YAML().dump(settings, paths.PARAMS)
    train.main()
    alone = load_model(paths.CHALLENGER)
    assert "workers" not in alone.card
    found = [roc_auc_score(held["bought"], one.iloc[:, 1]) for one in (by_workers, alone.predict(held))]
    assert found[0] == pytest.approx(found[1], abs=0.005) and found[0] > 0.75


def test_the_same_bytes_come_from_a_named_cluster_and_from_processes_of_this_machine(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(project, table())
    found = []
    for _ in ("the cluster", "the cluster again"):
        train.main()
        found.append({file.name: file.read_bytes() for file in paths.CHALLENGER.iterdir() if file.is_file()})
    monkeypatch.delenv(cluster.CLUSTER)
    train.main()
    found.append({file.name: file.read_bytes() for file in paths.CHALLENGER.iterdir() if file.is_file()})
    assert found[0] == found[1] == found[2]
    assert not any(b"127.0.0.1" in content for content in found[0].values())


def test_where_the_file_is_cut_into_row_groups_changes_nothing(project: Path) -> None:
    """The last one has as many rows as are left, be they fewer than there are workers."""
    prepare(project, table())
    rows, found = pd.read_parquet(paths.TRAIN), []
    for size in (GROUP, len(rows) - 1):
        rows.to_parquet(paths.TRAIN, index=False, row_group_size=size)
        train.main()
        found.append((paths.CHALLENGER / "model.joblib").read_bytes())
    assert found[0] == found[1]


def test_more_workers_than_rows_are_refused(project: Path) -> None:
    prepare(project, table())
    pd.read_parquet(paths.TRAIN).head(1).to_parquet(paths.TRAIN, index=False)
    with pytest.raises(ProjectError, match="model.workers is 2, but there is no row for each of them: take fewer"):
        train.main()


def test_numbers_are_fitted_too(project: Path) -> None:
    prepare(project, table())
    settings = YAML(typ="safe").load(paths.PARAMS)
    settings["task"], settings["columns"]["target"], settings["gates"]["primary"] = "regression", "price", "mae"
    settings["columns"]["numeric"] = ["pieces", "bought"]
    settings["model"]["candidates"][0]["estimator"] = "lightgbm.LGBMRegressor"
    YAML().dump(settings, paths.PARAMS)
    rows = pd.read_parquet(paths.TRAIN)
    rows.assign(price=rows["price"].fillna(10)).to_parquet(paths.TRAIN, index=False)
    train.main()
    held = pd.read_parquet(paths.HOLDOUT).dropna(subset="price")
    predicted = load_model(paths.CHALLENGER).predict(held)["prediction"]
    assert (held["price"] - predicted).abs().mean() < 0.9 * (held["price"] - held["price"].mean()).abs().mean()


SPARSE = ("sparse_threshold=0.3 if get_tags(estimator).input_tags.sparse else 0", "sparse_threshold=1")
ONE_HOT = ('OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)', 'OneHotEncoder(handle_unknown="ignore")')
ENDS_OTHERWISE = ('("model", estimator)', '("model", CalibratedClassifierCV(estimator))')
CATEGORIES = ('("columns", transformer)', '("columns", FunctionTransformer(as_categories))')
FUNCTION = '\n\ndef as_categories(rows):\n    return rows.astype({"shop": "category"})\n'
AS_NUMBERS = FUNCTION.replace('rows.astype({"shop": "category"})', 'rows.drop(columns="shop")')
IMPORTS = "from sklearn.calibration import CalibratedClassifierCV\nfrom sklearn.preprocessing import FunctionTransformer\n"


def pipeline(*changes: tuple[str, str], more: str = "") -> str:
    """The template's pipeline.py with something else in it."""
    source = template_module("pipeline")
    for before, after in changes:
        assert before in source
        source = source.replace(before, after)
    return source.replace("from sklearn import pipeline\n", f"from sklearn import pipeline\n{IMPORTS}") + more


def test_a_pipeline_of_ones_own_may_give_sparse_inputs_or_a_table(project: Path) -> None:
    """And have functions of its own in it, which the workers find, too."""
    prepare(project, table())
    train.main()
    usual = load_model(paths.CHALLENGER).predict(pd.read_parquet(paths.HOLDOUT)).iloc[:, 1]
    for source in (pipeline(SPARSE, ONE_HOT), pipeline(CATEGORIES, more=AS_NUMBERS)):
        write_package(project, pipeline=source)
        train.main()
        other = load_model(paths.CHALLENGER).predict(pd.read_parquet(paths.HOLDOUT)).iloc[:, 1]
        assert 0.8 < np.corrcoef(usual, other)[0, 1] < 1


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (pipeline(ENDS_OTHERWISE), r"pipeline.py ends with CalibratedClassifierCV, which is fitted on one machine"),
        (pipeline(CATEGORIES, more=FUNCTION), r"give categories of pandas', .*: encode them"),
    ],
)
def test_what_cannot_be_fitted_in_shares_is_refused(project: Path, source: str, said: str) -> None:
    prepare(project, table())
    write_package(project, pipeline=source)
    with pytest.raises(ProjectError, match=said):
        train.main()


def test_a_class_that_a_worker_lacks_is_refused(project: Path) -> None:
    """It would be taken for another one: LightGBM numbers the classes that it sees."""
    rows = table()
    rows.loc[4_000, "bought"] = 2
    prepare(project, rows)
    with pytest.raises(ProjectError, match="model.workers is 2, but class 2 has too few rows for each to get one"):
        train.main()


def test_another_estimator_is_refused_with_the_settings(tmp_path: Path) -> None:
    prepare(tmp_path, table(), candidates=[{"estimator": "sklearn.linear_model.LogisticRegression"}])
    with pytest.raises(ProjectError, match="workers fit lightgbm.LGBMClassifier and .*, but sklearn.linear_model.Log"):
        load_params(tmp_path / paths.PARAMS)


def test_fewer_workers_than_the_recipe_names_are_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 1.0)
    prepare(project, table(), workers=3)
    with pytest.raises(ProjectError, match=r"model.workers is 3, but the cluster at tcp://127.0.0.1:\d+ has 2: start"):
        train.main()


def test_a_file_that_the_workers_do_not_reach_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(project, table())
    elsewhere = project / "elsewhere.parquet"
    actual = on_workers.Share
    monkeypatch.setattr(on_workers, "Share", lambda file, *others: actual(elsewhere, *others))
    with pytest.raises(ProjectError, match=rf"a worker finds no .*{elsewhere.name}: the workers have to reach"):
        train.main()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no signal that ends a process at once")
def test_a_worker_that_is_lost_ends_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within seconds, and says so; the next training finds its way."""
    from distributed import Client, LocalCluster

    monkeypatch.chdir(tmp_path)
    params = {"n_estimators": 100_000, "verbose": -1}
    prepare(tmp_path, table(), candidates=[{"estimator": "lightgbm.LGBMClassifier", "params": params}])
    actual, rounds = on_workers.progress, []
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as local,
        Client(local) as client,
    ):
        pids = client.run(os.getpid)

        def kill_one(items: Any, total: int | None, title: str) -> Iterator[Any]:
            for item in actual(items, total, title):
                if not rounds:
                    os.kill(pids[max(pids)], signal.SIGKILL)
                rounds.append(item)
                yield item

        monkeypatch.setenv(cluster.CLUSTER, local.scheduler_address)
        monkeypatch.setattr(on_workers, "progress", kill_one)
        with pytest.raises(ProjectError, match=r"the worker at tcp://127.0.0.1:\d+ was lost while the model was"):
            train.main()
        assert 0 < len(rounds) < 100_000
    assert not paths.CHALLENGER.exists()
