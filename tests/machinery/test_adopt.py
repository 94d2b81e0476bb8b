"""Any table with a target becomes a project: task, roles and contract follow from it."""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlops_template.data import partitions, split, validate
from mlops_template.data.contract import load_contract
from mlops_template.errors import ProjectError
from mlops_template.integrations.git import git
from mlops_template.settings import paths
from mlops_template.settings.params import Params, load_params
from mlops_template.starter.adopt import adopt
from mlops_template.starter.column_type import is_code
from ruamel.yaml import YAML
from sklearn import datasets

from .conftest import Deliver, Take

pytestmark = pytest.mark.usefixtures("project")


def shop(rows: int = 1000) -> pd.DataFrame:
    """Purchases, with all that tables are found to have."""
    random = np.random.default_rng(0)
    size = random.normal(50, 20, rows)
    city = random.choice(["Zürich", "Genève", "東京"], rows)
    score = size / 20 + 1.5 * (city == "東京") + random.normal(0, 1, rows)
    moments = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(rows) * 7, unit="h")
    return pd.DataFrame(
        {
            "kauf zeit": moments.strftime("%d/%m/%Y %H:%M"),
            "größe (cm)": np.where(random.random(rows) < 0.1, np.nan, size),
            "city": np.where(random.random(rows) < 0.05, None, city),
            "member": random.choice([True, False], rows),
            "answer": np.where(random.random(rows) < 0.2, None, random.choice(["yes", "no"], rows)),
            "born": (pd.Timestamp("1980-01-01") + pd.to_timedelta(random.integers(0, 9000, rows), unit="D")).strftime(
                "%Y-%m-%d"
            ),
            "code": random.choice([10, 20, 99], rows),
            "yes": random.normal(0, 1, rows),
            "note": [f"note {number}" for number in range(rows)],
            "empty": None,
            "mostly empty": np.where(random.random(rows) < 0.7, np.nan, random.normal(0, 1, rows)),
            "constant": 1,
            "number": range(rows),
            "score": score,
            "class": np.select([score > 4, score > 2.5], ["gold", "silver"], "none"),
        }
    )


def project_of(table: pd.DataFrame, target: str, time: str | None = None, id_column: str | None = None) -> Params:
    """Adopt the table and run the stages that see it first; the settings."""
    table.to_csv("table.csv", index=False)
    adopt("table.csv", target, time, id_column)
    validate.main()
    split.main()
    return load_params()


@pytest.mark.parametrize(
    ("name", "task", "classes", "primary"),
    [
        ("breast_cancer", "classification", [0, 1], "roc_auc"),
        ("wine", "classification", [0, 1, 2], "log_loss"),
        ("iris", "classification", [0, 1, 2], "log_loss"),
        ("diabetes", "regression", None, "mae"),
    ],
)
def test_well_known_tables_become_projects(name: str, task: str, classes: list[int] | None, primary: str) -> None:
    table = getattr(datasets, f"load_{name}")(as_frame=True).frame
    params = project_of(table, "target")
    assert params.task == task
    assert load_contract().columns["target"].allowed == classes
    assert params.gates.primary == primary
    assert params.columns.positive == (1 if classes == [0, 1] else None)
    assert params.columns.features == list(table.drop(columns="target"))
    assert len(partitions.read()) == len(table)


def test_columns_get_the_role_that_their_values_suggest() -> None:
    params = project_of(shop().drop(columns="score"), "class", "kauf zeit")
    assert params.columns.numeric == ["größe (cm)", "member", "answer", "code", "yes"]
    assert params.columns.categorical == ["city"]
    assert params.columns.dates == ["born"]
    rules = load_contract().columns
    assert rules["kauf zeit"].format == "%d/%m/%Y %H:%M"
    assert [rules[name].nullable for name in ("größe (cm)", "city", "answer", "member")] == [True, True, True, False]
    assert rules["city"].allowed is None
    assert rules["class"].allowed == ["gold", "none", "silver"]
    assert partitions.read()["kauf zeit"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("name", "values", "code"),
    [
        ("station_id", range(1, 41), True),
        ("PULocationID", range(1, 41), True),
        ("paid", range(1, 41), False),
        ("zip", range(10_001, 10_041), True),
        ("zip", range(990, 1_030), False),
        ("distance", range(10_001, 10_041), False),
        ("card", [4539578763621486 + step for step in (0, 8, 16, 24, 42, 50, 58, 65, 83, 91, 99)], True),
        ("card", [4539578763621486 + step for step in range(11)], False),
        ("article", [4006381333931 + step for step in (0, 17, 24, 31, 48, 55, 62, 75, 82, 89, 106)], True),
    ],
)
def test_whole_numbers_that_nobody_adds_up_are_codes(name: str, values: Any, code: bool) -> None:
    """By the words of their name, or by check digits that are all right."""
    assert is_code(name, pd.Series([*values, None])) == code


