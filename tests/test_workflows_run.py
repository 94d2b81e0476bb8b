"""The generated project's own workflow files, run under act: what comes out at origin and on the pull request."""

import json
from pathlib import Path

import pytest
import yaml
from tour_page import posted, shown, steady

from act.github import GitHub
from act.runs import Job, Run
from releases import Release, later, release, template
from stored import champion, key, missing_in_storage
from support import git

__all__ = ["later", "release", "template"]

pytestmark = pytest.mark.slow

MARK = "<!-- model-report -->"
BOT = "github-actions[bot]"
RESULTS = {"dvc.lock", "models/champion.dvc", "reports/"}
"""What a robot's commit may touch."""

PARAMS, PIPELINE = "params.yaml", "machinery/mlops_template/training/pipeline.py"
BETTER = (PARAMS, "max_iter: 150", "max_iter: 40")
TEMPLATE_RECORD = ".mlops-template.json"
WORKFLOWS = ".github/workflows"
WORSE = (PARAMS, "max_iter: 150", "max_iter: 1")
Change = tuple[str, str, str]


def propose(hub: GitHub, *changes: Change, branch: str = "idea", fork: bool = False) -> int:
    """Push a branch that replaces texts in files, and open a pull request; gives the number."""
    push(hub, *changes, branch=branch, fork=fork)
    return hub.open_pull_request(branch, fork)


def push(hub: GitHub, *changes: Change, branch: str, fork: bool = False) -> None:
    """Commit replaced texts to a branch, as a person does."""
    with hub.working_on(branch, "An idea", fork) as clone:
        for name, before, after in changes:
            text = (clone / name).read_text(encoding="utf-8")
            assert before in text
            (clone / name).write_text(text.replace(before, after), encoding="utf-8")


def comment(hub: GitHub, run: Run) -> str:
    """The one comment on a pull request after a run of it, posted by the workflow that may write there."""
    posted = hub.workflow_run(run)
    assert posted.conclusion == "success", posted.log
    comments = hub.comments(run.event["number"])
    assert len(comments) == 1, posted.log
    assert comments[0].startswith(MARK)
    return comments[0]


def touched(hub: GitHub, revision: str) -> set[str]:
    """The files that a commit changed; those in `reports/` by the folder alone."""
    names = git(hub.origin, "diff", "--name-only", f"{revision}~1", revision).splitlines()
    return {"reports/" if name.startswith("reports/") else name for name in names}


def ran(run: Run) -> dict[str, str]:
    """What became of the jobs that were not skipped."""
    return {name: result for name, result in run.results.items() if result != "skipped"}


def errors(job: Job) -> list[str]:
    """What a job shows as errors beside its steps."""
    return [line for line in job.log.splitlines() if "::error::" in line]


def assert_untouched(hub: GitHub, before: dict[str, str]) -> None:
    """Nobody's branch moved, nothing was dispatched, no status was set."""
    assert hub.references() == before
    assert hub.state["pushes"] == []
    assert hub.state["dispatches"] == hub.state["statuses"] == []


def test_the_first_push_of_a_fresh_project_is_green(hub: GitHub) -> None:
    """With no secret and no variable, on runners that hold nothing."""
    before = hub.references()
    run = hub.push("test.yml")
    assert run.results == {"tests": "success"}, run.log
    assert "passed" in run.jobs["tests"].log
    assert run.summary.strip() == ""
    assert_untouched(hub, before)


