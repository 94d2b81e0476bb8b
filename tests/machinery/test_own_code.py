"""What the owner writes in `src/<package>/` reaches training, evaluation, scoring and the service; models keep a copy."""

import ast
import json
import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlops_template.champion import stages
from mlops_template.data import partitions
from mlops_template.data.contract import load_contract
from mlops_template.data.ingest import ingest
from mlops_template.deploy.package import fill
from mlops_template.errors import ProjectError
from mlops_template.evaluation import evaluate
from mlops_template.evaluation.compare import compare
from mlops_template.evaluation.service_path import BATCH, predictions_of_service
from mlops_template.integrations.git import git
from mlops_template.owner.dependencies import stage_dependencies
from mlops_template.report.tables import with_sign
from mlops_template.scoring.score import score
from mlops_template.serving.runtime import by_pipeline
from mlops_template.settings import operation, paths
from mlops_template.settings.params import Params, load_params
from mlops_template.training import train
from mlops_template.training.artifact import load_model
from ruamel.yaml import YAML

from .project import template_module, write_package
from .serving import ask, serve

FEATURES = """
import pandas as pd

from .calendar import hour_of_week


def add_features(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(hour_of_week=hour_of_week(rows["ordered"]), region=rows["shop"].str[:1])
"""
CALENDAR = """
def hour_of_week(moments):
    return moments.dt.weekday * 24 + moments.dt.hour
"""
CONTRACT: dict[str, Any] = {
    "id": {"type": "string", "unique": True},
    "ordered": {"type": "datetime"},
    "price": {"type": "number", "min": 0, "max": 100, "nullable": True},
    "shop": {"type": "string", "allowed": ["north", "south"]},
    "note": {"type": "string", "nullable": True},
    "bought": {"type": "integer", "allowed": [0, 1]},
}
SETTINGS: dict[str, Any] = {
    "task": "classification",
    "data": {"source": "sample"},
    "columns": {
        "id": "id",
        "time": "ordered",
        "target": "bought",
        "numeric": ["price"],
        "categorical": ["shop"],
    },
    "split": {"holdout": 0.25},
    "model": {
        "threads": 1,
        "candidates": [{"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "params": {"max_iter": 20}}],
    },
    "evaluate": {"slices": ["shop"], "min_slice_rows": 20, "n_bootstrap": 100},
    "gates": {"primary": "roc_auc", "margin": 0.05, "slice_margin": 0.3, "max_latency_ms": 10000},
}


def orders(rows: int = 800) -> pd.DataFrame:
    """Orders that are bought in the evenings of weekdays, for a low price, and where the note says so."""
    random = np.random.default_rng(0)
    ordered = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(rows), unit="h")
    price = random.uniform(1, 20, rows)
    note = random.choice(["please wrap this one", "no wrapping at all", "call me back"], rows)
    chance = 2.0 * ((ordered.hour >= 17) & (ordered.weekday < 5)) + 1.5 * (note == "call me back") - price / 10
    return pd.DataFrame(
        {
            "id": [f"o{number}" for number in range(rows)],
            "ordered": ordered.astype("datetime64[us]"),
            "price": price,
            "shop": random.choice(["north", "south"], rows),
            "note": pd.Series(note).where(random.random(rows) > 0.05),
            "bought": (chance + random.normal(0, 0.7, rows) > 0).astype("int64"),
        }
    )


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with split rows; the current directory."""
    monkeypatch.chdir(tmp_path)
    write_package(tmp_path)
    YAML().dump({"columns": CONTRACT}, paths.CONTRACT)
    paths.TRAIN.parent.mkdir(parents=True)
    orders().iloc[:600].to_parquet(paths.TRAIN, index=False)
    orders().iloc[600:].to_parquet(paths.HOLDOUT, index=False)
    settle()
    return tmp_path


def settle(**sections: Any) -> None:
    """Write `params.yaml`, with changes to its sections."""
    settings = {name: {**SETTINGS[name], **sections.get(name, {})} for name in SETTINGS if name != "task"}
    YAML().dump({"task": "classification", **settings}, paths.PARAMS)


def auc() -> float:
    """Of the last evaluation."""
    value: float = json.loads(paths.METRICS.read_text())["model"]["roc_auc"]["value"]
    return value


def run() -> None:
    """The stages `train` and `evaluate`."""
    train.main()
    evaluate.main()


def expected() -> pd.DataFrame:
    """What the challenger predicts for the holdout."""
    return load_model(paths.CHALLENGER).predict(pd.read_parquet(paths.HOLDOUT))


def scored(columns: list[str]) -> pd.DataFrame:
    """What `score` writes for the holdout, of a file that has these columns."""
    pd.read_parquet(paths.HOLDOUT)[columns].to_csv("new.csv", index=False)
    score(load_params(), load_contract(), paths.CHALLENGER, "new.csv", "scored.csv")
    return pd.read_csv("scored.csv")


def test_a_derived_feature_reaches_training_report_score_and_service(shop: Path) -> None:
    run()
    without = auc()
    write_package(shop, features=FEATURES, calendar=CALENDAR)
    settle(
        columns={"numeric": ["price", "hour_of_week"], "categorical": ["shop"]}, evaluate={"slices": ["shop", "region"]}
    )
    run()
    assert auc() > without + 0.1
    card = json.loads((paths.CHALLENGER / "card.json").read_text())
    assert card["derived"] == ["hour_of_week"]
    assert card["request"] == {"price": "float64", "shop": "str", "ordered": "datetime64[us]"}
    assert card["profile"]["hour_of_week"]["quantiles"][-1] == 167
    assert set(json.loads(paths.SLICES.read_text())["region"]) == {"n", "s"}
    files = {path.name for path in (paths.CHALLENGER / "code").iterdir()}
    assert files == {"features.py", "calendar.py", "pipeline.py", "machinery_inputs.py"}

    assert np.allclose(scored(["id", "ordered", "price", "shop"])["probability_1"], expected()["probability_1"])

    app = serve()
    rows = pd.read_parquet(paths.HOLDOUT).head(5)
    sent = json.loads(rows[["ordered", "price", "shop"]].to_json(orient="records", date_format="iso"))
    reply = ask(app, "/predict", sent)
    got = [one["probability_1"] for one in reply.json["predictions"]]
    assert np.allclose(got, expected()["probability_1"].head(5), atol=1e-5)
    assert ask(app, "/predict", {**sent[0], "hour_of_week": 3}).status == 422
    assert "ordered is missing" in ask(app, "/predict", {"price": 3.0, "shop": "north"}).json["detail"].replace(":", "")
    assert set(ask(app, "/openapi.json").json["components"]["schemas"]["Row"]["required"]) == {"ordered", "shop"}


@pytest.mark.parametrize("estimator", ["ensemble.HistGradientBoostingClassifier", "linear_model.LogisticRegression"])
def test_a_text_column_reaches_training_score_and_service(estimator: str, shop: Path) -> None:
    candidates = [{"estimator": f"sklearn.{estimator}"}]
    settle(model={"candidates": candidates})
    run()
    without = auc()
    settle(columns={"text": ["note"]}, model={"candidates": candidates})
    run()
    assert auc() > without + 0.05
    assert np.allclose(scored(["id", "price", "shop", "note"])["probability_1"], expected()["probability_1"], atol=1e-6)
    rows = [{"price": 3.0, "shop": "north", "note": note} for note in ("call me back", "no wrapping", None)]
    reply = ask(serve(), "/predict", rows)
    got = [one["probability_1"] for one in reply.json["predictions"]]
    known = load_model(paths.CHALLENGER).predict(pd.DataFrame(rows).astype({"note": "str"}))["probability_1"]
    assert np.allclose(got, known, atol=1e-5)


def champion() -> Path:
    """The challenger, set aside as the champion."""
    paths.CHALLENGER.rename(paths.CHAMPION)
    return paths.CHAMPION


OVERWRITES = "def add_features(rows):\n    return rows.assign(price=rows['price'] ** {power})\n"


def test_a_champion_is_scored_by_the_code_that_it_was_trained_with(shop: Path) -> None:
    """A square root changes no tree: both models are the same, and the comparison says so."""
    write_package(shop, features=OVERWRITES.format(power=1))
    run()
    before = expected()
    kept = champion()
    write_package(shop, features=OVERWRITES.format(power=0.5))
    run()
    assert load_model(kept).predict(pd.read_parquet(paths.HOLDOUT)).equals(before)
    comparison = compare(load_params(), "challenger.dir", "champion.dir", kept)
    difference = comparison.metrics["roc_auc"].difference
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)
    serve()


def test_a_new_feature_is_compared_with_a_champion_that_does_not_know_it(shop: Path) -> None:
    run()
    kept = champion()
    write_package(shop, features=FEATURES, calendar=CALENDAR)
    settle(columns={"numeric": ["price", "hour_of_week"]}, evaluate={"slices": ["region"]})
    run()
    comparison = compare(load_params(), "challenger.dir", "champion.dir", kept)
    assert comparison.verdict == "promote"
    assert [one.slice for one in comparison.slices] == ["region = n", "region = s"]
    low = comparison.metrics["roc_auc"].difference.low
    assert low is not None and low > 0


def test_a_feature_whose_meaning_changed_under_the_same_name_is_two_features(shop: Path) -> None:
    write_package(shop, features=FEATURES, calendar=CALENDAR)
    settle(columns={"numeric": ["price", "hour_of_week"]})
    run()
    before = expected()
    kept = champion()
    write_package(shop, features=FEATURES, calendar="def hour_of_week(moments):\n    return moments.dt.minute\n")
    run()
    assert load_model(kept).predict(pd.read_parquet(paths.HOLDOUT)).equals(before)
    comparison = compare(load_params(), "challenger.dir", "champion.dir", kept)
    value = comparison.metrics["roc_auc"].difference.value
    assert value is not None and value < -0.1
    assert comparison.verdict != "promote"


def test_a_change_of_code_makes_another_comparison(shop: Path) -> None:
    """Though models, rows and settings are the same: a slice may be derived."""
    run()
    kept = champion()
    train.main()
    first = compare(load_params(), "challenger.dir", "champion.dir", kept)
    write_package(shop, features=OVERWRITES.format(power=1))
    assert compare(load_params(), "challenger.dir", "champion.dir", kept, record=False).inputs != first.inputs


OWN_STEP = """
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline


class Doubled(TransformerMixin, BaseEstimator):
    def fit(self, rows, target=None):
        return self

    def transform(self, rows):
        return rows[["price"]].fillna(0) * {factor}


def make_pipeline(estimator, columns, seed):
    return Pipeline([("doubled", Doubled()), ("model", estimator)])
"""


def test_a_step_of_the_owners_own_stays_what_it_was(shop: Path) -> None:
    write_package(shop, pipeline=OWN_STEP.format(factor=2))
    run()
    before, kept = expected(), champion()
    write_package(shop, pipeline=OWN_STEP.format(factor=-1))
    assert load_model(kept).predict(pd.read_parquet(paths.HOLDOUT)).equals(before)
    (shop / "src/shop/pipeline.py").unlink()
    assert load_model(kept).predict(pd.read_parquet(paths.HOLDOUT)).equals(before)


OWN_ESTIMATOR = """
from sklearn.linear_model import LogisticRegression


class Mine(LogisticRegression):
    pass
"""


def test_an_estimator_of_the_owners_own_is_carried(shop: Path) -> None:
    write_package(shop, models=OWN_ESTIMATOR)
    settle(model={"candidates": [{"estimator": "shop.models.Mine"}]})
    run()
    before = expected()
    (shop / "src/shop/models.py").unlink()
    assert load_model(paths.CHALLENGER).predict(pd.read_parquet(paths.HOLDOUT)).equals(before)
    serve()


STRANGE = """
from sklearn.linear_model import LogisticRegression


class Plain:
    def fit(self, rows, target):
        return self


class Sparse(LogisticRegression):
    def fit(self, rows, target):
        raise TypeError("Sparse data was passed, but dense data is required.")
"""


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        ("shop.models.Plain", r"Plain is no scikit-learn estimator: derive its class from .*BaseEstimator"),
        ("shop.models.Sparse", r"dense data is required\.; sparse_threshold=0 in pipeline\.py gives it dense inputs"),
        ("sklearn.svm.LinearSVC", r"LinearSVC gives no probabilities: wrap it in .*CalibratedClassifierCV"),
    ],
)
@pytest.mark.parametrize("searched", [False, True])
def test_an_estimator_that_does_not_fit_in_is_told_in_a_line(
    estimator: str, said: str, searched: bool, shop: Path
) -> None:
    write_package(shop, models=STRANGE)
    candidates = [{"estimator": estimator}, {"estimator": "sklearn.linear_model.LogisticRegression"}]
    settle(model={"candidates": candidates if searched else candidates[:1]})
    with pytest.raises(ProjectError, match=said) as raised:
        train.main()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def add_features(rows):\n    return rows.assign(late=rows['nothing'])\n", r"features\.py, line 2: KeyError: 'nothing'"),
        ("def add_features(rows):\n    rows.head(\n", r"features\.py, line 2: .*was never closed"),
        ("def add_features(rows):\n    return None\n", r"features\.py: add_features returned a NoneType: return the rows"),
        ("def add_features(rows):\n    return rows.head(3)\n", r"add_features returned 3 rows for 600"),
        ("def add_features(rows):\n    return rows.assign(bought=1)\n", r"adds bought, the target: leave it out"),
        ("from shop.calendar import x\n", r"line 1, imports shop by its full name: write `from \. import"),
        ("x = 1\n", r"features\.py has no function add_features"),
    ],
)
def test_a_mistake_in_the_owners_code_is_told_in_a_line(source: str, said: str, shop: Path) -> None:
    write_package(shop, features=source)
    settle(columns={"numeric": ["price", "late"]} if "late" in source else {})
    with pytest.raises(ProjectError, match=said) as raised:
        train.main()
    assert "\n" not in str(raised.value)


def test_a_name_that_nothing_has_is_told(shop: Path) -> None:
    settle(columns={"numeric": ["price", "hours_of_week"]})
    with pytest.raises(ProjectError, match="hours_of_week, which neither the data nor add_features"):
        train.main()
    settle(evaluate={"slices": ["shops"]})
    train.main()
    with pytest.raises(ProjectError, match=r"evaluate\.slices in params\.yaml names shops"):
        evaluate.main()


def test_a_feature_that_depends_on_other_rows_is_refused(shop: Path) -> None:
    """It would be another one in the service, which sees few rows at a time."""
    source = "def add_features(rows):\n    return rows.assign(rank=rows['price'].rank())\n"
    write_package(shop, features=source)
    settle(columns={"numeric": ["rank"]})
    train.main()
    with pytest.raises(ProjectError, match="otherwise than the pipeline .* must depend on that row alone"):
        evaluate.main()


def test_every_held_out_row_goes_through_the_service_but_those_that_it_refuses(shop: Path) -> None:
    """In batches: one with a number beyond single precision is refused as a whole."""
    train.main()
    model, held = load_model(paths.CHALLENGER), pd.read_parquet(paths.HOLDOUT)
    predict = by_pipeline(model.pipeline, model.card)
    held = held.head(BATCH + 50)
    kept, served = predictions_of_service(model, predict, held)
    assert kept.tolist() == list(range(len(held)))
    assert served == pytest.approx(model.predict(held).to_numpy())
    beyond = held["price"].where(np.arange(len(held)) != 3, 1e39)
    kept, served = predictions_of_service(model, predict, held.assign(price=beyond))
    assert kept.tolist() == list(range(BATCH, len(held)))
    assert served == pytest.approx(model.predict(held).to_numpy()[BATCH:])
    nothing, none = predictions_of_service(model, predict, held.head(5).assign(price=1e39))
    assert len(nothing) == len(none) == 0


def test_features_never_see_the_target(shop: Path) -> None:
    write_package(shop, features="def add_features(rows):\n    return rows.assign(leak=rows['bought'])\n")
    settle(columns={"numeric": ["price", "leak"]})
    with pytest.raises(ProjectError, match="KeyError: 'bought'"):
        train.main()


PIPELINE = Path(__file__).parents[2] / "<<cookiecutter.project>>" / "dvc.yaml"
PYPROJECT = Path(__file__).parent / "data" / "pyproject.toml"


def test_the_pipelines_stages_depend_on_every_file_that_they_import(shop: Path) -> None:
    """And on no other: the generated `dvc.yaml` against the import closure of each stage."""
    (shop / "machinery").symlink_to(PIPELINE.parent / "machinery")
    write_package(shop, features="x = 1\n", metrics="x = 1\n")
    stages = YAML(typ="safe").load(re.sub(r"<< cookiecutter\.(\w+) >>", "shop", PIPELINE.read_text()))["stages"]
    for stage in stages.values():
        code = [name for name in stage["deps"] if name.endswith(".py")]
        assert code == [path.as_posix() for path in stage_dependencies(stage["cmd"], "shop")]
        assert code


def test_no_stage_reads_the_settings_that_are_no_dependency_of_any(shop: Path) -> None:
    """What `settings/operation.py` holds changes no result, so that a new version of it trains nothing again."""
    (shop / "machinery").symlink_to(PIPELINE.parent / "machinery")
    write_package(shop, features="x = 1\n", metrics="x = 1\n")
    held = {name for name, field in Params.model_fields.items() if operation.__name__ in repr(field.annotation)}
    assert held == {"retrain", "update", "predictions", "monitor", "deploy"}
    for stage in YAML(typ="safe").load(re.sub(r"<< cookiecutter\.(\w+) >>", "shop", PIPELINE.read_text()))["stages"].values():
        for name in stage["deps"]:
            if name.endswith(".py"):
                nodes = ast.walk(ast.parse((shop / name).read_text(encoding="utf-8")))
                read = {node.attr for node in nodes if isinstance(node, ast.Attribute) and "params" in ast.unparse(node.value)}
                assert not read & held, name


def test_a_cost_matrix_with_a_chosen_threshold_is_the_primary_metric(shop: Path) -> None:
    """It is in the metrics with its interval, on slices and in the gates; service and `score` decide by the threshold."""
    write_package(shop, metrics=template_module("metrics"))
    settle(gates={"primary": "cost", "limits": {"cost": 0.9}, "margin": 0.2})
    run()
    at_a_half = json.loads(paths.METRICS.read_text())["model"]["cost"]
    assert at_a_half["low"] < at_a_half["value"] < at_a_half["high"]
    settle(
        columns={"text": ["note"]},
        model={"threshold": "cost"},
        gates={"primary": "cost", "limits": {"cost": 0.9}, "margin": 0.2},
    )
    kept = champion()
    run()
    model, holdout = load_model(paths.CHALLENGER), pd.read_parquet(paths.HOLDOUT)
    assert model.threshold is not None and model.threshold < 0.5, "a false negative costs three times as much"
    positive, truth = expected()["probability_1"] > model.threshold, holdout["bought"]
    by_hand = ((positive & (truth == 0)) * 1.0 + (~positive & (truth == 1)) * 3.0).mean()
    assert json.loads(paths.METRICS.read_text())["model"]["cost"]["value"] == pytest.approx(by_hand, abs=1e-6)
    assert set(json.loads(paths.SLICES.read_text())["shop"]["north"]) == {"rows", "cost"}

    comparison = compare(load_params(), "challenger.dir", "champion.dir", kept)
    assert comparison.metrics["cost"].challenger == pytest.approx(by_hand, abs=1e-6)
    assert {"cost limit", "champion", "slices"} <= {gate.gate for gate in comparison.gates}
    assert comparison.metrics["cost"].difference.high is not None
    assert with_sign(comparison.metrics["cost"].difference, "cost").startswith(f"{comparison.metrics['cost'].difference}")

    between = expected()["probability_1"].between(model.threshold, 0.5, inclusive="neither")
    assert between.any(), "rows that another threshold would decide otherwise"
    assert scored(["id", "price", "shop", "note"])["prediction"].tolist() == positive.astype(int).tolist()
    sent = json.loads(holdout[["price", "shop", "note"]].head(100).to_json(orient="records"))
    replies = ask(serve(), "/predict", sent).json["predictions"]
    assert [one["prediction"] for one in replies] == positive.head(100).astype(int).tolist()


OWN_METRICS = """
from mlops_template.training.metrics import OwnMetric


def revenue(scored):
    return scored.decision * scored.rows["price"].fillna(0)


def spread(scored):
    return float(scored.prediction.std())


METRICS = [
    OwnMetric("revenue", revenue, higher_is_better=True, kinds=["binary"]),
    OwnMetric("spread", spread, higher_is_better=True, kinds=["binary", "regression"], per_row=False),
]
"""


def test_a_metric_may_look_at_the_rows_and_need_not_be_a_mean(shop: Path) -> None:
    write_package(shop, metrics=OWN_METRICS)
    run()
    measured = json.loads(paths.METRICS.read_text())["model"]
    holdout, chance = pd.read_parquet(paths.HOLDOUT), expected()["probability_1"]
    assert measured["revenue"]["value"] == pytest.approx(((chance > 0.5) * holdout["price"]).mean(), abs=1e-6)
    assert measured["spread"]["value"] == pytest.approx(chance.std(ddof=0), abs=1e-6)
    assert measured["spread"]["low"] < measured["spread"]["value"] < measured["spread"]["high"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("METRICS = 3\n", r"metrics\.py: METRICS is no list of OwnMetric"),
        (OWN_METRICS.replace('"revenue"', '"roc_auc"'), "roc_auc is the name of another metric"),
        (OWN_METRICS.replace('"price"', '"prize"'), r"metrics\.py, line 6: KeyError: 'prize'"),
        (OWN_METRICS.replace("return scored.decision *", "return 1.0 or"), r"revenue returned an array of shape \(\)"),
    ],
)
def test_a_mistake_in_a_metric_is_told_in_a_line(source: str, said: str, shop: Path) -> None:
    write_package(shop, metrics=source)
    train.main()
    with pytest.raises(ProjectError, match=said) as raised:
        evaluate.main()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("threshold", "said"),
    [("roc_auc", "roc_auc is the same at every threshold"), ("profit", "model.threshold: 'profit' is not defined")],
)
def test_a_threshold_needs_a_metric_of_decisions(threshold: str, said: str, shop: Path) -> None:
    settle(model={"threshold": threshold})
    with pytest.raises(ProjectError, match=said):
        train.main()


SOURCE = """
import pandas as pd


def fresh_rows(newest):
    rows = pd.read_csv("shop.csv", parse_dates=["ordered"])
    return rows if newest is None else rows[rows["ordered"] > newest]
"""


def test_a_source_of_ones_own_brings_the_rows_that_are_newer(shop: Path) -> None:
    write_package(shop, source=SOURCE)
    settle(data={"source": "source.py"})
    orders().head(300).to_csv("shop.csv", index=False)
    assert ingest(load_params(), load_contract()).rows == 300
    orders().to_csv("shop.csv", index=False)
    assert ingest(load_params(), load_contract()).rows == 500
    assert ingest(load_params(), load_contract()).rows == 0
    assert partitions.read()["id"].tolist() == orders()["id"].tolist()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, r"data\.source is source\.py: write src/shop/source\.py with a function fresh_rows"),
        ("def fresh_rows(newest):\n    return [1]\n", "fresh_rows returned a list: return the rows, a DataFrame"),
        ("def fresh_rows(newest):\n    return 1 / 0\n", r"source\.py, line 2: ZeroDivisionError"),
    ],
)
def test_a_mistake_in_a_source_is_told_in_a_line(source: str | None, said: str, shop: Path) -> None:
    write_package(shop, **({"source": source} if source else {}))
    settle(data={"source": "source.py"})
    with pytest.raises(ProjectError, match=said):
        ingest(load_params(), load_contract())


def test_a_new_module_becomes_a_dependency_of_the_stages_that_import_it(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a laptop `dvc.yaml` is brought up to date, its comments kept; a job refuses, since it commits no such change."""
    (shop / "machinery").symlink_to(PIPELINE.parent / "machinery")
    write_package(shop, features="x = 1\n", metrics="x = 1\n")
    rendered = re.sub(r"<< cookiecutter\.(\w+) >>", "shop", PIPELINE.read_text())
    (shop / "dvc.yaml").write_text(rendered)
    (shop / "pyproject.toml").write_text(PYPROJECT.read_text())
    assert stages.name_dependencies() == []
    assert (shop / "dvc.yaml").read_text() == rendered

    write_package(shop, features=FEATURES, calendar=CALENDAR)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with pytest.raises(ProjectError, match=r"train depends on src/shop/calendar\.py now.*commit dvc\.yaml"):
        stages.name_dependencies()
    assert (shop / "dvc.yaml").read_text() == rendered
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert stages.name_dependencies() == [
        "dvc.yaml: train depends on src/shop/calendar.py now",
        "dvc.yaml: evaluate depends on src/shop/calendar.py now",
    ]
    assert (shop / "dvc.yaml").read_text().replace("      - src/shop/calendar.py\n", "") == rendered
    assert stages.name_dependencies() == []


def test_an_estimator_of_ones_own_is_a_dependency_of_the_training(shop: Path) -> None:
    """With what it imports: else an edit of it would train nothing."""
    (shop / "machinery").symlink_to(PIPELINE.parent / "machinery")
    estimator = "from sklearn.linear_model import LogisticRegression as Own\n\nfrom . import calendar\n"
    write_package(shop, features="x = 1\n", metrics="x = 1\n", estimator=estimator, calendar=CALENDAR)
    (shop / "dvc.yaml").write_text(re.sub(r"<< cookiecutter\.(\w+) >>", "shop", PIPELINE.read_text()))
    settle(model={"candidates": [{"estimator": "shop.estimator.Own"}]})
    assert stages.name_dependencies() == [
        f"dvc.yaml: {stage} depends on src/shop/{module}.py now"
        for stage in ("train", "evaluate")
        for module in ("calendar", "estimator")
    ]
    settle()
    assert "dvc.yaml: train no longer depends on src/shop/estimator.py" in stages.name_dependencies()


def test_what_a_commit_would_lack_is_named(shop: Path) -> None:
    """`git commit --all` leaves new modules out, and the pipeline of that commit would run nowhere else."""
    (shop / "dvc.yaml").write_text(
        "stages: { train: { cmd: x, deps: [src/shop/calendar.py, src/shop/features.py, params.yaml] } }"
    )
    write_package(shop, features=FEATURES)
    git("init", "--quiet", cwd=shop)
    git("add", "--all", cwd=shop)
    git("-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "--quiet", "--message=x", cwd=shop)
    assert stages.uncommitted_inputs() == {}
    write_package(shop, features=f"{FEATURES}\n", calendar=CALENDAR, unused="x = 1\n")
    (shop / "params.yaml").write_text("a: 1\n")
    git("add", "params.yaml", cwd=shop)
    assert stages.uncommitted_inputs() == {
        "params.yaml": "not committed",
        "src/shop/calendar.py": "not in git yet",
        "src/shop/features.py": "not committed",
    }


def test_what_changed_since_the_model_was_trained_is_named(shop: Path) -> None:
    """A promoted model without the last edit would have no commit that makes it."""
    package = write_package(shop, features=FEATURES)
    (shop / "params.yaml").write_text("model: { seed: 1, scale: true }\nsplit: { days: 7 }\n")
    digest = hashlib.md5((package / "features.py").read_bytes(), usedforsecurity=False).hexdigest()
    (shop / "dvc.lock").write_text(
        "stages: { train: { deps: [{ path: src/shop/features.py, md5: %s }, { path: data/train.parquet, md5: abc }],"
        " params: { params.yaml: { model: { seed: 1, scale: true }, split.days: 7 } } } }" % digest
    )
    assert stages.changed_since_training() == []
    (package / "features.py").write_text(f"{FEATURES}\n")
    (shop / "params.yaml").write_text("model: { seed: 1, scale: false }\nsplit: {}\n")
    assert stages.changed_since_training() == [
        "src/shop/features.py",
        "model in params.yaml",
        "split.days in params.yaml",
    ]
    (package / "features.py").unlink()
    assert "src/shop/features.py" in stages.changed_since_training()


def test_what_cannot_be_parsed_leaves_the_dependencies_as_they_are(shop: Path) -> None:
    (shop / "machinery").symlink_to(PIPELINE.parent / "machinery")
    rendered = re.sub(r"<< cookiecutter\.(\w+) >>", "shop", PIPELINE.read_text())
    (shop / "dvc.yaml").write_text(rendered)
    write_package(shop, features="def broken(:\n", metrics="x = 1\n")
    assert stages.name_dependencies() == []
    assert (shop / "dvc.yaml").read_text() == rendered
