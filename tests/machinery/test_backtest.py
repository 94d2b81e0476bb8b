"""A backtest knows at each moment what was known then, and recommends no more than the rows can show."""

import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from mlops_template.backtest import trainings, views
from mlops_template.backtest.advice import Advice, Differences, advise
from mlops_template.backtest.backtest import Backtest, backtest
from mlops_template.backtest.history import History, history
from mlops_template.backtest.plan import Plan, Policy, plan
from mlops_template.backtest.replay import Replayed
from mlops_template.data import partitions
from mlops_template.data.contract import load_contract
from mlops_template.errors import ProjectError
from mlops_template.evaluation.intervals import blocks
from mlops_template.settings import paths
from mlops_template.settings.params import Params, load_params
from mlops_template.training import train as stage
from mlops_template.training.artifact import load_model
from mlops_template.training.metrics import REGRESSION
from mlops_template.training.scored import Scored
from mlops_template.owner.modules import own_code
from mlops_template.training.pipeline import training_code
from ruamel.yaml import YAML

from .test_page import Reader

DAYS, A_DAY = 120, 20
SETTINGS: dict[str, Any] = {
    "task": "regression",
    "data": {"source": "files", "files": {"paths": ["incoming/*"]}},
    "columns": {"id": "id", "time": "time", "target": "y", "numeric": ["x"]},
    "split": {"holdout": "5 days"},
    "model": {"threads": 1, "candidates": [{"estimator": "sklearn.linear_model.LinearRegression"}]},
    "evaluate": {"n_bootstrap": 100},
    "gates": {"primary": "mae", "margin": 1.0},
}
START = "2024-02-01"
NEVER, MONTHLY, WEEKLY = Policy("never", "all"), Policy("monthly", "all"), Policy("weekly", "all")