def test_a_code_is_a_category() -> None:
    params = project_of(shop().assign(station_id=shop()["code"]).drop(columns="score"), "class", "kauf zeit")
    assert "station_id" in params.columns.categorical
    assert load_contract().columns["station_id"].type == "string"


def test_columns_that_cannot_be_used_are_left_out_with_the_reason_but_stay_in_the_contract() -> None:
    shop().to_csv("table.csv", index=False)
    adopted = adopt("table.csv", "class", "kauf zeit")
    reasons = adopted.inferred.left_out
    assert list(reasons) == ["note", "empty", "mostly empty", "constant", "number", "score"]
    for name, words in {
        "note": "names the rows",
        "empty": "missing",
        "mostly empty": "missing",
        "constant": "same value",
        "number": "numbers the rows",
        "score": "a leak",
    }.items():
        assert words in reasons[name]
        assert f"left out {name}: {reasons[name]}" in str(adopted)
    assert set(reasons) <= set(load_contract().columns)
    assert not set(reasons) & set(load_params().columns.features)


def test_na_is_a_category_but_no_date_and_no_truth() -> None:
    """As R writes what is missing, and as a region may be called."""
    table = shop().assign(region=["NA", "EU", "null", None] * 250)
    for column in ("kauf zeit", "answer"):
        table[column] = table[column].where(table.index % 9 != 0, "NA")
    params = project_of(table.drop(columns="score"), "class")
    rules, rows = load_contract().columns, partitions.read()
    assert (rules["kauf zeit"].format, rules["answer"].type) == ("%d/%m/%Y %H:%M", "boolean")
    assert {"kauf zeit", "answer", "region"} <= set(params.columns.features)
    assert rows["kauf zeit"].isna().sum() == 112
    assert rows["region"].value_counts().to_dict() == {"NA": 250, "EU": 250, "null": 250}


@pytest.mark.parametrize("disguise", [lambda y: y * 1.8 + 32, np.exp, lambda y: -y])
def test_a_column_that_is_the_target_in_disguise_is_left_out(disguise: Any) -> None:
    table = shop()[["größe (cm)", "city", "score"]]
    table.assign(other=disguise(table["score"])).to_csv("table.csv", index=False)
    assert list(adopt("table.csv", "score").inferred.left_out) == ["other"]


def test_the_range_of_a_number_is_widened_by_its_own_length() -> None:
    table = pd.DataFrame({"a": np.linspace(10, 30, 80), "b": np.linspace(-1, 1, 80), "y": [0, 1] * 40})
    project_of(table, "y")
    rules = load_contract().columns
    assert (rules["a"].min, rules["a"].max) == (0, 50)
    assert (rules["b"].min, rules["b"].max) == (-3, 3)


@pytest.mark.parametrize(
    ("values", "positive"),
    [([True, False, False], True), ([1, 0, 0], 1), (["no", "yes", "no"], True), (["bad", "good", "good"], "bad")],
)
def test_the_positive_class_is_true_or_the_greater_or_the_rarer_name(values: list[Any], positive: Any) -> None:
    table = pd.DataFrame({"a": np.random.default_rng(0).normal(size=90), "y": values * 30})
    assert project_of(table, "y").columns.positive is positive or project_of(table, "y").columns.positive == positive


def test_comments_of_the_settings_stay(project: Path) -> None:
    settings = "# All you tune.\n" + paths.PARAMS.read_text().replace("gates:\n", "gates:  # to pass\n")
    paths.PARAMS.write_text(settings)
    project_of(shop(), "score", "kauf zeit")
    project_of(shop(), "class")
    text = paths.PARAMS.read_text(encoding="utf-8")
    assert text.startswith("# All you tune.\n")
    assert "gates:  # to pass\n" in text
    assert load_params().columns.time is None


def test_a_new_table_takes_the_place_of_the_old_data(flights: pd.DataFrame, deliver: Deliver, take: Take) -> None:
    deliver(flights)
    take()
    project_of(shop(), "score")
    assert len(partitions.files()) == 1
    assert "score" in partitions.read()


def test_the_table_is_the_source_from_then_on(take: Take) -> None:
    table = shop()
    project_of(table.iloc[:800], "class", "kauf zeit")
    assert take().rows == 0
    table.to_csv("table.csv", index=False)
    assert take().rows == 200
    assert take().rows == 0


def test_without_a_time_new_rows_are_told_by_their_content(take: Take) -> None:
    table = pd.concat([shop(100), shop(100).iloc[:3]])
    project_of(table.iloc[:50], "class")
    table.sample(frac=1, random_state=0).to_csv("table.csv", index=False)
    assert take().rows == 53
    assert partitions.read()["row_id"].is_unique


