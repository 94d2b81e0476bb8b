"""A model is fitted on training rows only, is the same from the same inputs, and answers whatever comes."""

import hashlib
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import joblib
import mlops_template
import numpy as np
import pandas as pd
import pytest
from mlops_template.errors import ProjectError
from mlops_template.evaluation import evaluate
from mlops_template.serving.model_code import ModelCode
from mlops_template.settings import paths
from mlops_template.settings.params import Params, load_params
from mlops_template.training import train
from mlops_template.training.artifact import load_model
from mlops_template.training.trained_rows import trained_rows
from mlops_template.serving.inputs import MISSING, inputs
from ruamel.yaml import YAML
from sklearn.ensemble import HistGradientBoostingClassifier

from .project import model_code, write_package

SETTINGS = {
    "task": "classification",
    "data": {"source": "sample"},
    "columns": {
        "id": "id",
        "time": "time",
        "target": "bought",
        "numeric": ["price", "stück zahl"],
        "categorical": ["shop", "member"],
        "dates": ["birthday"],
    },
    "split": {"holdout": 0.25},
    "model": {
        "threads": 1,
        "candidates": [
            {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "params": {"max_iter": 10}},
        ],
    },
    "evaluate": {"slices": ["shop"], "min_slice_rows": 20, "n_bootstrap": 100},
    "gates": {"primary": "roc_auc"},
}


def table(rows: int = 600) -> pd.DataFrame:
    """Purchases with every kind of column, and gaps."""
    random = np.random.default_rng(0)
    price = random.normal(10, 3, rows)
    shop = random.choice(["north", "south"], rows)
    bought = (price + 3 * (shop == "south") + random.normal(0, 2, rows) > 11).astype(int)
    return pd.DataFrame(
        {
            "id": [f"r{number}" for number in range(rows)],
            "time": pd.date_range("2024-01-01", periods=rows, freq="h"),
            "price": np.where(random.random(rows) < 0.1, np.nan, price),
            "stück zahl": random.integers(1, 5, rows),
            "shop": pd.Series(shop).where(pd.Series(random.random(rows) > 0.05)),
            "member": random.random(rows) > 0.5,
            "birthday": pd.Timestamp("1980-01-01") + pd.to_timedelta(random.integers(0, 9000, rows), unit="D"),
            "bought": bought,
        }
    )


def prepare(folder: Path, settings: dict = SETTINGS, rows: pd.DataFrame | None = None) -> Params:
    """A project directory that has been split: what `train` finds."""
    (folder / "data/split").mkdir(parents=True)
    write_package(folder)
    with (folder / paths.PARAMS).open("w", encoding="utf-8") as file:
        YAML().dump(settings, file)
    rows = table() if rows is None else rows
    rows.iloc[:450].to_parquet(folder / paths.TRAIN, index=False)
    rows.iloc[450:].to_parquet(folder / paths.HOLDOUT, index=False)
    return load_params(folder / paths.PARAMS)


def digests(folder: Path) -> dict[str, str]:
    """The content of every file in a directory."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for name in ("here", "elsewhere"):
        prepare(tmp_path / name)
        monkeypatch.chdir(tmp_path / name)
        train.main()
        found.append(digests(paths.CHALLENGER))
    assert found[0] == found[1]


OWN = """
from sklearn.linear_model import LogisticRegression


class Own(LogisticRegression):
    def fit(self, rows, target):
        self.seen_ = {str(number) for number in range(20)}
        return super().fit(rows, target)
"""
IN_A_PROCESS = """
import os
if {core}:
    os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
from mlops_template.training import train
train.main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process cannot be kept to a core, nor are there wheels")
@pytest.mark.parametrize("estimator", ["shop.own.Own", "lightgbm.LGBMClassifier"])
def test_the_same_bytes_come_from_another_process_with_fewer_cores(estimator: str, tmp_path: Path) -> None:
    """Where a set has another order, and LightGBM would take, and write down, another number of threads."""
    params = {"max_iter": 100} if estimator.startswith("shop") else {"n_estimators": 5}
    model = {"threads": 2, "candidates": [{"estimator": estimator, "params": params}]}
    found = []
    for core in (0, 1):
        folder = tmp_path / str(core)
        prepare(folder, {**SETTINGS, "model": model})
        write_package(folder, own=OWN)
        changes = {"PYTHONHASHSEED": str(core), "PYTHONPATH": str(Path(mlops_template.__file__).parents[1])}
        command = [sys.executable, "-c", IN_A_PROCESS.format(core=core)]
        subprocess.run(command, cwd=folder, env=os.environ | changes, check=True)
        found.append(digests(folder / paths.CHALLENGER))
    assert found[0] == found[1]


