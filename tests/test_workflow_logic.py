"""What the project's workflows decide: when they start, which job runs, who may write, when a check is red.

Their `if:` are evaluated for events that need not happen here; that the jobs do what they say is seen under act.
"""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import local_extensions
from conftest import Bake
from expressions import Each, Expression, holds, text_of
from support import ROOT, environment, run
from test_bake import STORAGES
from test_workflows import Content, load

RESULTS = ("success", "failure", "cancelled", "skipped")
VERDICTS = ("promote", "unchanged", "keep", "fail")
LABEL = "accept-regression"
CLOUDS = ("s3", "gcs", "azure")


@pytest.fixture(scope="module")
def workflows(bake: Bake) -> dict[str, Content]:
    """Those of the default project, by name."""
    return read(bake())


def read(project: Path) -> dict[str, Content]:
    return {path.stem: load(path) for path in (project / ".github" / "workflows").glob("*.yml")}


def pull_request(label: bool = False, fork: bool = False, branch: str = "fewer-trees") -> dict[str, Any]:
    """What an expression sees in a run for a pull request."""
    labels = [{"name": "bug"}, {"name": LABEL}] if label else []
    owner = "somebody" if fork else "my-org"
    head = {"ref": branch, "repo": {"full_name": f"{owner}/flight-delays"}}
    event = {"pull_request": {"number": 7, "labels": labels, "head": head}}
    known = {"event_name": "pull_request", "repository": "my-org/flight-delays", "head_ref": branch}
    return {"github": known | {"event": event}}


def needed(verdict: str = "", **results: str) -> dict[str, Any]:
    """How the jobs before this one ended."""
    jobs = {name: {"result": result, "outputs": {}} for name, result in results.items()}
    if "evaluate" in jobs:
        jobs["evaluate"]["outputs"]["verdict"] = verdict
    return {"needs": jobs}


def passes(job: Content, context: dict[str, Any]) -> bool:
    """Run the steps of a job that only looks at other jobs. Whether it is green."""
    for step in job["steps"]:
        if holds(step.get("if"), context):
            variables = {name: text_of(str(value), context) for name, value in step.get("env", {}).items()}
            command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
            if subprocess.run(command, env=environment(**variables), capture_output=True).returncode:
                return False
    return True


def test_when_they_start(workflows: dict[str, Content]) -> None:
    starts = {name: set(workflow["on"]) for name, workflow in workflows.items()}
    assert starts == {
        "test": {"pull_request", "push", "merge_group", "workflow_call"},
        "train": {"workflow_call", "workflow_dispatch"},
        "evaluate": {"workflow_call", "workflow_dispatch"},
        "pull-request": {"pull_request", "merge_group"},
        "comment": {"workflow_run"},
        "retrain": {"schedule", "workflow_dispatch", "repository_dispatch"},
        "monitor": {"schedule", "workflow_dispatch"},
        "pages": {"push", "schedule", "workflow_dispatch"},
        "update": {"schedule", "workflow_dispatch"},
        "deploy": {"push", "workflow_dispatch"},
    }
    assert workflows["test"]["on"]["push"] == {"branches": ["main"]}
    assert workflows["comment"]["on"]["workflow_run"] == {
        "workflows": [workflows["pull-request"]["name"]],
        "types": ["completed"],
    }
    for name in ("test", "pull-request"):
        # A required check that a filter keeps from running is waited for forever.
        assert (
            not {"paths", "paths-ignore", "branches", "branches-ignore"}
            & (workflows[name]["on"]["pull_request"] or {}).keys()
        )
    assert {"opened", "synchronize", "reopened", "labeled", "unlabeled"} == set(
        workflows["pull-request"]["on"]["pull_request"]["types"]
    )


def test_what_a_branch_rule_requires_is_said_in_a_merge_queue_too(workflows: dict[str, Content]) -> None:
    """Two jobs, whose names nothing else bears and which run however others ended, if there are any.

    Those that test the commit which a run has made are apart: of that commit only statuses speak.
    """
    for name, check in (("test", "tests"), ("pull-request", "model")):
        job = workflows[name]["jobs"][check]
        assert job["name"] == check
        assert "merge_group" in workflows[name]["on"]
        others = set(workflows[name]["jobs"]) - {check, "test", "say-tests"}
        assert set(job.get("needs", ())) == others
        for status in RESULTS:
            holding = not others or holds(job["if"], pull_request() | needed(**dict.fromkeys(others, status)), status)
            assert holding and (others or "if" not in job)
    named = [job.get("name", key) for workflow in workflows.values() for key, job in workflow["jobs"].items()]
    assert named.count("tests") == named.count("model") == 1


