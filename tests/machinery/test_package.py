"""A package holds all that serving needs, the same bytes for the same commit, and is never half there."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlops_template.integrations.digests import directory_digest
from mlops_template.deploy import package as packaging
from mlops_template.deploy.package import package
from mlops_template.errors import ProjectError
from mlops_template.evaluation.convert import feeds, load, predict
from mlops_template.evaluation.export import Export
from mlops_template.serving.inputs import inputs
from mlops_template.serving.runtime import load as load_served
from mlops_template.integrations.git import git
from mlops_template.settings import paths
from mlops_template.settings.params import Params, load_params
from mlops_template.training import train
from mlops_template.training.artifact import load_model
from ruamel.yaml import YAML

from .conftest import without_settings_of_the_machine
from .test_model import SETTINGS, digests, prepare

CONTRACT = {
    "id": {"type": "string"},
    "time": {"type": "datetime"},
    "price": {"type": "number", "min": 0, "nullable": True},
    "stück zahl": {"type": "integer", "min": 1, "max": 4},
    "shop": {"type": "string", "nullable": True},
    "member": {"type": "boolean"},
    "birthday": {"type": "datetime", "format": "%d/%m/%Y"},
    "bought": {"type": "integer"},
}


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A project with a champion, committed; the current directory."""
    without_settings_of_the_machine(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path, SETTINGS)
    promoted(SETTINGS)
    return load_params()


