"""Monitoring from a laptop and by its workflow, on the sample's spring: what is noticed, told, and done about it."""

import json
import re
import shutil
from pathlib import Path

import pytest
from production import months, play

from act.github import GitHub
from browser import look
from support import cli, git

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def log(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """April and May of the sample, as the champion of the first quarter predicted them."""
    place = tmp_path_factory.mktemp("production") / "predictions.db"
    play(project, str(place), months("2013-04-01", "2013-06-01"))
    return place


def test_spring_is_noticed_and_outcomes_say_how_much_worse_it_is(project: Path, log: Path, tmp_path: Path) -> None:
    """The champion has seen a winter. Its probabilities are told to be as good as ever; its outcomes say otherwise."""
    place = tmp_path / "predictions.db"
    shutil.copyfile(log, place)
    told = cli(project, "monitor", "--log", str(place), "--out", str(tmp_path / "before.md"))
    assert "champion 1 needs attention since 2013-0" in told
    assert re.search(r"2013-0[45]-\d\d: .*(temperature|dew_point|humidity)", told)
    before = (tmp_path / "before.md").read_text(encoding="utf-8")
    assert "| 0% | – |" in before
    months("2013-04-01", "2013-06-01")[["flight_id", "late"]].to_csv(tmp_path / "outcomes.csv", index=False)
    outcomes = cli(project, "feedback", str(tmp_path / "outcomes.csv"), "--log", str(place))
    assert " new, 0 corrected" in outcomes and "wait for it" not in outcomes
    drawn = tmp_path / "page.html"
    cli(project, "monitor", "--log", str(place), "--out", str(tmp_path / "after.md"), "--html", str(drawn))
    after = (tmp_path / "after.md").read_text(encoding="utf-8")
    assert re.search(r"the (loss|primary metric)[^\n]* changed", after), (
        "late in April delays were others than in winter"
    )
    assert "estimates were off by" in after
    phone, desk = (look(drawn.read_text(encoding="utf-8"), width, dark) for width, dark in ((400, False), (1200, True)))
    assert phone.page["width"] == 400
    for seen in (phone, desk):
        assert seen.page["headings"][1:4] == ["Performance", "What moved, and when", "Columns in the latest window"]
        assert [name for name, *_ in seen.page["figures"]] == ["roc_auc", "rows"]
        assert min(seen.page["drawn"]) >= 10
        assert seen.page["outside"] == []
        assert seen.page["text"] >= 4.5 and seen.page["lines"] >= 3
        assert seen.console == seen.asked == []


def test_the_workflow_opens_an_issue_for_each_problem_and_starts_one_retraining(hub: GitHub, log: Path) -> None:
    """Which has a reason, and what it decides on."""
    run = hub.dispatch("monitor.yml")
    assert run.results["production"] == "success", run.log
    assert hub.issues("all") == [], "without the secret there is nothing to look at"

    hub.secrets["PREDICTIONS"] = str(log)
    run = hub.dispatch("monitor.yml")
    assert run.results["production"] == "success", run.log
    issues = hub.issues()
    assert issues
    assert all(issue["title"].startswith("Production: ") for issue in issues)
    assert "champion 1 needs attention" in issues[0]["body"]
    labels = [{label["name"] for label in issue["labels"]} for issue in issues]
    assert all({"alert", "severity: warning"} <= names for names in labels)
    [started] = hub.state["dispatches"]
    assert started["workflow"] == "retrain.yml"
    reason = started["inputs"]["production"]
    assert sum("retrained" in names for names in labels) == 1

    again = hub.dispatch("monitor.yml")
    assert again.results["production"] == "success", again.log
    assert len(hub.issues("all")) == len(issues)
    assert len(hub.state["dispatches"]) == 1

    retrained = hub.dispatch("retrain.yml", production=reason)
    assert retrained.conclusion == "success", retrained.log
    decisions = [json.loads(line) for line in git(hub.origin, "show", "retrain-log:decisions.jsonl").splitlines()]
    [decision] = [one for one in decisions if one.get("retrain")]
    assert f"production: {reason}" in decision["why"]
    [pull] = hub.pulls()
    assert reason in pull["body"]