def test_a_better_model_is_reported_committed_and_tested(hub: GitHub) -> None:
    """Storage first, then the branch; a second run of the same change finds it all there and commits nothing.

    The branch rule is content with the new commit, although no run of it has begun: those wait for approval.
    """
    number = propose(hub, BETTER)
    before = hub.references()
    run = hub.pull_request(number, action="opened")
    assert run.results == dict.fromkeys(("train", "evaluate", "commit", "tests", "say-tests", "model"), "success"), (
        run.log
    )

    after = hub.references()
    assert [push["ref"] for push in hub.state["pushes"]] == ["refs/heads/dvc-storage", "refs/heads/idea"]
    assert {push["job"] for push in hub.state["pushes"]} == {"commit"}
    assert git(hub.origin, "rev-parse", "idea~1") == before["idea"]
    assert git(hub.origin, "log", "-1", "--format=%an", "idea") == BOT
    assert touched(hub, "idea") == RESULTS
    assert after["main"] == before["main"]
    assert champion(hub, "idea") != champion(hub, "main")
    assert missing_in_storage(hub, "idea") == []
    record = json.loads(hub.show("idea", "reports/comparison.json"))
    assert record["verdict"] == "promote"

    assert {(start["workflow"], start["sha"]) for start in hub.state["await_approval"]} >= {
        (name, after["idea"]) for name in ("test.yml", "pull-request.yml")
    }
    assert [(status["sha"], status["context"], status["state"]) for status in hub.state["statuses"]] == [
        (after["idea"], "model", "success"),
        (after["idea"], "tests", "success"),
    ]
    assert hub.workflow_run(run, conclusion="action_required").results == {"comment": "skipped"}
    assert hub.comments(number) == []

    text = comment(hub, run)
    assert "promote" in text
    assert steady(posted(text)) == steady(shown("comment")), "`uv run python benchmarks/tour.py` writes the tour anew"
    for said in ("roc_auc", "max_iter", "150", "40"):
        assert said in text
    assert text.removeprefix(MARK).split("Of commit")[0].strip() in run.summary

    again = hub.pull_request(number)
    assert {job for job, result in again.results.items() if result == "skipped"} == {"tests", "say-tests"}, again.log
    assert hub.references() == after
    assert len(hub.state["statuses"]) == 2
    comment(hub, again)
    assert [comment["edits"] for comment in hub.state["comments"]] == [1]
    hub.set(required_contexts=["tests", "model"])
    hub.merge_pull_request(number)


def test_a_worse_model_is_stopped_until_somebody_accepts_it(hub: GitHub) -> None:
    number = propose(hub, WORSE)
    before = hub.references()
    run = hub.pull_request(number)
    assert ran(run) == {"train": "success", "evaluate": "success", "model": "failure"}, run.log
    assert "accept-regression" in run.jobs["model"].log
    assert_untouched(hub, before)
    text = comment(hub, run)
    assert "keep" in text
    assert "non-inferiority not shown" in text

    hub.label(number, "accept-regression")
    accepted = hub.pull_request(number, action="labeled")
    assert set(accepted.results.values()) == {"success"}, accepted.log
    assert git(hub.origin, "rev-parse", "idea~1") == before["idea"]
    assert touched(hub, "idea") == RESULTS
    assert champion(hub, "idea") != champion(hub, "main")
    assert missing_in_storage(hub, "idea") == []
    assert len(hub.state["statuses"]) == 2
    text = comment(hub, accepted)
    assert "accept" in text
    assert "accept-regression" in text
    assert [comment["edits"] for comment in hub.state["comments"]] == [1]


def test_a_change_of_the_readme_leaves_the_model_alone(hub: GitHub) -> None:
    """No stage runs, no data is fetched, and one job says so."""
    number = propose(hub, ("README.md", "# flight-delays", "# Flight delays"))
    before = hub.references()
    run = hub.pull_request(number)
    assert ran(run) == {"train": "success", "model": "success"}, run.log
    assert run.jobs["train"].outputs["changed"] == "false"
    assert_untouched(hub, before)
    assert "model unchanged" in comment(hub, run)
    assert "model unchanged" in run.summary


def test_a_fork_gets_its_report_and_pushes_nothing(hub: GitHub) -> None:
    number = propose(hub, BETTER, fork=True)
    before = hub.references()
    run = hub.pull_request(number)
    assert ran(run) == {"train": "success", "evaluate": "success", "model": "success"}, run.log
    assert_untouched(hub, before)
    text = comment(hub, run)
    assert "roc_auc" in text
    assert "promote" in text