def promoted(settings: dict[str, Any]) -> None:
    """Train by these settings, make the model the champion, and commit."""
    for file, content in ((paths.PARAMS, settings), (paths.CONTRACT, {"columns": CONTRACT})):
        with file.open("w", encoding="utf-8") as stream:
            YAML().dump(content, stream)
    train.main()
    shutil.copytree(paths.CHALLENGER, paths.CHAMPION, dirs_exist_ok=True)
    digest = directory_digest(paths.CHAMPION)
    paths.CHAMPION_POINTER.write_text(f"outs:\n- md5: {digest}\n  path: champion\n")
    out = {"path": paths.CHALLENGER.as_posix(), "md5": digest}
    YAML().dump({"stages": {"train": {"outs": [out]}}}, paths.LOCK)
    paths.REPORTS.mkdir(exist_ok=True)
    paths.METRICS.write_text('{"model": {"roc_auc": {"value": 0.7, "low": 0.6, "high": 0.8}}}')
    Path(".gitignore").write_text("/data\n/models/challenger\n/models/champion\n/build\n")
    git("init", "--quiet", "--initial-branch=main")
    git("add", "--all")
    git("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "--message", "Promote it")


def read(name: str) -> Any:
    """A JSON file of the package."""
    return json.loads((paths.PACKAGE / name).read_text(encoding="utf-8"))


def test_the_package_answers_as_the_champion_does(params: Params) -> None:
    made = package(params)
    names = {"model.onnx", "card.json", "code", "golden.json", "schema.json", "serving.json", "release.json"}
    assert {file.name for file in paths.PACKAGE.iterdir()} == names
    assert str(made).startswith("build/model: champion 1 (")
    assert "served by ONNX Runtime; of 150 rows 0 differ" in str(made)
    golden, kinds = read("golden.json"), read("card.json")["features"]
    rows = pd.DataFrame(golden["rows"], columns=["price", "stück zahl", "shop", "member", "birthday"])
    predicted = predict(load((paths.PACKAGE / "model.onnx").read_bytes()), feeds(inputs(rows, kinds), kinds))
    assert np.allclose(predicted, pd.DataFrame(golden["predictions"]), atol=read("serving.json")["tolerance"])
    assert (paths.PACKAGE / "golden.json").read_bytes() == (paths.CHAMPION / "golden.json").read_bytes()


def test_the_schema_says_what_a_row_holds(params: Params) -> None:
    package(params)
    schema = read("schema.json")
    assert schema["task"] == "classification"
    kinds = [(column["name"], column["kind"], column["type"]) for column in schema["columns"]]
    assert kinds == [
        ("price", "numeric", "number"),
        ("stück zahl", "numeric", "integer"),
        ("shop", "categorical", "string"),
        ("member", "categorical", "boolean"),
        ("birthday", "date", "datetime"),
    ]
    count, shop, birthday = (schema["columns"][place] for place in (1, 2, 4))
    assert (count["min"], count["max"], count["nullable"]) == (1, 4, False)
    assert (shop["nullable"], shop["known"], shop["example"] in shop["known"]) == (True, ["north", "south"], True)
    assert (birthday["format"], birthday["example"][:2]) == ("%d/%m/%Y", "19")


def test_a_release_is_told_from_git(params: Params) -> None:
    package(params)
    assert read("release.json") == {
        "version": 1,
        "commit": git("rev-parse", "HEAD"),
        "digest": directory_digest(paths.CHAMPION),
        "window": {"first": "2024-01-01T00:00:00", "last": "2024-01-19T17:00:00"},
        "metrics": {"roc_auc": 0.7},
    }


def test_the_same_commit_gives_the_same_bytes(params: Params) -> None:
    for folder in ("once", "again"):
        package(params, Path(folder))
    assert digests(Path("once")) == digests(Path("again"))


def test_where_onnx_does_not_serve_the_pipeline_does(params: Params) -> None:
    promoted({**SETTINGS, "model": {"candidates": [{"estimator": "sklearn.dummy.DummyClassifier"}]}})
    assert "served by the scikit-learn pipeline, because it cannot be converted" in str(package(params))
    assert not (paths.PACKAGE / "model.onnx").exists()
    assert (paths.PACKAGE / "model.joblib").read_bytes() == (paths.CHAMPION / "model.joblib").read_bytes()
    assert (read("serving.json")["runtime"], read("release.json")["version"]) == ("sklearn", 2)


def test_a_library_that_the_pipeline_needs_is_named(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not installed: in an image whose group of dependencies lacks it, or in an older environment."""
    promoted({**SETTINGS, "model": {"candidates": [{"estimator": "sklearn.dummy.DummyClassifier"}]}})
    package(params)
    monkeypatch.setitem(sys.modules, "sklearn.dummy", None)
    with pytest.raises(ProjectError, match=r"needs sklearn\.dummy, which is not installed here: .* serving-sklearn"):
        load_served(paths.PACKAGE)
    with pytest.raises(ProjectError, match=r"needs sklearn\.dummy, which is not installed here: `uv sync`"):
        load_model(paths.CHAMPION)


def test_what_is_broken_off_leaves_the_earlier_package(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    package(params)
    before = digests(paths.PACKAGE)

    def fail(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(packaging, "release", fail)
    with pytest.raises(OSError, match="full"):
        package(params)
    assert digests(paths.PACKAGE) == before
    assert [folder.name for folder in paths.PACKAGE.parent.iterdir()] == ["model"]


def test_a_directory_of_something_else_is_not_overwritten(params: Params) -> None:
    with pytest.raises(ProjectError, match="data holds something else than a package"):
        package(params, Path("data"))
    assert paths.HOLDOUT.exists()


def test_golden_rows_that_onnx_answers_otherwise_are_left_out(params: Params) -> None:
    """Within the budget such rows may be; the service is not to take them for a fault."""
    package(params)
    golden, onnx = read("golden.json"), (paths.PACKAGE / "model.onnx").read_bytes()
    model = load_model(paths.CHAMPION)
    golden["predictions"][3]["probability_1"] += 0.01
    (paths.CHAMPION / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    kept = packaging.predicted_alike(golden, paths.CHAMPION, model, Export(onnx, "", 1e-4, None))
    assert len(kept["predictions"]) == len(kept["rows"]) == 9
    assert golden["rows"][3] not in kept["rows"]


def test_what_cannot_be_served_does_not_become_the_package(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    package(params)
    before = digests(paths.PACKAGE)
    described = packaging.schema

    def renamed(*arguments: Any) -> dict[str, Any]:
        made = described(*arguments)
        made["columns"][0]["name"] = 'the "price"'
        return made

    monkeypatch.setattr(packaging, "schema", renamed)
    with pytest.raises(ProjectError, match="""the column 'the "price"' cannot be served: a name must hold no quot"""):
        package(params)
    assert digests(paths.PACKAGE) == before
    assert [folder.name for folder in paths.PACKAGE.parent.iterdir()] == ["model"]


def test_a_column_that_the_data_lost_is_named(params: Params) -> None:
    pd.read_parquet(paths.HOLDOUT).drop(columns=["shop"]).to_parquet(paths.HOLDOUT)
    with pytest.raises(ProjectError, match="has no shop, which the champion takes"):
        package(params)
    assert not paths.PACKAGE.exists()