def test_nobody_may_write_but_who_commits_and_who_tells(workflows: dict[str, Content]) -> None:
    grants = {
        f"{name}: {key}": {scope for scope, grant in job["permissions"].items() if grant == "write"}
        for name, workflow in workflows.items()
        for key, job in workflow["jobs"].items()
    }
    assert {job: scopes for job, scopes in grants.items() if scopes} == {
        "pull-request: commit": {"contents", "statuses"},
        "pull-request: say-tests": {"statuses"},
        "comment: comment": {"pull-requests"},
        "retrain: decide": {"contents", "issues"},
        "retrain: publish": {"contents"},
        "retrain: propose": {"contents", "pull-requests", "issues", "statuses", "actions"},
        "monitor: watchdog": {"issues"},
        "monitor: production": {"issues", "actions"},
        "pages: publish": {"id-token", "pages"},
        "update: update": {"contents", "pull-requests", "issues"},
        "deploy: image": {"packages"},
        "deploy: attest": {"packages", "id-token", "attestations"},
        "deploy: release": {"contents"},
        "deploy: tell": {"issues"},
    }


def test_no_code_of_a_pull_request_meets_the_token_that_comments(workflows: dict[str, Content]) -> None:
    """The commenting workflow neither checks out nor runs what the pull request brought."""
    for step in workflows["comment"]["jobs"]["comment"]["steps"]:
        assert "uses" not in step or "ref" not in step.get("with", {})
        assert "pull_request.head" not in str(step)


def test_tests_is_green_when_the_one_check_command_is(workflows: dict[str, Content]) -> None:
    job = workflows["test"]["jobs"]["tests"]
    assert not any("continue-on-error" in step or "if" in step for step in job["steps"])
    assert job["steps"][-1]["run"].endswith(" check")


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("label", [False, True], ids=["", LABEL])
@pytest.mark.parametrize("fork", [False, True], ids=["", "fork"])
def test_model_is_green_when_the_gates_hold_or_the_regression_is_accepted(
    workflows: dict[str, Content], verdict: str, label: bool, fork: bool
) -> None:
    """For a fork too, where nothing is committed."""
    job, context = workflows["pull-request"]["jobs"]["model"], pull_request(label, fork)
    accepted = verdict in ("promote", "unchanged") or label
    commits = "success" if accepted and not fork else "skipped"
    ended = {"train": "success", "evaluate": "success", "commit": commits}
    assert passes(job, context | needed(verdict, **ended)) is accepted
    for name in ended:
        for result in ("failure", "cancelled"):
            assert not passes(job, context | needed(verdict, **ended | {name: result})), (name, result)


def test_on_the_branch_of_a_retraining_the_champion_may_stay(workflows: dict[str, Content]) -> None:
    """The data moves on: that is committed and green, and nothing is promoted. A model that fails is still red."""
    jobs = workflows["pull-request"]["jobs"]
    for verdict in VERDICTS:
        context = pull_request(branch="retrain/2013-04-30")
        ended = context | needed(verdict, train="success", evaluate="success")
        assert holds(jobs["commit"]["if"], ended) is (verdict != "fail")
        promoting = [step for step in jobs["commit"]["steps"] if " promote" in step.get("run", "")]
        assert sum(holds(step["if"], ended) for step in promoting) == (verdict == "promote")
        committed = "skipped" if verdict == "fail" else "success"
        found = context | needed(verdict, train="success", evaluate="success", commit=committed)
        assert passes(jobs["model"], found) is (verdict != "fail")


def test_model_is_green_where_no_input_of_the_pipeline_changed(workflows: dict[str, Content]) -> None:
    jobs = workflows["pull-request"]["jobs"]
    for changed in ("true", "false"):
        context = pull_request() | {"needs": {"train": {"result": "success", "outputs": {"changed": changed}}}}
        assert holds(jobs["evaluate"]["if"], context) is (changed == "true")
    unchanged = needed(train="success", evaluate="skipped", commit="skipped")
    assert passes(jobs["model"], pull_request() | unchanged)
    assert not passes(jobs["model"], pull_request() | needed(train="failure", evaluate="skipped", commit="skipped"))
    assert not passes(jobs["model"], pull_request() | needed(train="skipped", evaluate="skipped", commit="skipped"))