def rows(drift: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Twenty rows a day whose days differ; from March on the slope is another, by `drift`."""
    random = np.random.default_rng(seed)
    time = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.repeat(np.arange(DAYS), A_DAY), unit="D")
    time += pd.to_timedelta(np.tile(np.arange(A_DAY), DAYS) * 72, unit="min")
    x = random.normal(size=DAYS * A_DAY)
    slope = 1 + drift * (time >= pd.Timestamp("2024-03-01"))
    y = slope * x + np.repeat(random.normal(scale=0.3, size=DAYS), A_DAY) + random.normal(size=DAYS * A_DAY)
    return pd.DataFrame({"id": [f"r{number:05}" for number in range(len(x))], "time": time, "x": x, "y": y})


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting processes takes seconds."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)


def hold(folder: Path, table: pd.DataFrame, **sections: Any) -> Params:
    """A project that holds these rows."""
    settings = deepcopy(SETTINGS)
    for name, content in sections.items():
        settings[name] = {**settings[name], **content} if isinstance(content, dict) else content
    types = {"id": "string", "time": "datetime", "x": "number", "y": "number"}
    if settings["task"] == "classification":
        types["y"] = "string" if pd.api.types.is_string_dtype(table["y"]) else "integer"
    YAML().dump(settings, folder / "params.yaml")
    YAML().dump({"columns": {name: {"type": kind} for name, kind in types.items()}}, folder / "contract.yaml")
    for file in partitions.files():
        file.unlink()
    partitions.add(table, "time")
    return load_params()


def planned(params: Params, *cadences: str, window: str = "all") -> tuple[History, Plan]:
    """What would be trained."""
    found = history(params, load_contract(), whole=False)
    return found, plan(found, params, list(cadences), [window], START)


def replayed(*cadences: str, windows: tuple[str, ...] = ("all",)) -> Backtest:
    """The rows of the current project, replayed."""
    return backtest(list(cadences), list(windows), START, whole=False, margin=0.0)


@pytest.mark.parametrize("delay", ["0 days", "3 days"])
def test_only_what_was_known_is_trained_on(delay: str, project: Path) -> None:
    """Rows are known once their label is, and those held out that day are not trained on either."""
    params = hold(project, rows(), data={"label_delay": delay})
    found, todo = planned(params, "weekly")
    for this in [todo.first, *todo.policies[WEEKLY]]:
        newest = pd.Timestamp(found.times[this.known - 1])
        assert this.moment - pd.Timedelta(delay) - pd.Timedelta("2h") < newest < this.moment - pd.Timedelta(delay)
        assert pd.Timestamp(found.times[this.stop - 1]) <= newest - pd.Timedelta("5 days") < found.times[this.stop]
        assert found.times[this.serves - 1] < this.moment <= found.times[this.serves]


def test_a_window_is_the_stretch_before_the_holdout(project: Path) -> None:
    _, todo = planned(hold(project, rows()), "monthly", window="10 days")
    for this in todo.policies[Policy("monthly", "10 days")]:
        assert this.stop - this.start == 10 * A_DAY


def test_a_planted_leak_is_not_found(project: Path) -> None:
    """Each day has a secret of its own: who trained on a day would answer it without a mistake."""
    random = np.random.default_rng(1)
    table = rows().assign(x=np.repeat(np.arange(DAYS), A_DAY) + 0.0)
    table["y"] = np.repeat(random.integers(0, 2, DAYS), A_DAY)
    tree = {"candidates": [{"estimator": "sklearn.tree.DecisionTreeClassifier"}]}
    gates = {"primary": "accuracy", "margin": 1.0}
    hold(project, table, task="classification", model=tree, gates=gates)
    found = replayed("weekly")
    assert [0.35 < (one.value or 0) < 0.65 for one in found.advice.standings] == [True, True]
    assert found.advice.chosen.policy == NEVER


def test_the_future_changes_nothing_before_it(project: Path) -> None:
    """Other rows from April on: what was promoted and answered before is the same, to the last bit."""
    params = hold(project, rows(drift=1))
    before = replayed("weekly").periods
    table = rows(drift=1)
    table.loc[table["time"] >= "2024-04-04", "y"] *= -9
    hold(project, table)
    after = replayed("weekly").periods
    early = [period.start < pd.Timestamp("2024-03-28") for period in before]
    assert sum(early) == 8
    assert [a == b for a, b in zip(before, after, strict=True)][:8] == [True] * 8
    assert before[-1] != after[-1]
    assert params.columns.time == "time"


def test_a_training_is_that_of_the_stage(project: Path) -> None:
    """The same rows give the same model as in the pipeline."""
    forest = {"estimator": "sklearn.ensemble.RandomForestRegressor", "params": {"n_estimators": 5}}
    searched = {"candidates": [{**forest, "ranges": {"max_depth": [2, 4]}}], "search": {"folds": 2}}
    params = hold(project, rows(), model=searched)
    found, _ = planned(params, "monthly")
    _, trained = trainings.train(
        trainings.Cell(0, 300, 400), found.folder / "rows.arrow", params, training_code(params), own_code("metrics"), found.classes, found.positive
    )
    paths.TRAIN.parent.mkdir(parents=True)
    rows().iloc[:300].to_parquet(paths.TRAIN, index=False)
    with joblib.parallel_config("threading"):
        stage.main()
    assert (load_model(paths.CHALLENGER).predict(rows().iloc[300:400])["prediction"] == trained.predictions).all()


def test_what_was_trained_is_kept_and_what_was_cut_short_is_done_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[trainings.Cell] = []
    train = trainings.train

    def counted(cell: trainings.Cell, *rest: Any) -> Any:
        if len(trained) == 2 and cell.stop > 1000:
            raise KeyboardInterrupt
        trained.append(cell)
        return train(cell, *rest)

    hold(project, rows())
    monkeypatch.setattr(trainings, "train", counted)
    first = replayed("monthly")
    assert len(trained) == 3
    assert replayed("monthly").advice.standings == first.advice.standings
    assert len(trained) == 3
    next(paths.BACKTEST.glob("*/*.json")).unlink()
    replayed("monthly")
    assert len(trained) == 4
    hold(project, rows(), model={"seed": 1})
    replayed("monthly")
    assert len(trained) == 7


def lived(answers: dict[Policy, np.ndarray], truth: np.ndarray, cost: dict[Policy, int]) -> list[Replayed]:
    """Policies that answered so."""
    return [Replayed(p, Scored("regression", truth, a), cost[p], 0, 0, 0.0) for p, a in answers.items()]


def simulated(seed: int, worse: dict[Policy, float], days: int = 60, rows: int = 12) -> Advice:
    """Policies whose answers err with a standard deviation of 1 plus so much, not independently within a day."""
    random = np.random.default_rng(seed)
    times = np.repeat(pd.date_range("2024-01-01", periods=days).to_numpy(), rows)

    def noise(scale: float) -> np.ndarray:
        return scale * (random.normal(size=days * rows) + np.repeat(random.normal(scale=0.7, size=days), rows))

    common, truth = noise(1.0), np.zeros(days * rows)
    answers = {policy: common * (1 + more) + noise(0.5) for policy, more in worse.items()}
    cost = {NEVER: 0, MONTHLY: 2, WEEKLY: 8, Policy("daily", "all"): 60}
    return advise(lived(answers, truth, cost), times, LIGHT, margin=0.0)


LIGHT = Params.model_validate(SETTINGS)


def test_without_drift_never_is_recommended_and_the_intervals_hold_together() -> None:
    """Over 200 seeds: a false alarm in at most 5 %, and all intervals of a table right in 95 % of them."""
    alike = dict.fromkeys([NEVER, MONTHLY, WEEKLY, Policy("daily", "all")], 0.0)
    found = [simulated(seed, alike) for seed in range(200)]
    assert sum(one.chosen.policy == NEVER for one in found) >= 190
    ends = [[standing.over_never for standing in one.standings[1:]] for one in found]
    right = [all((gap.low or 0) <= 0 <= (gap.high or 0) for gap in gaps) for gaps in ends]
    assert 0.93 <= np.mean(right) < 1


def test_with_drift_retraining_is_recommended_and_not_more_of_it_than_helps() -> None:
    drifted = {NEVER: 0.5, MONTHLY: 0.0, WEEKLY: 0.0}
    found = [simulated(seed, drifted) for seed in range(100)]
    assert sum(one.chosen.policy == MONTHLY for one in found) >= 95
    assert "weekly on all data adds nothing measurable" in found[0].sentence


def test_a_policy_that_proves_nothing_is_not_recommended_because_it_is_cheap() -> None:
    """Monthly is too erratic to be measurably worse than weekly, but is not shown to be better than never either."""
    random = np.random.default_rng(0)
    times = np.repeat(pd.date_range("2024-01-01", periods=40).to_numpy(), 5)
    truth, far = np.zeros(200), np.repeat(random.choice([0.2, 6.0], 40, p=[0.8, 0.2]), 5)
    answers = {NEVER: np.full(200, 1.5), MONTHLY: far, WEEKLY: np.full(200, 1.0)}
    found = advise(lived(answers, truth, {NEVER: 0, MONTHLY: 2, WEEKLY: 8}), times, LIGHT, margin=0.0)
    assert found.chosen.policy == WEEKLY


def test_a_gain_below_the_margin_does_not_count() -> None:
    truth, times = np.zeros(200), np.repeat(pd.date_range("2024-01-01", periods=40).to_numpy(), 5)
    noise = np.abs(np.random.default_rng(0).normal(size=200))
    replays = lived({NEVER: noise + 1.2, MONTHLY: noise + 1.0}, truth, {NEVER: 0, MONTHLY: 2})
    assert advise(replays, times, LIGHT, margin=0.1).chosen.policy == MONTHLY
    assert advise(replays, times, LIGHT, margin=0.3).chosen.policy == NEVER


@pytest.mark.parametrize(("days", "said"), [(6, "no recommendation: "), (400, "never retrain; ")])
def test_never_is_recommended_only_where_a_gain_worth_having_is_ruled_out(days: int, said: str) -> None:
    """Two policies that are as good as each other: a few days do not show that."""
    random = np.random.default_rng(1)
    times = np.repeat(pd.date_range("2024-01-01", periods=days).to_numpy(), 5)
    errors = {policy: np.abs(random.normal(size=days * 5)) for policy in (NEVER, MONTHLY)}
    found = advise(lived(errors, np.zeros(days * 5), {NEVER: 0, MONTHLY: 2}), times, LIGHT, margin=0.1)
    assert found.chosen.policy == NEVER
    assert found.sentence.startswith(said)
    assert ("Backtest again when more is held" in found.sentence) == (days == 6)


def test_one_difference_has_the_interval_of_a_plain_bootstrap() -> None:
    random = np.random.default_rng(3)
    times = pd.Series(np.repeat(pd.date_range("2024-01-01", periods=200).to_numpy(), 5))
    a, b = (Scored("regression", np.zeros(1000), random.normal(size=1000)) for _ in range(2))
    gap = Differences.of([a, b], REGRESSION["mae"], blocks(times, times), 2000).between(0, 1)
    by_day = (np.abs(a.prediction) - np.abs(b.prediction)).reshape(200, 5).mean(axis=1)
    assert gap.high == pytest.approx(by_day.mean() + 1.96 * by_day.std() / np.sqrt(200), abs=0.006)


@pytest.mark.parametrize("target", ["number", "two classes", "three classes"])
def test_drift_in_the_data_is_found_from_end_to_end(target: str, project: Path) -> None:
    table = rows(drift=-2)
    sections: dict[str, Any] = {}
    if target != "number":
        cuts = [0.0] if target == "two classes" else [-0.7, 0.7]
        table["y"] = pd.Series(np.array(["low", "mid", "high"])[np.digitize(table["y"], cuts)])
        model = {"candidates": [{"estimator": "sklearn.linear_model.LogisticRegression"}]}
        sections = {"task": "classification", "model": model, "gates": {"primary": "roc_auc", "margin": 0.02}}
    hold(project, table, **sections)
    found = replayed("monthly", windows=("all", "20 days"))
    assert found.advice.chosen.policy == Policy("monthly", "20 days")
    assert found.advice.sentence.startswith("retrain monthly on the last 20 days: ")


def test_without_drift_in_the_data_never_is_recommended(project: Path) -> None:
    """More rows make each model a little better, but not by the margin."""
    for seed in range(2):
        hold(project, rows(seed=seed), gates={"primary": "mae", "margin": 0.05})
        found = backtest(["monthly"], ["all", "20 days"], START, whole=False, margin=None)
        assert found.advice.chosen.policy == NEVER


def test_a_challenger_that_the_gates_refuse_serves_nobody(project: Path) -> None:
    """Rows of March are mistaught; those of the holdouts after them are right."""
    table = rows()
    wrong = (table["time"] >= "2024-03-01") & (table["time"] < "2024-03-21")
    table.loc[wrong, "y"] = -9 * table.loc[wrong, "x"]
    hold(project, table, gates={"primary": "mae", "margin": 0.1}, split={"holdout": "10 days"})
    found = replayed("monthly")
    assert [(one.retrainings, one.promotions) for one in found.advice.standings] == [(0, 0), (2, 1)]
    assert (found.periods[-1].values[MONTHLY] or 9) < 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"cadences": ["fortnightly"]}, "--cadence 'fortnightly' is neither one of never, hourly, daily"),
        ({"windows": ["lots"]}, "--window 'lots' is neither one of all nor a stretch of time"),
        ({"begin": "yesterday week"}, "--from 'yesterday week' is no day such as 2013-04-01"),
        ({"begin": "2025-01-01"}, "would begin at 2025-01-01, but the rows are of 2024-01-01 to 2024-04-29"),
        ({"begin": "2024-01-03"}, "there are no rows to train on"),
        ({"begin": "2024-04-20", "cadences": ["monthly"]}, "no retraining fits between 2024-04-20"),
        ({"begin": "2024-04-29 22:00"}, "too few periods"),
    ],
)
def test_what_cannot_be_replayed_is_one_line_with_a_way_out(
    arguments: dict[str, Any], named: str, project: Path
) -> None:
    hold(project, rows())
    given = {"cadences": [], "windows": [], "begin": None, "whole": False, "margin": 0.0, **arguments}
    with pytest.raises(ProjectError, match=re.escape(named)) as caught:
        backtest(**given)
    assert "\n" not in str(caught.value)


def test_a_table_without_a_time_says_what_is_missing(project: Path) -> None:
    hold(project, rows(), columns={"time": None}, split={"holdout": 0.2})
    with pytest.raises(ProjectError, match=r"set columns\.time"):
        replayed("monthly")


def test_all_that_the_source_has_is_replayed_and_nothing_taken_in(project: Path) -> None:
    hold(project, rows().head(500))
    (project / "incoming").mkdir()
    rows().to_csv(project / "incoming" / "all.csv", index=False)
    found = backtest(["monthly"], [], None, whole=True, margin=0.0)
    assert found.last == rows()["time"].max()
    assert [str(one.policy) for one in found.advice.standings] == [
        "never",
        "monthly on the last 31 days",
        "monthly on all data",
    ]
    assert len(partitions.read()) == 500


def test_the_report_and_the_page_hold_the_same_figures(project: Path) -> None:
    (project / "pyproject.toml").write_text((Path(__file__).parent / "data" / "pyproject.toml").read_text())
    hold(project, rows(drift=-2))
    found = replayed("monthly", "weekly")
    views.write(found, project / "backtest.md", project / "pages" / "backtest.html")
    text = (project / "backtest.md").read_text(encoding="utf-8")
    content = (project / "pages" / "backtest.html").read_text(encoding="utf-8")
    for one in found.advice.standings[1:]:
        assert str(one.over_never) in text
        assert str(one.over_never) in content
    assert "xychart-beta" in text
    reader = Reader()
    reader.feed(content)
    assert reader.open == []
    assert reader.fetched == ["data:,"]
    assert "script" not in reader.tags
    assert content.count('<polyline class="policy policy-') == 6
    assert views.drawable(replace(found, periods=[replace(found.periods[0], values={NEVER: None})])) == []