def test_a_branch_that_moves_during_the_run_is_left_alone(hub: GitHub) -> None:
    """Somebody pushes while the commit is being made: theirs stands, and nothing says that it was looked at."""
    number = propose(hub, BETTER)
    hub.meanwhile["commit"] = lambda: push(hub, ("README.md", "# flight-delays", "# Flight delays"), branch="idea")
    before = hub.references()
    run = hub.pull_request(number)
    assert ran(run) == {"train": "success", "evaluate": "success", "commit": "failure", "model": "failure"}, run.log
    after = hub.references()
    assert git(hub.origin, "rev-parse", "idea~1") == before["idea"]
    assert git(hub.origin, "log", "-1", "--format=%an", "idea") == "Ada"
    assert after["main"] == before["main"]
    assert [push for push in hub.state["pushes"] if push["ref"] != "refs/heads/dvc-storage"] == []
    assert hub.state["dispatches"] == hub.state["statuses"] == []
    [line] = errors(run.jobs["commit"])
    assert after["idea"][:7] in line
    assert "overwritten" in line


def test_a_branch_behind_main_is_judged_with_what_main_brought(hub: GitHub) -> None:
    """What is committed fits the merge, which stays free of conflicts."""
    number = propose(hub, BETTER)
    push(hub, ("README.md", "# flight-delays", "# Flight delays"), branch="main")
    before = hub.references()
    run = hub.pull_request(number)
    assert set(run.results.values()) == {"success"}, run.log
    after = hub.references()
    assert after["main"] == before["main"]
    assert before["idea"] in git(hub.origin, "rev-list", "--parents", "-1", "idea").split()[1:]
    merged = hub.merge(after["main"], after["idea"])
    assert hub.show(merged, "README.md") == hub.show("main", "README.md")
    assert hub.show(merged, "dvc.lock") == hub.show("idea", "dvc.lock")
    assert "max_iter: 40" in hub.show(merged, "dvc.lock")
    assert champion(hub, merged) == champion(hub, "idea") != champion(hub, "main")
    assert missing_in_storage(hub, merged) == []


def test_a_broken_pipeline_says_where(hub: GitHub) -> None:
    number = propose(hub, (PIPELINE, "import ", "import = "))
    before = hub.references()
    run = hub.pull_request(number)
    assert ran(run) == {"train": "failure", "model": "failure"}, run.log
    assert_untouched(hub, before)
    text = comment(hub, run)
    assert "the pipeline failed" in text
    assert "SyntaxError" in text
    assert "SyntaxError" in run.summary


def test_data_that_breaks_the_contract_is_named(hub: GitHub) -> None:
    number = propose(hub, ("contract.yaml", "distance: { type: integer, min: 0, max: 6000 }", LESS))
    before = hub.references()
    run = hub.pull_request(number)
    assert ran(run) == {"train": "failure", "model": "failure"}, run.log
    assert_untouched(hub, before)
    text = comment(hub, run)
    assert "the pipeline failed" in text
    assert "distance" in text
    assert "2000" in text


LESS = "distance: { type: integer, min: 0, max: 2000 }"


def test_a_missing_storage_branch_is_named_with_its_remedy(hub: GitHub) -> None:
    number = propose(hub, BETTER)
    git(hub.origin, "update-ref", "-d", "refs/heads/dvc-storage")
    before = hub.references()
    run = hub.pull_request(number)
    assert ran(run) == {"train": "failure", "model": "failure"}, run.log
    assert_untouched(hub, before)
    [line] = errors(run.jobs["train"])
    assert "dvc-storage" in line
    assert "uv run flight-delays push" in line
    assert "no report" in comment(hub, run)


def test_a_file_missing_in_the_storage_is_named_with_its_remedy(hub: GitHub) -> None:
    number = propose(hub, BETTER)
    data = yaml.safe_load(hub.show("main", "data/raw.dvc"))["outs"][0]["md5"]
    with hub.working_on("dvc-storage", "Lose it") as storage:
        (storage / key(json.loads(hub.show("dvc-storage", key(data)))[0]["md5"])).unlink()
    before = hub.references()
    run = hub.pull_request(number)
    assert ran(run) == {"train": "failure", "model": "failure"}, run.log
    assert_untouched(hub, before)
    [line] = errors(run.jobs["train"])
    assert "data/raw/2013-01-01_2013-03-31.parquet" in line
    assert "uv run flight-delays push" in line