def test_in_a_merge_queue_only_what_is_trained_already_is_merged(workflows: dict[str, Content]) -> None:
    """Nothing can be committed there: the merged commit is held against itself, and must need no training."""
    jobs = workflows["pull-request"]["jobs"]
    queue = {"github": {"event_name": "merge_group", "repository": "my-org/flight-delays", "event": {}}}
    assert text_of(jobs["train"]["with"]["base"], queue) == "HEAD"
    assert text_of(jobs["train"]["with"]["base"], pull_request()) == "HEAD^1"
    for changed in ("true", "false"):
        ended = needed(train="success", evaluate="skipped", commit="skipped")
        ended["needs"]["train"]["outputs"]["changed"] = changed
        assert not holds(jobs["evaluate"]["if"], queue | ended)
        assert not holds(jobs["commit"]["if"], queue | ended)
        assert passes(jobs["model"], queue | ended) is (changed == "false")


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("label", [False, True], ids=["", LABEL])
@pytest.mark.parametrize("fork", [False, True], ids=["", "fork"])
def test_results_are_committed_after_the_gates_and_never_for_a_fork(
    workflows: dict[str, Content], verdict: str, label: bool, fork: bool
) -> None:
    job = workflows["pull-request"]["jobs"]["commit"]
    context = pull_request(label, fork) | needed(verdict, train="success", evaluate="success")
    assert holds(job["if"], context) is ((verdict in ("promote", "unchanged") or label) and not fork)
    for status in ("failure", "cancelled"):
        assert not holds(job["if"], context, status)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_challenger_is_promoted_once_and_against_the_verdict_with_a_reason(
    workflows: dict[str, Content], verdict: str
) -> None:
    steps = workflows["pull-request"]["jobs"]["commit"]["steps"]
    context = pull_request(label=True) | needed(verdict, train="success", evaluate="success")
    promotions = [step["run"] for step in steps if " promote" in step.get("run", "") and holds(step.get("if"), context)]
    assert len(promotions) == (verdict != "unchanged")
    assert all(("--force --why" in command) == (verdict in ("keep", "fail")) for command in promotions)


def test_the_report_says_that_it_was_accepted(workflows: dict[str, Content]) -> None:
    accept = workflows["pull-request"]["jobs"]["evaluate"]["with"]["accept"]
    assert LABEL in text_of(accept, pull_request(label=True))
    assert text_of(accept, pull_request()) == ""


@pytest.mark.parametrize("event", ["pull_request", "push", "merge_group", "workflow_dispatch"])
@pytest.mark.parametrize("conclusion", ["success", "failure", "timed_out", "cancelled", "action_required", "skipped"])
def test_only_a_pull_request_gets_a_comment(workflows: dict[str, Content], event: str, conclusion: str) -> None:
    """Also when the gates fail; a run that a newer one has replaced, or that nobody has approved yet, says nothing."""
    run = {"event": event, "conclusion": conclusion}
    context = {"github": {"event_name": "workflow_run", "event": {"workflow_run": run}}}
    wanted = event == "pull_request" and conclusion in ("success", "failure", "timed_out")
    assert holds(workflows["comment"]["jobs"]["comment"]["if"], context) is wanted


@pytest.mark.parametrize("storage", STORAGES)
def test_a_cloud_login_is_possible_where_the_storage_needs_one(bake: Bake, storage: str) -> None:
    """Jobs that read the storage may ask for an identity, and those who call them pass that on; nobody else may.

    But the one that signs what was published, and the one that tells GitHub Pages who publishes.
    """
    workflows = read(bake(storage=STORAGES[storage], deploy="swarm"))
    for name, workflow in workflows.items():
        for key, job in workflow["jobs"].items():
            called = Path(job.get("uses", "")).stem
            inner = workflows[called]["jobs"].values() if called else [job]
            reads = any(step.get("with", {}).get("storage") for one in inner for step in one["steps"])
            signs = any(step.get("uses", "").startswith("actions/attest@") for one in inner for step in one["steps"])
            shows = (name, key) == ("pages", "publish")
            wanted = "write" if signs or shows or (reads and storage in CLOUDS) else None
            assert job["permissions"].get("id-token") == wanted, f"{name}: {key}"


