"""Monitoring from a laptop and by its workflow, on the sample's spring: what is noticed, told, and done about it."""

import json
import re
import shutil
from pathlib import Path

import pytest
from production import months, play

from act.github import GitHub, github
from browser import complaints, look
from support import cli, clone_of, commit, git

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def log(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """April and May of the sample, as the champion of the first quarter predicted them."""
    place = tmp_path_factory.mktemp("production") / "predictions.db"
    play(project, str(place), months("2013-04-01", "2013-06-01"))
    return place


def test_spring_is_noticed_and_outcomes_say_how_well_it_went(project: Path, log: Path, tmp_path: Path) -> None:
    """The champion has seen a winter. Once outcomes are known, its real metric stands beside what was estimated."""
    place = tmp_path / "predictions.db"
    shutil.copyfile(log, place)
    told = cli(project, "monitor", "--log", str(place), "--out", str(tmp_path / "before.md"))
    assert "champion 1 needs attention since 2013-0" in told
    assert re.search(r"2013-0[45]-\d\d: .*(temperature|dew_point|humidity)", told)
    before = (tmp_path / "before.md").read_text(encoding="utf-8")
    assert "| 0% | – |" in before
    known = months("2013-04-01", "2013-06-01")
    known[["flight_id", "late"]].to_csv(tmp_path / "outcomes.csv", index=False)
    outcomes = cli(project, "feedback", str(tmp_path / "outcomes.csv"), "--log", str(place))
    assert " new, 0 corrected" in outcomes and "wait for it" not in outcomes
    drawn = tmp_path / "page.html"
    cli(project, "monitor", "--log", str(place), "--out", str(tmp_path / "after.md"), "--html", str(drawn))
    after = (tmp_path / "after.md").read_text(encoding="utf-8")
    assert "estimates were off by" in after
    assert re.search(r"\| `[a-z_]+ = \w+` \| [\d,]+ \| 0\.\d{4} \[0\.\d{4}, 0\.\d{4}\] \| 0\.\d{4} \|", after)
    assert "Slices in the latest window" not in before, "without outcomes there is nothing to tell"
    phone, desk = (look(drawn.read_text(encoding="utf-8"), width, dark) for width, dark in ((400, False), (1200, True)))
    assert phone.page["width"] == 400
    for seen in (phone, desk):
        assert seen.page["headings"][1:4] == ["Performance", "What moved, and when", "Columns in the latest window"]
        assert [name for name, *_ in seen.page["figures"]] == ["roc_auc", "rows"]
        assert min(seen.page["drawn"]) >= 10
        assert seen.page["outside"] == seen.page["overlapping"] == []
        assert seen.page["text"] >= 4.5 and seen.page["lines"] >= 3
        assert seen.console == seen.asked == []

    wrong = known[known["departure"] >= "2013-05-11"]
    wrong.assign(late=1 - wrong["late"])[["flight_id", "late"]].to_csv(tmp_path / "corrected.csv", index=False)
    corrected = cli(project, "feedback", str(tmp_path / "corrected.csv"), "--log", str(place))
    assert f"0 new, {len(wrong.dropna(subset='late')):,} corrected" in corrected
    cli(project, "monitor", "--log", str(place), "--out", str(tmp_path / "worse.md"))
    worse = (tmp_path / "worse.md").read_text(encoding="utf-8")
    assert re.search(r"^- 2013-05-1[1-9]: [^\n]*the (loss|primary metric) changed", worse, re.M), worse[:2000]


def test_the_workflow_opens_an_issue_for_each_problem_and_starts_one_retraining(hub: GitHub, log: Path) -> None:
    """Which has a reason, and what it decides on."""
    job = hub.dispatch("monitor.yml")
    assert job.results["production"] == "success", job.log
    assert hub.issues("all") == [], "without the secret there is nothing to look at"

    hub.secrets["PREDICTIONS"] = str(log)
    job = hub.dispatch("monitor.yml")
    assert job.results["production"] == "success", job.log
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
    [live] = [signal["figure"] for signal in decision["signals"] if signal["reason"] == "live"]
    assert live.startswith("roc_auc ") and "when promoted" in live
    [pull] = hub.pulls()
    assert reason in pull["body"]


def test_where_the_log_is_out_of_reach_the_workflow_acts_on_what_was_exported(
    project: Path, log: Path, environments: Path, tmp_path: Path
) -> None:
    """From a clone beside the log: figures come by a branch of origin, and none of the rows."""
    place = tmp_path / "github"
    place.mkdir()
    with github(place, project, environments) as hub:
        hub.variables["MONITORING"] = "exported"
        job = hub.dispatch("monitor.yml")
        assert job.results["production"] == "failure"
        assert "the storage has no export of monitoring: `monitor --log" in job.log

        clone = clone_of(hub.origin.as_uri(), tmp_path, project.name)
        assert "exported to the branch monitoring at origin" in cli(clone, "monitor", "--log", str(log), "--export")
        cli(clone, "monitor", "--log", str(log), "--export")
        assert git(hub.origin, "rev-list", "--count", "monitoring") == "1"
        exported = git(hub.origin, "show", "monitoring:monitoring.json")
        rows = months("2013-04-01", "2013-06-01")
        assert not any(name in exported for name in rows["flight_id"].sample(1000, random_state=0))
        cli(clone, "site", "--exported", "--out", "site")
        assert "in production</h1>" in (clone / "site" / "index.html").read_text(encoding="utf-8")

        job = hub.dispatch("monitor.yml")
        assert job.results["production"] == "success", job.log
        assert all(issue["title"].startswith("Production: ") for issue in hub.issues())
        [started] = hub.state["dispatches"]
        assert started["workflow"] == "retrain.yml"

        old = re.sub(r'"at": "\d+-\d+', '"at": "2026-01', exported, count=1)
        (tmp_path / "monitoring.json").write_text(old, encoding="utf-8")
        git(clone, "checkout", "--quiet", "--orphan", "monitoring")
        git(clone, "rm", "-r", "--quiet", "--cached", ".")
        shutil.copyfile(tmp_path / "monitoring.json", clone / "monitoring.json")
        git(clone, "add", "monitoring.json")
        commit(clone, "Old", "--no-verify")
        git(clone, "push", "--quiet", "--no-verify", "--force", "origin", "monitoring")
        job = hub.dispatch("monitor.yml")
        assert job.results["production"] == "success", job.log
        assert "Production is not looked at" in {issue["title"] for issue in hub.issues()}


def test_the_site_is_an_artifact_and_where_the_variable_says_so_at_github_pages(hub: GitHub, log: Path) -> None:
    """After the issues of before: it tells of them, and each page looks well in every window."""
    hub.secrets["PREDICTIONS"] = str(log)
    kept = hub.dispatch("pages.yml")
    assert kept.results == {"build": "success", "publish": "skipped"}, kept.log
    assert not (hub.folder / "site").exists()

    hub.variables["PAGES"] = "true"
    refused = hub.dispatch("pages.yml")
    assert refused.results["publish"] == "failure"
    assert "GitHub Pages are not enabled for workflows: `gh api --method POST" in refused.log

    hub.set(pages=True)
    job = hub.dispatch("pages.yml")
    assert job.results == {"build": "success", "publish": "success"}, job.log
    assert "published: https://" in job.log
    site = hub.folder / "site"
    names = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    assert names == ["index.html", "models/1.html", "production.html"]
    index = (site / "index.html").read_text(encoding="utf-8")
    assert "problems in production</h1>" in index
    for issue in hub.issues("all"):
        assert f'href="{issue["html_url"]}"' in index
    for name in names:
        page = (site / name).read_text(encoding="utf-8")
        for address in re.findall(r'href="([^":]+)"', page):
            assert (site / name).parent.joinpath(address).resolve().is_file(), f"{name} leads to {address}"
        well_made(page)


def well_made(page: str) -> None:
    """On a phone in light and at a desk in dark: nothing is cut off, all can be read, nothing is fetched."""
    for width, dark in ((400, False), (1200, True)):
        seen = look(page, width, dark)
        assert seen.page["width"] == width
        assert seen.page["outside"] == seen.page["overlapping"] == []
        assert seen.page["text"] >= 4.5
        assert seen.console == seen.asked == []
        assert complaints(page, dark) == []