def test_a_model_may_carry_more_libraries_than_the_estimators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its code imports is known, by the name that the library has; the machinery, wherever it is, is none of it."""
    names = packages_distributions() | {"mlops_template": ["mlops-template"]}  # as installed from an index
    monkeypatch.setattr("mlops_template.training.artifact.packages_distributions", lambda: names)
    prepare(tmp_path)
    write_package(tmp_path, features="import yaml\nimport mlops_template.errors\n\n\ndef add_features(rows):\n    return rows\n")
    monkeypatch.chdir(tmp_path)
    train.main()
    known = json.loads((paths.CHALLENGER / "card.json").read_text())["versions"]
    assert known["PyYAML"] == version("PyYAML") and known["scikit-learn"] == version("scikit-learn")
    assert set(known) == {"python", "joblib", "numpy", "pandas", "scikit-learn", "scipy", "PyYAML"}


@pytest.mark.parametrize(("dtype", "noise", "known"), [("float32", 1e-5, True), ("float32", 1e-3, False), ("float64", 1e-5, False)])
def test_golden_predictions_are_compared_as_precisely_as_they_are(
    dtype: str, noise: float, known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In single precision, another processor gives other last digits."""
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    train.main()
    predict = HistGradientBoostingClassifier.predict_proba
    monkeypatch.setattr(
        HistGradientBoostingClassifier,
        "predict_proba",
        lambda self, rows: (predict(self, rows) * (1 + noise)).astype(dtype),
    )
    with nullcontext() if known else pytest.raises(ProjectError, match="golden rows otherwise"):
        load_model(paths.CHALLENGER)


def test_nothing_is_learnt_from_the_holdout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other values in the holdout change neither the model nor what was fitted before it."""
    rows = table()
    prepare(tmp_path / "a", rows=rows)
    prepare(tmp_path / "b", rows=rows.assign(price=rows["price"].where(rows.index < 450, 1e6)))
    found = []
    for name in ("a", "b"):
        monkeypatch.chdir(tmp_path / name)
        train.main()
        found.append(digests(paths.CHALLENGER))
    assert found[0] == found[1]
    trained_on = trained_rows(paths.CHALLENGER)
    assert trained_on.seen(rows["id"].iloc[:450]).all()
    assert not trained_on.seen(rows["id"].iloc[450:]).any()


@pytest.mark.parametrize("estimator", ["ensemble.HistGradientBoostingClassifier", "linear_model.LogisticRegression"])
def test_unseen_categories_and_gaps_are_answered(
    estimator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path, {**SETTINGS, "model": {"candidates": [{"estimator": f"sklearn.{estimator}"}]}})
    monkeypatch.chdir(tmp_path)
    train.main()
    odd = table().head(2).assign(shop=["west", None], price=np.nan)
    answers = load_model(paths.CHALLENGER).predict(odd)
    assert answers.columns.tolist() == ["probability_0", "probability_1"]
    assert np.allclose(answers.sum(axis=1), 1)


@pytest.mark.parametrize("gap", [[], [None]], ids=["whole", "gap"])
def test_a_whole_number_is_the_same_category_with_gaps_and_without(gap: list[None]) -> None:
    numbers = [0, 7, -3, 10**15, 10**16, 2**60, -(2**62)]
    kinds = {"numeric": [], "categorical": ["code"], "dates": [], "text": []}
    found = inputs(pd.DataFrame({"code": pd.Series(numbers + gap, index=range(5, 12 + len(gap)))}), kinds)["code"]
    assert found.tolist() == [*map(str, numbers), *([MISSING] if gap else [])]
    assert found.dtype == "str"


def test_a_number_that_is_not_whole_keeps_its_fraction() -> None:
    numbers = [-0.0, 1.5, 1e-7, 2.0, 1e20, float("inf"), 0.1 + 0.2]
    kinds = {"numeric": [], "categorical": ["code"], "dates": [], "text": []}
    found = inputs(pd.DataFrame({"code": numbers}), kinds)["code"].tolist()
    assert found == ["0", "1.5", "1e-07", "2", "1" + 20 * "0", "inf", "0.30000000000000004"]


@pytest.mark.parametrize("classes", [["no", "yes"], ["high", "low", "middle"], [False, True]])
def test_classes_keep_their_names(classes: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table()
    rows["bought"] = [classes[(value + (index % 7 == 0)) % len(classes)] for index, value in enumerate(rows["bought"])]
    prepare(tmp_path, rows=rows)
    monkeypatch.chdir(tmp_path)
    train.main()
    evaluate.main()
    assert load_model(paths.CHALLENGER).classes == classes
    measured = json.loads(paths.METRICS.read_text())
    assert measured["model"]["roc_auc"]["value"] > 0.6
    serving = json.loads(paths.SERVING.read_text())
    assert (serving["runtime"], serving["parity"]["rows"], serving["parity"]["differing"]) == ("onnx", 150, 0)


def test_a_regression_is_scored_against_the_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        **SETTINGS,
        "task": "regression",
        "columns": {**SETTINGS["columns"], "target": "price", "numeric": ["bought"]},
        "model": {"candidates": [{"estimator": "sklearn.ensemble.HistGradientBoostingRegressor"}]},
        "gates": {"primary": "mae"},
    }
    prepare(tmp_path, settings, table().assign(price=lambda rows: rows["price"].fillna(10.0)))
    monkeypatch.chdir(tmp_path)
    train.main()
    evaluate.main()
    measured = json.loads(paths.METRICS.read_text())
    assert measured["model"]["mae"]["low"] < measured["model"]["mae"]["value"] < measured["baseline"]["mae"]["value"]


def test_the_better_candidate_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = [
        {"estimator": "sklearn.dummy.DummyClassifier"},
        {"estimator": "sklearn.linear_model.LogisticRegression", "ranges": {"C": [0.1, 1.0]}},
        {"estimator": "sklearn.dummy.DummyClassifier"},
    ]
    prepare(tmp_path, {**SETTINGS, "model": {"candidates": candidates}})
    monkeypatch.chdir(tmp_path)
    with joblib.parallel_config("threading"):  # starting processes takes seconds
        train.main()
    card = load_model(paths.CHALLENGER).card
    assert card["estimator"] == "sklearn.linear_model.LogisticRegression"
    assert [len(setting["scores"]) for setting in card["search"]] == [3, 3, 3, 3]


def test_folds_score_newer_rows_than_they_fit(tmp_path: Path) -> None:
    from mlops_template.training.search import folds_of

    for fit, held in folds_of(table(), prepare(tmp_path)):
        assert fit.max() < held.min()


def test_a_fit_of_the_search_keeps_to_its_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of it that were handed back to a cluster would wait for another fit that the worker got meanwhile."""
    from mlops_template.training import search

    params, labels, seen = prepare(tmp_path), search.labels, []

    def watched(*arguments: Any) -> Any:
        seen.append(joblib.parallel.get_active_backend())
        return labels(*arguments)

    monkeypatch.setattr(search, "labels", watched)
    [setting] = search.settings_of(params.model.candidates, 1, 0)
    with joblib.parallel_config("loky", n_jobs=2):
        search.score(setting, search.folds_of(table(), params)[0], table(), params, model_code(), ModelCode({}))
    [(backend, jobs)] = seen
    assert (type(backend).__name__, jobs) == ("ThreadingBackend", 1)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"estimator": "sklearn.ensemble.NoSuchForest"}, "sklearn.ensemble.NoSuchForest"),
        ({"estimator": "sklearn.linear_model.LogisticRegression", "params": {"depth": 3}}, "depth"),
        ({"estimator": "sklearn.linear_model.LogisticRegression", "params": {"C": -1.0}}, "'C'"),
    ],
)
def test_an_impossible_candidate_is_named(
    change: dict, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path, {**SETTINGS, "model": {"candidates": [change]}})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProjectError, match=named):
        train.main()