@pytest.mark.parametrize(
    ("schedule", "cron", "within"),
    [
        ("hourly", "17 * * * *", "2 hours"),
        ("daily", "23 5 * * *", "2 days"),
        ("weekly", "23 5 * * 1", "14 days"),
        ("monthly", "23 5 1 * *", "62 days"),
    ],
)
def test_retraining_is_scheduled_as_answered_and_watched(bake: Bake, schedule: str, cron: str, within: str) -> None:
    """Never at minute 0, when GitHub drops jobs; the watchdog waits for twice the schedule."""
    workflows = read(bake(schedule=schedule))
    assert workflows["retrain"]["on"]["schedule"] == [{"cron": cron}]
    (step,) = [step for step in workflows["monitor"]["jobs"]["watchdog"]["steps"] if "watch" in step.get("run", "")]
    assert f'--within "{within}"' in step["run"]


def test_at_the_level_manual_nothing_is_scheduled(bake: Bake) -> None:
    workflows = read(bake(automation="manual"))
    assert all("schedule" not in workflow["on"] for workflow in workflows.values())
    assert {"workflow_dispatch", "repository_dispatch"} <= set(workflows["retrain"]["on"])


def test_two_retrainings_never_overlap(workflows: dict[str, Content]) -> None:
    assert workflows["retrain"]["concurrency"] == {"group": "retrain", "cancel-in-progress": False}


def retraining(verdict: str, automation: str = "pull-request", **results: str) -> dict[str, Any]:
    """What the jobs of retrain.yml see."""
    context = needed(verdict, **{"decide": "success", "train": "success", "evaluate": "success"} | results)
    context["needs"]["decide"]["outputs"] = {"retrain": "true", "automation": automation, "commit": "abc"}
    context["needs"]["train"]["outputs"] = {"changed": "true"}
    return context


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("automation", ["manual", "pull-request", "automatic"])
def test_what_is_published_of_a_retraining(workflows: dict[str, Content], verdict: str, automation: str) -> None:
    """Nothing that fails, and nothing at the level manual; of the rest only what is better is promoted."""
    job, context = workflows["retrain"]["jobs"]["publish"], retraining(verdict, automation)
    assert holds(job["if"], context) is (verdict != "fail" and automation != "manual")
    promotions = [step for step in job["steps"] if " promote" in step.get("run", "") and holds(step["if"], context)]
    assert len(promotions) == (verdict == "promote")


def test_a_retraining_ends_with_a_word_whatever_died(workflows: dict[str, Content]) -> None:
    """Once it has begun; what was not found out is not made up."""
    job = workflows["retrain"]["jobs"]["propose"]
    (step,) = [step for step in job["steps"] if "retraining propose" in step.get("run", "")]
    for name in ("train", "evaluate", "publish", "test"):
        died = retraining("", **{name: "failure"})
        assert holds(job["if"], died, "failure")
        assert text_of(step["env"]["VERDICT"], died) == ""
    unchanged = retraining("", evaluate="skipped")
    unchanged["needs"]["train"]["outputs"]["changed"] = "false"
    assert text_of(step["env"]["VERDICT"], unchanged) == "unchanged"
    undecided = retraining("")
    undecided["needs"]["decide"]["outputs"] = {"retrain": "false"}
    assert not holds(job["if"], undecided)


@pytest.fixture(scope="module")
def rolled_out(bake: Bake) -> dict[str, Content]:
    """The workflows of a project that is deployed to a Swarm."""
    return read(bake(deploy="swarm"))


def deployment(version: str = "", superseded: str = "", **results: str) -> dict[str, Any]:
    """What the jobs of deploy.yml see."""
    context = needed(**{"image": "success", "staging": "success", "production": "success"} | results)
    context["needs"]["image"]["outputs"] = {"version": version or "3", "image": "ghcr.io/o/p@sha256:1"}
    context["needs"]["production"]["outputs"] = {"superseded": superseded}
    return context | {"inputs": {"version": version} if version else {}, "github": {"ref": "refs/heads/main"}}


def test_a_new_champion_on_main_is_deployed_and_an_earlier_one_by_hand(rolled_out: dict[str, Content]) -> None:
    starts = rolled_out["deploy"]["on"]
    assert starts["push"] == {"branches": ["main"], "paths": ["models/champion.dvc"]}
    assert starts["workflow_dispatch"]["inputs"].keys() == {"version", "reason"}