def test_without_a_time_a_warning_says_what_is_lost() -> None:
    shop().to_csv("table.csv", index=False)
    assert "does not show how the model does on the future" in str(adopt("table.csv", "class"))
    assert "does not show how" not in str(adopt("table.csv", "class", "kauf zeit"))


def test_a_table_of_a_database_is_adopted(project: Path, take: Take) -> None:
    with sqlite3.connect("shop.db") as connection:
        shop().assign(**{"kauf zeit": pd.date_range("2020-01-01", periods=1000, freq="h").astype("str")}).to_sql(
            "Purchases 2020", connection, index=False
        )
    connection.close()
    adopt("sqlite:///shop.db::Purchases 2020", "score", "kauf zeit", "note")
    assert load_params().data.source == "sql"
    assert len(partitions.read()) == 1000
    assert take().rows == 0


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        ({}, ("klass",), "--target klass: the table has no such column"),
        ({}, ("class", "when"), "--time when"),
        ({}, ("class", "city"), "--time city: .* is no date"),
        ({}, ("class", None, "city"), "refused: city"),
        ({}, ("constant",), "same value in every row"),
        ({}, ("mostly empty",), "missing in"),
        ({}, ("born",), "is a date"),
        ({}, ("note",), "text with 1,000 values"),
        ({"kauf zeit": "2999-01-01"}, ("class", "kauf zeit"), "refused: kauf zeit is not in the future"),
    ],
)
def test_a_table_that_cannot_be_used_leaves_the_project_as_it_was(
    change: dict[str, Any], options: tuple[Any, ...], reason: str, flights: pd.DataFrame, deliver: Deliver, take: Take
) -> None:
    deliver(flights)
    take()
    shop().assign(**change).to_csv("table.csv", index=False)
    before = {path: path.read_bytes() for path in (paths.PARAMS, paths.CONTRACT, *partitions.files())}
    with pytest.raises(ProjectError, match=reason):
        adopt("table.csv", *options)
    assert before == {path: path.read_bytes() for path in (paths.PARAMS, paths.CONTRACT, *partitions.files())}


def test_the_samples_description_is_replaced_and_ones_own_stays(project: Path) -> None:
    (project / "README.md").write_text("# shop\n\nWill this flight arrive late?\n")
    (project / "pyproject.toml").write_text('description = "Mine"\n')
    shop().to_csv("table.csv", index=False)
    said = adopt("table.csv", "class", "kauf zeit")
    assert (project / "README.md").read_text() == "# shop\n\nPredicts `class`.\n"
    assert (project / "pyproject.toml").read_text() == 'description = "Mine"\n'
    assert "is on this machine only" in str(said)


def test_a_source_is_on_this_machine_only_unless_git_has_it(project: Path) -> None:
    shop().to_csv("table.csv", index=False)
    git("init", "--quiet")
    assert "table.csv is on this machine only" in str(adopt("table.csv", "class", "kauf zeit"))
    git("add", "table.csv")
    assert "on this machine only" not in str(adopt("table.csv", "class", "kauf zeit"))


def test_a_failure_while_writing_leaves_the_project_as_it_was(
    flights: pd.DataFrame, deliver: Deliver, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        paths.CONTRACT.write_text("half of")
        raise OSError("no space left on device")

    deliver(flights)
    take()
    shop().to_csv("table.csv", index=False)
    before = {path: path.read_bytes() for path in (paths.PARAMS, paths.CONTRACT, *partitions.files())}
    monkeypatch.setattr("mlops_template.starter.adopt.write_contract", full)
    with pytest.raises(OSError, match="no space"):
        adopt("table.csv", "class")
    assert before == {path: path.read_bytes() for path in (paths.PARAMS, paths.CONTRACT, *partitions.files())}


def test_a_password_never_gets_into_the_settings() -> None:
    with pytest.raises(ProjectError, match="env:DATABASE_URL") as raised:
        adopt("postgresql://me:secret@host/db::sales", "y")
    assert "secret" not in str(raised.value)


def test_the_settings_are_plain_yaml() -> None:
    project_of(shop(), "class", "kauf zeit")
    assert YAML(typ="safe").load(paths.PARAMS)["columns"]["time"] == "kauf zeit"


@pytest.mark.parametrize(
    ("rows", "target", "tried"),
    [
        (1000, "class", ["LogisticRegression", "HistGradientBoostingClassifier"]),
        (1000, "score", ["Ridge", "HistGradientBoostingRegressor"]),
        (20_000, "class", ["HistGradientBoostingClassifier"]),
    ],
)
def test_on_few_rows_a_linear_model_is_tried_too(rows: int, target: str, tried: list[str]) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=rows)
    table = pd.DataFrame({"x": x, "score": x + random.normal(size=rows)}).assign(**{"class": x + random.random(rows) > 0})
    params = project_of(table[["x", target]], target)
    assert [candidate.estimator.rpartition(".")[2] for candidate in params.model.candidates] == tried
