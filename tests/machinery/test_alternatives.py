"""What age costs a model is measured, and whether a linear one does as well; no group is served much worse unseen."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlops_template.errors import ProjectError
from mlops_template.evaluation import evaluate
from mlops_template.evaluation.doubts import load_alternatives
from mlops_template.evaluation.gates import group_gaps, groups_gate
from mlops_template.evaluation.intervals import resamples
from mlops_template.settings import paths
from mlops_template.settings.params import Params, load_params
from mlops_template.training import search, train
from mlops_template.training.metrics import metric_named
from mlops_template.training.scored import Scored

from .test_model import SETTINGS, model_code, prepare, table

LOOKED_AT = {**SETTINGS["evaluate"], "ages": ["2 days", "4 days", "8 days", "400 days"]}
BOOSTING, LINEAR = "ensemble.HistGradientBoostingClassifier", "linear_model.LogisticRegression"


def beside(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rows: pd.DataFrame, estimator: str = BOOSTING, **settings: Any
) -> dict[str, Any]:
    """Train and evaluate; what `reports/alternatives.json` says."""
    model = {"threads": 1, "candidates": [{"estimator": f"sklearn.{estimator}"}]}
    prepare(folder, {**SETTINGS, "model": model, "evaluate": LOOKED_AT, **settings}, rows=rows)
    monkeypatch.chdir(folder)
    train.main()
    evaluate.main()
    return load_alternatives()


def turning(share: float) -> pd.DataFrame:
    """18 days of purchases and 6 held out; in the first half of the 18, `share` of purchases goes by the opposite rule."""
    rows = table().assign(price=lambda rows: rows["price"].fillna(10.0))
    first = np.arange(len(rows)) < 225
    turned = first & (np.random.default_rng(1).random(len(rows)) < share)
    return rows.assign(bought=np.where(turned, 1 - rows["bought"], rows["bought"]))


def test_age_costs_what_the_world_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The older, the more; an age that the rows do not reach is left out. All without chance: a second time the same."""
    told = beside(tmp_path, monkeypatch, turning(1.0), LINEAR)["older"]
    assert [one["age"] for one in told] == ["2 days", "4 days", "8 days"]
    values = [one["difference"]["value"] for one in told]
    assert values == sorted(values, reverse=True) and told[-1]["difference"]["high"] < -0.3
    before = paths.ALTERNATIVES.read_bytes()
    evaluate.main()
    assert paths.ALTERNATIVES.read_bytes() == before


def test_age_costs_nothing_where_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = beside(tmp_path, monkeypatch, turning(0.0), LINEAR)["older"]
    assert len(told) == 3 and all(abs(one["difference"]["value"]) < 0.03 for one in told)


def test_what_age_costs_is_in_the_metrics_own_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of a loss is worse."""
    told = beside(tmp_path, monkeypatch, turning(1.0), LINEAR, gates={"primary": "log_loss"})
    assert told["older"][-1]["difference"]["low"] > 0.3


def test_no_age_is_measured_that_nobody_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert beside(tmp_path, monkeypatch, table(), evaluate=SETTINGS["evaluate"])["older"] == []


def test_an_older_model_that_knows_fewer_classes_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its probabilities would be of other classes."""
    rows = table()
    rows["bought"] = np.where(np.arange(len(rows)) < 270, 0, rows["bought"])
    assert [one["age"] for one in beside(tmp_path, monkeypatch, rows)["older"]] == ["2 days", "4 days"]


def test_a_linear_model_that_is_better_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = beside(tmp_path, monkeypatch, table(), "dummy.DummyClassifier")
    assert told["linear"]["better"] and told["linear"]["difference"]["high"] < 0
    assert told["linear"]["value"] > 0.8
    assert "warning: a linear model is better on the holdout (0.8" in capsys.readouterr().out