def test_no_other_branch_is_deployed(rolled_out: dict[str, Content]) -> None:
    """It ends with a word before anything is done, and is no reason for an issue."""
    jobs = rolled_out["deploy"]["jobs"]
    first = jobs["image"]["steps"][0]
    assert first["run"] == "exit 1"
    elsewhere = deployment() | {"github": {"ref": "refs/heads/idea"}}
    assert holds(first["if"], elsewhere) and not holds(first["if"], deployment())
    assert not holds(jobs["tell"]["if"], elsewhere, "failure")


def test_what_was_published_before_is_not_built_again(rolled_out: dict[str, Content]) -> None:
    """With a version nothing is built, verified here or attested: the image of that champion is looked up."""
    jobs = rolled_out["deploy"]["jobs"]
    built = [step for step in jobs["image"]["steps"] if re.search(r"deploy (package|image|try)", step.get("run", ""))]
    (publish,) = [step for step in jobs["image"]["steps"] if step.get("id") == "publish"]
    assert len(built) == 2
    for version in ("", "2"):
        context = deployment(version)
        assert all(holds(step["if"], context) is not bool(version) for step in built)
        assert text_of(publish["env"]["HOW"], context) == ("--find" if version else "--built")
        assert holds(jobs["attest"]["if"], context) is not bool(version)
        for name in ("staging", "production"):
            assert text_of(jobs[name]["with"]["again"], context) == ("true" if version else "false")


def test_production_comes_after_staging_and_the_release_after_production(rolled_out: dict[str, Content]) -> None:
    """Where an environment fails, nothing follows but the word on it."""
    jobs = rolled_out["deploy"]["jobs"]
    assert jobs["staging"]["needs"] == "image"
    assert set(jobs["production"]["needs"]) == {"image", "staging"}
    assert {"staging", "production"} <= set(jobs["release"]["needs"])
    for name in ("staging", "production"):
        assert "if" not in jobs[name]
    assert holds(jobs["release"]["if"], deployment())
    assert not holds(jobs["release"]["if"], deployment(), "failure")
    assert not holds(jobs["release"]["if"], deployment(superseded="true"))


def test_deployments_of_one_environment_never_overlap_nor_end_halfway(rolled_out: dict[str, Content]) -> None:
    job = rolled_out["rollout"]["jobs"]["rollout"]
    assert job["environment"] == "${{ inputs.environment }}"
    group = {"group": "deploy-${{ inputs.environment }}", "cancel-in-progress": False}
    assert job["concurrency"] == group | {"queue": "max"}, "else GitHub cancels the one that waits, which is a failure"
    assert rolled_out["deploy"]["concurrency"]["cancel-in-progress"] is False
    assert "github.run_id" in rolled_out["deploy"]["concurrency"]["group"]


def test_a_failed_deployment_is_told_and_taken_back_in_the_record(rolled_out: dict[str, Content]) -> None:
    job = rolled_out["deploy"]["jobs"]["tell"]
    assert set(job["needs"]) == {"image", "staging", "production", "release"}

    def told(**results: str) -> list[str]:
        needs = {"image": "success", "production": "success", "release": "success"}
        ended = deployment() | needed(**needs | results)
        failed = text_of(job["env"]["FAILED"], ended)
        steps = [step for step in job["steps"] if "run" in step]
        return [step["name"] for step in steps if holds(step.get("if"), ended | {"env": {"FAILED": failed}})]

    assert holds(job["if"], deployment(), "failure")
    assert told() == ["Tell that it went well"]
    assert told(production="failure", release="skipped") == ["Tell that it failed", "Record that it was taken back"]
    assert told(production="cancelled", release="skipped") == told(production="failure", release="skipped")
    early = told(image="failure", production="skipped", release="skipped")
    assert early == told(production="failure", release="skipped")
    assert told(release="failure") == ["Tell that it failed"], "production runs it"
    assert told(release="skipped") == [], "passed over for a newer one"


def test_nothing_is_rolled_out_where_only_the_image_is_wanted(workflows: dict[str, Content]) -> None:
    assert set(workflows["deploy"]["jobs"]) == {"image", "attest", "release", "tell"}
    assert "rollout" not in workflows


def test_what_the_job_s_token_merged_is_deployed_by_dispatch(workflows: dict[str, Content]) -> None:
    """A merge by the App starts the deployment itself."""
    steps = workflows["retrain"]["jobs"]["propose"]["steps"]
    (step,) = [step for step in steps if "retraining propose" in step.get("run", "")]
    known = retraining("promote")
    assert text_of(step["env"]["STARTS"], known | {"steps": {"app": {"outputs": {}}}}) == "deploy.yml"
    assert text_of(step["env"]["STARTS"], known | {"steps": {"app": {"outputs": {"token": "t"}}}}) == ""


