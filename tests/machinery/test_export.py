"""ONNX Runtime serves a model only where it answers as the scikit-learn pipeline does, and it mostly does."""

import os
import pickle
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlops_template.evaluation import convert, converters, export
from mlops_template.evaluation.export import Export
from mlops_template.settings.params import Parity
from mlops_template.training.artifact import Model
from mlops_template.serving.inputs import inputs
from mlops_template.training.pipeline import build
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, QuantileTransformer
from threadpoolctl import threadpool_limits

from .project import model_code
from .test_model import SETTINGS, table

KINDS: dict[str, list[str]] = {kind: SETTINGS["columns"].get(kind, []) for kind in ("numeric", "categorical", "dates", "text")}
NUMBERS: dict[str, list[str]] = {**KINDS, "categorical": []}
CATEGORIES: dict[str, list[str]] = {"numeric": [], "categorical": KINDS["categorical"], "dates": [], "text": []}

FEW = {"max_iter": 10}


def fitted(pipeline: Any, kinds: dict[str, list[str]], target: Any, classifies: bool = True) -> Model:
    """A model of the first rows of the table."""
    with threadpool_limits(1):
        pipeline.fit(inputs(table(), kinds).iloc[:450], target[:450])
    classes = list(pipeline.classes_) if classifies else None
    card = {"features": kinds, "classes": classes, "derived": [], "threshold": None}
    return Model(pipeline, card, model_code())


def exported(model: Model, **budget: float) -> Export:
    """What is made of it, by the rows that are held out."""
    return export.export(model, table().iloc[450:], Parity(**budget))


def bought(estimator: Any, kinds: dict[str, list[str]] = KINDS) -> Model:
    """A model of what was bought: an estimator, or the dotted path of one for the project's own pipeline."""
    pipeline = build(model_code(), f"sklearn.{estimator}", FEW, kinds, 0) if isinstance(estimator, str) else estimator
    return fitted(pipeline, kinds, table()["bought"].to_numpy())


@pytest.mark.parametrize("kinds", [KINDS, NUMBERS, CATEGORIES], ids=["all kinds", "numbers", "categories"])
@pytest.mark.parametrize("several", [False, True], ids=["two classes", "three named classes"])
@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        ("ensemble.HistGradientBoostingClassifier", FEW),
        ("linear_model.LogisticRegression", {}),
        ("ensemble.RandomForestClassifier", {"n_estimators": 5}),
    ],
)
def test_classifiers_answer_alike(
    estimator: str, params: dict[str, Any], several: bool, kinds: dict[str, list[str]]
) -> None:
    target = table()["bought"].to_numpy()
    if several:
        target = np.array(["high", "low", "middle"], dtype=object)[np.arange(600) % 2 + target]
    found = exported(fitted(build(model_code(), f"sklearn.{estimator}", params, kinds, 0), kinds, target))
    assert found.runtime == "onnx", found.why
    assert found.parity
    assert asdict(found.parity) | {"largest": 0} == {"rows": 150, "differing": 0, "flipped": 0, "largest": 0}
    assert found.parity.largest < 1e-5


@pytest.mark.parametrize(
    ("estimator", "params"), [("ensemble.HistGradientBoostingRegressor", FEW), ("linear_model.Ridge", {})]
)
def test_regressions_are_judged_by_the_spread_of_their_predictions(estimator: str, params: dict[str, Any]) -> None:
    """A difference of 0.1 is nothing where predictions range over thousands."""
    target = table()["price"].fillna(10).to_numpy() * 1000
    found = exported(fitted(build(model_code(), f"sklearn.{estimator}", params, KINDS, 0), KINDS, target, classifies=False))
    assert (found.runtime, found.parity and found.parity.flipped) == ("onnx", 0)
    assert 0.05 < found.tolerance < 0.5
    assert found.tolerance == float(f"{found.tolerance:.3g}"), "a figure that people read"


def test_the_same_model_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    """Each has sets in another order."""
    model = bought("ensemble.HistGradientBoostingClassifier")
    (tmp_path / "model").write_bytes(pickle.dumps((model.pipeline, KINDS)))
    code = "import pickle, sys; from {0} import convert; pipeline, kinds = pickle.load(open('model', 'rb')); "
    code += "sys.stdout.buffer.write(convert(pipeline, kinds, True))"
    command = [sys.executable, "-c", code.format(convert.__name__)]
    started = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, env={**os.environ, "PYTHONHASHSEED": seed})
        for seed in "01"
    ]
    found = {process.communicate()[0] for process in started}
    assert found == {convert.convert(model.pipeline, KINDS, True)}


def test_the_pipeline_stays_as_it_was() -> None:
    """What was converted is still what is asked by the names of its columns."""
    model = bought("linear_model.LogisticRegression")
    before = model.predict(table())
    exported(model)
    assert model.predict(table()).equals(before)