def test_a_linear_model_that_is_not_better_is_no_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is bought goes by one column times another."""
    rows = table()
    rows["bought"] = ((rows["price"].fillna(10.0) > 10) ^ rows["member"]).astype(int)
    told = beside(tmp_path, monkeypatch, rows)["linear"]
    assert not told["better"] and told["difference"]["low"] > 0.2


def test_nothing_is_simpler_than_a_linear_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = beside(tmp_path, monkeypatch, table(), LINEAR)
    assert told["linear"] is None and told["estimator"] == f"sklearn.{LINEAR}"


def test_a_pipeline_that_takes_no_linear_model_is_evaluated_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write, refused = prepare, "    if type(estimator).__name__ == 'LogisticRegression':\n        raise ValueError('no lines')\n"

    def written(folder: Path, *arguments: Any, **named: Any) -> Params:
        params = write(folder, *arguments, **named)
        [file] = folder.glob("src/*/pipeline.py")
        text = file.read_text(encoding="utf-8")
        place = text.index("    if get_tags(estimator)")
        file.write_text(text[:place] + refused + text[place:], encoding="utf-8")
        return params

    monkeypatch.setitem(globals(), "prepare", written)
    assert beside(tmp_path, monkeypatch, table())["linear"] is None
    said = capsys.readouterr().out
    assert "no linear model beside the challenger: " in said and "no lines" in said
    assert json.loads(paths.METRICS.read_text(encoding="utf-8"))["rows"] == 150


def settings(primary: str = "accuracy", **gates: Any) -> Params:
    """A project whose groups are regions."""
    asked = {"primary": primary, "groups": ["shop"], "group_margin": 0.1, **gates}
    return Params.model_validate({**SETTINGS, "gates": asked})


def grouped(wrong: dict[str, float], primary: str = "accuracy", days: int = 28) -> tuple[bool, str]:
    """The gate on 60 rows a day in three groups, `wrong` of whose decisions are wrong."""
    random, params = np.random.default_rng(0), settings(primary)
    rows = pd.DataFrame({"shop": np.tile(list(wrong), days * 20)})
    truth = random.integers(0, 2, len(rows))
    flipped = random.random(len(rows)) < rows["shop"].map(wrong).to_numpy()
    scored = Scored("binary", truth, np.where(flipped, 1 - truth, truth) * 0.8 + 0.1)
    block = np.repeat(np.arange(days), 60)
    gaps = group_gaps(rows, params, scored, metric_named(primary, scored), block, resamples(block, 200))
    gate = groups_gate(gaps, params.gates)
    assert gate.absolute
    return gate.passed, gate.detail


def test_a_group_that_is_served_much_worse_stops_the_model() -> None:
    passed, detail = grouped({"a": 0.1, "b": 0.1, "c": 0.4})
    assert not passed
    assert detail.startswith("accuracy is worse than that of all rows by more than 0.1 for shop = c (-0.19")
    assert "shop = a" not in detail
    passed, detail = grouped({"a": 0.1, "b": 0.1, "c": 0.4}, "log_loss")
    assert not passed and "shop = c (+" in detail, "where less is better"


def test_groups_within_the_margin_do_not() -> None:
    passed, detail = grouped({"a": 0.1, "b": 0.12, "c": 0.2})
    assert passed
    assert detail == "none of 3 groups by shop is predicted worse than all rows by more than 0.1 beyond noise"


def test_groups_of_too_few_rows_show_nothing() -> None:
    gate = groups_gate([], settings().gates)
    assert not gate.passed and "evaluate.min_slice_rows" in gate.detail


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gates": {"primary": "roc_auc", "groups": ["age"]}}, "gates.groups names age: name it among evaluate.slices"),
        ({"evaluate": {"ages": ["soon"]}}, "'soon' is no stretch of time"),
        ({"evaluate": {"ages": ["0 days"]}}, "'0 days' is not positive"),
        (
            {"columns": {**SETTINGS["columns"], "time": None}, "evaluate": {"ages": ["7 days"]}},
            "evaluate.ages tells what age costs, but columns.time is not set",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ProjectError, match=said):
        prepare(tmp_path, {**SETTINGS, **change})


def test_candidates_are_compared_on_so_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first to the last, in order; in this process, as long as that takes no longer than to start others."""
    candidates = [{"estimator": f"sklearn.{LINEAR}", "ranges": {"C": [0.1, 1.0]}}]
    model = {"threads": 1, "candidates": candidates, "search": {"folds": 3, "rows": 120}}
    params, seen = prepare(tmp_path, {**SETTINGS, "model": model}), []
    rows = table().iloc[:450]

    def score(setting: search.Setting, fold: search.Fold, given: pd.DataFrame, *rest: Any) -> float:
        seen.append(given)
        return float(setting.params["C"])

    monkeypatch.setattr(search, "score", score)
    monkeypatch.setattr(search.joblib, "Parallel", None)
    found = search.search(rows, params, model_code(), model_code())
    assert [one.scores for one in found] == [[0.1] * 3, [1.0] * 3]
    assert [len(given) for given in seen] == [120] * 6
    assert seen[0]["time"].is_monotonic_increasing and seen[0].index.tolist() == list(range(120))
    assert [seen[0]["id"].iloc[0], seen[0]["id"].iloc[-1]] == ["r0", "r449"]


def test_a_search_that_takes_long_is_shared_among_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those cells that are not done yet, in their order."""
    candidates = [{"estimator": f"sklearn.{LINEAR}", "ranges": {"C": [0.1, 1.0, 2.0]}}]
    params = prepare(tmp_path, {**SETTINGS, "model": {"threads": 1, "candidates": candidates}})
    shared: list[Any] = []

    class Shared:
        """In place of processes."""

        def __init__(self, **options: Any) -> None:
            pass

        def __call__(self, calls: Any) -> Any:
            for function, arguments, named in calls:
                shared.append(arguments[0].params["C"])
                yield function(*arguments, **named)

    monkeypatch.setattr(search, "score", lambda setting, *rest: float(setting.params["C"]))
    monkeypatch.setattr(search, "STARTING", 0.0)
    monkeypatch.setattr(search.joblib, "Parallel", Shared)
    found = search.search(table().iloc[:450], params, model_code(), model_code())
    assert [one.scores for one in found] == [[0.1] * 3, [1.0] * 3, [2.0] * 3]
    assert shared == [0.1, 0.1, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0], "the first is always tried here"