def test_a_report_that_is_too_long_for_a_comment_is_shortened(hub: GitHub) -> None:
    """Whatever a fork's run has written, in letters of several bytes too."""
    number = propose(hub, BETTER, fork=True)
    run = Run(99, "pull-request.yml", {"number": number, "pull_request": hub.pull(number)}, {}, 0, "")
    report = hub.folder / "artifacts" / "99" / "report" / "report.md"
    report.parent.mkdir(parents=True)
    report.write_text("## Verdict\n" + "€ " * 70_000, encoding="utf-8")
    text = comment(hub, run)
    assert "## Verdict" in text
    assert f"{hub.address}/actions/runs/99" in text.splitlines()[-1]


def test_a_commit_that_is_no_longer_in_a_pull_request_is_not_commented(hub: GitHub) -> None:
    """Its branch was pushed again by force, or the pull request was closed meanwhile."""
    number = propose(hub, BETTER)
    pull = hub.pull(number)
    gone = Run(99, "pull-request.yml", {"pull_request": pull | {"head": pull["head"] | {"sha": "0" * 40}}}, {}, 0, "")
    posted = hub.workflow_run(gone)
    assert posted.conclusion == "success", posted.log
    assert hub.comments(number) == []


def test_training_and_evaluating_can_be_started_by_hand(hub: GitHub) -> None:
    """On a repository of a single commit too: nothing to do, and both say so."""
    before = hub.references()
    for workflow in ("train.yml", "evaluate.yml"):
        run = hub.dispatch(workflow)
        assert run.conclusion == "success", run.log
        assert "model unchanged" in run.summary
    assert_untouched(hub, before)


def scheduled(hub: GitHub) -> str:
    """What the week's run says; it succeeds and leaves `main` as it was."""
    before = hub.head()
    run = hub.schedule("update.yml")
    assert run.results == {"update": "success"}, run.log
    assert hub.head() == before
    return run.jobs["update"].log


def test_updates_are_proposed_week_by_week(hub: GitHub, later: Path, release: Release) -> None:
    """Nothing new, a new version; then one with other workflows, without and with a GitHub App."""
    with hub.working_on("main", "Know the template") as clone:
        record = json.loads((clone / TEMPLATE_RECORD).read_text(encoding="utf-8"))
        record |= {"template": later.as_uri(), "commit": None}
        (clone / TEMPLATE_RECORD).write_text(json.dumps(record, indent=2), encoding="utf-8")

    scheduled(hub)
    assert hub.pulls("all") == [] and hub.issues("all") == []

    release("0.2.0", {"machinery/mlops_template/new_room.py": lambda _: "NEW = 1\n"})
    assert "proposed version 0.2.0" in scheduled(hub)
    [pull] = hub.pulls()
    assert pull["user"]["login"] == "github-actions[bot]"
    assert hub.show("update-0.2.0", "machinery/mlops_template/new_room.py").strip() == "NEW = 1"
    assert json.loads(hub.show("update-0.2.0", TEMPLATE_RECORD))["version"] == "0.2.0"

    release("0.3.0", {f"{WORKFLOWS}/test.yml": lambda text: text.replace("name: Test\n", "name: All tests\n", 1)})
    scheduled(hub)
    assert len(hub.pulls()) == 1 and "update-0.3.0" not in hub.references()
    [issue] = hub.issues()
    assert "needs a person" in issue["title"] and "GitHub App" in issue["body"]

    hub.variables["APP_CLIENT_ID"], hub.secrets["APP_PRIVATE_KEY"] = "Iv1.abc", "a-key"
    hub.install_app("Iv1.abc", "a-key", contents="write", pull_requests="write", issues="write", workflows="write")
    assert "proposed version 0.3.0" in scheduled(hub)
    assert "name: All tests" in hub.show("update-0.3.0", f"{WORKFLOWS}/test.yml")
    assert hub.issues() == []
    started = [start["workflow"] for start in hub.state["would_start"] if start["event"] == "pull_request"]
    assert "test.yml" in started