@pytest.mark.parametrize(
    "categories",
    [["shop", "member"], slice("shop", "member"), slice(2, 4), make_column_selector(dtype_exclude="number")],
    ids=["names", "slice of names", "slice", "selector"],
)
def test_columns_may_be_chosen_in_any_way(categories: Any) -> None:
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("codes", codes, categories)], remainder="passthrough")
    found = exported(bought(Pipeline([("columns", columns), ("model", HistGradientBoostingClassifier(max_iter=10))])))
    assert found.runtime == "onnx", found.why


def test_native_categories_convert_wrongly_and_are_caught() -> None:
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("codes", codes, ["shop", "member"]), ("rest", "passthrough", ["price"])])
    trees = HistGradientBoostingClassifier(max_iter=10, categorical_features=[0, 1])
    found = exported(bought(Pipeline([("columns", columns), ("model", trees)])))
    assert found.onnx is None
    assert found.parity and found.parity.differing > 50
    assert "of 150 rows differ" in found.why


def test_what_cannot_be_converted_says_why() -> None:
    found = exported(bought(build(model_code(), "sklearn.dummy.DummyClassifier", {}, KINDS, 0)))
    assert (found.runtime, found.parity) == ("sklearn", None)
    assert found.facts()["parity"] is None
    assert found.why == "it cannot be converted to ONNX (there is no converter for DummyClassifier)"


def test_beyond_the_budget_the_pipeline_serves() -> None:
    model = bought("ensemble.HistGradientBoostingClassifier")
    assert exported(model, tolerance=1e-12, differing=1).runtime == "onnx"
    assert exported(model, tolerance=1e-12, differing=0.005).runtime == "sklearn"


def test_a_difference_of_just_the_tolerance_is_none() -> None:
    found = export.parity(np.array([[0.5], [0.5]]), np.array([[0.75], [0.75000001]]), tolerance=0.25)
    assert (found.differing, found.largest) == (1, 0.25)


def test_a_flipped_label_counts_by_itself() -> None:
    expected = np.array([[0.5004, 0.4996], [0.9, 0.1], [0.5, 0.5]])
    predicted = np.array([[0.4998, 0.5002], [0.9, 0.1], [0.4999999, 0.5000001]])
    found = export.parity(expected, predicted, tolerance=0.01)
    assert (found.differing, found.flipped) == (0, 1)  # a tie is no label that could flip
    assert not found.within(Parity(flipped=0.3))
    assert found.within(Parity(flipped=0.4))


@pytest.mark.parametrize("handle_unknown", ["ignore", "infrequent_if_exist"])
def test_infrequent_categories_of_a_single_column_convert(handle_unknown: str) -> None:
    """skl2onnx converts them where there are more columns."""
    one_hot = OneHotEncoder(handle_unknown=handle_unknown, min_frequency=10)
    columns = ColumnTransformer([("numbers", SimpleImputer(), ["stück zahl"]), ("categories", one_hot, ["shop"])])
    rows = table()
    rows.loc[rows.index[:3], "shop"] = ["east", "west", "centre"]
    kinds = {**KINDS, "numeric": ["stück zahl"], "dates": [], "categorical": ["shop"]}
    card = {"features": kinds, "classes": [0, 1], "derived": [], "threshold": None}
    model = Model(make_pipeline(columns, LogisticRegression()), card, model_code())
    model.pipeline.fit(inputs(rows.head(450), kinds), rows["bought"].head(450))
    found = export.export(model, rows, Parity())
    assert (found.runtime, found.parity and found.parity.differing) == ("onnx", 0)


BOOSTED = ["lightgbm.LGBMClassifier", "lightgbm.LGBMRegressor", "xgboost.XGBClassifier", "xgboost.XGBRegressor"]


without_boosting = pytest.mark.skipif(sys.platform == "darwin", reason="LightGBM and XGBoost need libomp there")


@without_boosting
@pytest.mark.parametrize("estimator", BOOSTED)
def test_boosting_of_other_packages_converts_with_onnxmltools(estimator: str) -> None:
    classifies = estimator.endswith("Classifier")
    params = {"n_estimators": 10, "n_jobs": 1, **({"verbose": -1} if estimator.startswith("lightgbm") else {})}
    pipeline = build(model_code(), estimator, params, KINDS, 0)
    target = table()["bought"].to_numpy() if classifies else table()["stück zahl"].fillna(0).to_numpy() * 1.5
    model = fitted(pipeline, KINDS, target, classifies)
    found = exported(model)
    assert (found.runtime, found.parity and found.parity.differing) == ("onnx", 0)
    assert exported(model).onnx == found.onnx


@without_boosting
def test_what_is_missing_for_a_conversion_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """skl2onnx's own words would not say it."""
    monkeypatch.setattr(converters, "find_spec", lambda name: None)
    pipeline = build(model_code(), "lightgbm.LGBMClassifier", {"n_estimators": 5, "verbose": -1}, KINDS, 0)
    assert converters.boosting_package(convert.parts_of(pipeline)) == "lightgbm"
    assert converters.advice("lightgbm") == "; `uv add onnxmltools` makes lightgbm convert"
    assert converters.register("lightgbm") is None