def test_a_feature_without_a_value_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path, rows=table().assign(price=np.nan))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProjectError, match="price: no value in any training row"):
        train.main()


def test_a_model_of_another_scikit_learn_is_refused_when_it_answers_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    train.main()
    card = json.loads((paths.CHALLENGER / "card.json").read_text())
    card["versions"]["scikit-learn"] = "1.0.0"
    (paths.CHALLENGER / "card.json").write_text(json.dumps(card))
    load_model(paths.CHALLENGER)
    golden = json.loads((paths.CHALLENGER / "golden.json").read_text())
    golden["predictions"][0]["probability_1"] += 0.01
    (paths.CHALLENGER / "golden.json").write_text(json.dumps(golden))
    with pytest.raises(ProjectError, match=r"trained with scikit-learn 1\.0\.0 and predicts otherwise"):
        load_model(paths.CHALLENGER)


def test_a_damaged_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    train.main()
    file = paths.CHALLENGER / "model.joblib"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ProjectError, match="damaged"):
        load_model(paths.CHALLENGER)


def test_golden_rows_are_kept_to_the_last_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree may part two values that differ by less than fifteen digits show."""
    rows = table().assign(price=lambda rows: 0.1 + rows.index * 2.0**-56)
    rows["bought"] = (rows.index % 2).astype("int64")
    candidates = [{"estimator": "sklearn.tree.DecisionTreeClassifier"}]
    prepare(tmp_path, {**SETTINGS, "model": {"candidates": candidates}}, rows)
    monkeypatch.chdir(tmp_path)
    train.main()
    golden = json.loads((paths.CHALLENGER / "golden.json").read_text())["rows"]
    places = np.linspace(0, 449, 10).astype(int)
    assert [row["price"] for row in golden] == rows["price"].iloc[places].tolist()
    load_model(paths.CHALLENGER)