def test_force_is_for_who_asks_for_it(workflows: dict[str, Content]) -> None:
    (step,) = [step for step in workflows["retrain"]["jobs"]["decide"]["steps"] if step.get("id") == "decide"]
    asked = {"inputs": {"force": True, "reason": "a new library"}, "steps": {}}
    assert holds(step["if"], asked) and text_of(step["env"]["REASON"], asked) == "a new library"
    scheduled: dict[str, Any] = {"inputs": {}, "steps": {"ingest": {"outputs": {"fresh": "false"}}}}
    assert not holds(step["if"], scheduled) and text_of(step["env"]["REASON"], scheduled) == ""
    scheduled["steps"]["ingest"]["outputs"]["fresh"] = "true"
    assert holds(step["if"], scheduled)


def test_the_template_is_tested_on_each_python_that_it_supports(tmp_path: Path) -> None:
    """`local_extensions.SUPPORTED` is the only list: the command of the job that reads it says the same."""
    jobs = load(ROOT / ".github" / "workflows" / "test.yml")["jobs"]
    assert jobs["linux"]["strategy"]["matrix"]["python"] == "${{ fromJSON(needs.pythons.outputs.supported) }}"
    (command,) = [step["run"] for step in jobs["pythons"]["steps"] if "run" in step]
    (tmp_path / "output").touch()
    run("bash", "-e", "-c", command, cwd=ROOT, GITHUB_OUTPUT=str(tmp_path / "output"))
    output = (tmp_path / "output").read_text(encoding="utf-8")
    assert tuple(json.loads(output.removeprefix("supported="))) == local_extensions.SUPPORTED
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["requires-python"] == f">={local_extensions.SUPPORTED[0]}"


def test_the_template_is_green_when_every_job_has_succeeded() -> None:
    """Also where there is a matrix; a job that was skipped has proved nothing."""
    jobs = load(ROOT / ".github" / "workflows" / "test.yml")["jobs"]
    needs = set(jobs["tests"]["needs"])
    assert needs == set(jobs) - {"tests"}
    assert holds(jobs["tests"]["if"], needed(), "failure")
    for result in RESULTS:
        for name in needs:
            ended = needed(**dict.fromkeys(needs, "success") | {name: result})
            assert passes(jobs["tests"], ended) is (result == "success"), (name, result)


def test_expressions_mean_here_what_they_mean_on_github() -> None:
    context = {"github": {"event": {"labels": [{"name": "A"}, {}], "number": 0}}, "needs": {"a": {"result": "success"}}}
    for text, value in (
        ("github.event.labels.*.name", ["A"]),
        ("contains(github.event.labels.*.name, 'a')", True),
        ("contains(needs.*.result, 'failure')", False),
        ("github.nothing.at.all", None),
        ("github.nothing == ''", True),
        ("github.event.number || 'none'", "none"),
        ("'it''s' != 'ITS' && !false", True),
        ("fromJSON('[1, 2]')[1] == '2'", True),
        ("startsWith(format('{0}/{1}', 'a', true), 'a/TRUE')", True),
    ):
        assert Expression(text, context).value() == value, text
    assert isinstance(Expression("needs.*.result", context).value(), Each)
    assert holds(None, context) and not holds("true", context, "failure")
    assert holds("always()", context, "failure") and not holds("always() && false", context)
    assert holds("${{ failure() }}", context, "failure") and not holds("cancelled()", context, "failure")
    assert text_of("a ${{ 1 == 1 }} ${{ github.nothing }}.", context) == "a true ."


def test_artifacts_chosen_by_a_pattern_are_found_where_there_is_one_too(workflows: dict[str, Content]) -> None:
    """A single match gets no folder of its own: it lies in the path itself."""
    checked = 0
    for workflow in workflows.values():
        for job in workflow["jobs"].values():
            for step in job.get("steps", []):
                given = step.get("with", {})
                if "pattern" in given and not given.get("merge-multiple"):
                    said = " ".join(other.get("run", "") for other in job["steps"])
                    files = set(re.findall(rf"{given['path']}/\S+", said))
                    assert {f"{given['path']}/{Path(file).name}" for file in files} <= files
                    checked += len(files)
    assert checked