def test_values_never_seen_are_compared_though_none_is_held_out() -> None:
    """This encoder converts, but fails on such a value in ONNX Runtime only."""
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10)
    columns = ColumnTransformer([("categories", one_hot, ["shop", "member"])])
    rows = table()
    rows.loc[rows.index[:3], "shop"] = ["east", "west", "centre"]
    card = {"features": KINDS, "classes": [0, 1], "derived": [], "threshold": None}
    model = Model(make_pipeline(columns, LogisticRegression()), card, model_code())
    model.pipeline.fit(inputs(rows.head(450), KINDS), rows["bought"].head(450))
    found = exported(model)
    assert found.parity and found.parity.differing == 0
    assert found.runtime == "sklearn", "though it predicts each held-out row alike"


def test_a_conversion_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "CONVERSION_TIMEOUT", 0.5)
    columns = ColumnTransformer([("quantiles", QuantileTransformer(), ["stück zahl", "birthday"])])
    assert "not done after 0.5 seconds" in exported(bought(make_pipeline(columns, LogisticRegression()))).why


def test_trees_that_would_take_all_memory_are_not_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "MAX_NODES", 100)
    assert "nodes, too many to convert" in exported(bought("ensemble.HistGradientBoostingClassifier")).why


def test_estimators_within_others_are_found() -> None:
    pipeline = build(model_code(), "sklearn.linear_model.LogisticRegression", {}, KINDS, 0)
    pipeline.set_params(model=CalibratedClassifierCV(HistGradientBoostingClassifier(max_iter=5), cv=2))
    parts = convert.parts_of(bought(pipeline).pipeline)
    assert sum(convert.tree_nodes(part) > 0 for part in parts) == 10


def test_a_gap_among_whole_numbers_makes_no_other_categories() -> None:
    """pandas makes 3 into 3.0 where a value is missing; in a request of one row none is."""
    kinds = {"numeric": [], "categorical": ["member"], "dates": [], "text": []}
    with_gap = inputs(pd.DataFrame({"member": [3, None, 40, 2.5]}), kinds)["member"].tolist()
    assert with_gap == ["3", "(missing)", "40", "2.5"]
    assert inputs(pd.DataFrame({"member": [3]}), kinds)["member"].tolist() == ["3"]


@pytest.mark.parametrize("cells", [1, 2 * export.ODD_ROWS, 10**9], ids=["one by one", "by two", "together"])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [("first", "no value"), ("last", "no value"), ("text", "a value never seen"), ("refused", ""), ("", "")],
)
def test_each_column_is_tried_without_a_value_however_many_at_once(
    cells: int, wrong: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that is predicted otherwise is named; one without whose value the pipeline predicts nothing is not sent."""
    monkeypatch.setattr(export, "MAX_ODD_CELLS", cells)
    columns: dict[str, list[str]] = {"numeric": ["first", "refused", "last"], "categorical": ["text"], "dates": [], "text": []}

    class Pipeline:
        kinds = columns

        def predict_inputs(self, ready: pd.DataFrame) -> pd.DataFrame:
            if ready["refused"].isna().any():
                raise ValueError("a value is missing")
            return pd.DataFrame({"prediction": np.arange(len(ready)) % 7 / 10})

    def predict(session: object, ready: pd.DataFrame) -> np.ndarray:
        odd = ready[wrong].isna() | (ready[wrong] == export.UNSEEN) if wrong else pd.Series(False, ready.index)
        return ((np.arange(len(ready)) % 7 + odd.to_numpy()) / 10)[:, None]

    monkeypatch.setattr(export, "feeds", lambda ready, kinds: ready)
    monkeypatch.setattr(export, "predict", predict)
    rows = pd.DataFrame({"first": 1.0, "refused": 2.0, "last": 3.0, "text": "a"}, index=range(30))
    try:
        export.refuse_other_predictions_for_odd_rows(Pipeline(), None, rows, 1e-4, Parity())  # type: ignore[arg-type]
    except convert.Unfit as reason:
        assert said and str(reason) == f"ONNX Runtime predicts otherwise where {wrong} has {said}"
    else:
        assert not said


def test_differences_are_judged_by_the_spread_of_predictions() -> None:
    """Where all are alike, as they are."""
    assert export.spread(np.array([[1.0], [5.0]])) == 2.0
    assert export.spread(np.array([[3.0], [3.0]])) == 1.0


def test_what_serves_a_model_is_told_in_a_line() -> None:
    parity = {"rows": 2000, "differing": 3, "flipped": 0, "largest": 0.0012}
    onnx = {"runtime": "onnx", "why": "", "tolerance": 0.0001, "parity": parity}
    said = "ONNX Runtime; of 2,000 rows 3 differ by more than 0.0001, the largest by 0.0012"
    assert export.described(onnx) == said
    assert export.described({**onnx, "parity": {**parity, "flipped": 1}}) == f"{said}, 1 labels flip"
    pipeline = {"runtime": "sklearn", "why": "it does not convert", "tolerance": 0.0001, "parity": None}
    assert export.described(pipeline) == "the scikit-learn pipeline, because it does not convert"
