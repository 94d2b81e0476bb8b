"""The GitHub of these tests refuses what the real one refuses, so that a workflow that passes here passes there."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from act.github import GitHub, github
from support import commit, git

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
UPLOAD = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"
DOWNLOAD = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"
CACHE = "actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae"
WHO = "git config user.name ada && git config user.email ada@example.com"
# act may lose what a command says in the instant in which it fails.
PUSH = (
    f"{WHO} && git commit --quiet --allow-empty -m more"
    " && { git push --quiet origin HEAD:refs/heads/main || { sleep 1; exit 1; }; }"
)

READ, WRITE = {"contents": "read"}, {"contents": "write"}
Definition = dict[str, Any]


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A repository with a file in it."""
    toy = tmp_path / "toy"
    toy.mkdir()
    git(toy, "init", "--quiet", "--initial-branch=main")
    (toy / "kept.txt").write_text("kept", encoding="utf-8")
    return toy


@pytest.fixture
def hub(toy: Path, tmp_path: Path) -> Iterator[GitHub]:
    """A GitHub with that repository; each test pushes its workflow."""
    commit(toy, "Begin")
    folder = tmp_path / "hub"
    folder.mkdir()
    with github(folder, toy) as hub:
        yield hub


def with_jobs(hub: GitHub, jobs: dict[str, Definition], name: str = "toy.yml", outputs: object = None) -> None:
    """Push a workflow with these jobs, and outputs where it is called."""
    triggers = {
        "push": None,
        "pull_request": None,
        "workflow_dispatch": None,
        "workflow_call": {"outputs": outputs or {}},
    }
    with hub.working_on("main", "A workflow") as clone:
        file = clone / ".github" / "workflows" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"name": "Toy", "on": triggers, "jobs": jobs}), encoding="utf-8")


def job(*steps: str | Definition, **more: Any) -> Definition:
    """A job with a token in every command."""
    token = {"GH_TOKEN": "${{ github.token }}"}
    made = [{"run": step, "env": token} if isinstance(step, str) else step for step in steps]
    return {"runs-on": "ubuntu-latest", "steps": made} | more


def uses(action: str, **inputs: Any) -> Definition:
    """A step that uses an action."""
    return {"uses": action, "with": {name.replace("_", "-"): value for name, value in inputs.items()}}


ALONE = uses(CHECKOUT, persist_credentials=False)


def test_a_job_pushes_only_with_permission_and_credentials(hub: GitHub) -> None:
    jobs = {
        "may": job(ALONE, "gh auth setup-git", PUSH, permissions=WRITE),
        "reads": job(ALONE, "gh auth setup-git", "git fetch --quiet origin main", PUSH, permissions=READ, needs="may"),
        "forgot": job(ALONE, PUSH, permissions=WRITE),
        "nothing": job(ALONE, "echo never reached", permissions={}),
    }
    with_jobs(hub, jobs)
    before = hub.head()
    run = hub.push("toy.yml")
    assert run.results == {"may": "success", "reads": "failure", "forgot": "failure", "nothing": "failure"}, run.log
    assert [(push["job"], push["before"], push["after"]) for push in hub.state["pushes"]] == [
        ("may", before, hub.head())
    ]
    assert list(run.jobs["reads"].steps)[-1] == PUSH
    assert "could not read Username" in run.jobs["forgot"].log


def test_a_job_brings_no_workflow(hub: GitHub) -> None:
    """Not even one that is on another branch already."""
    merge = f"{WHO} && git fetch --quiet origin idea && git merge --quiet --no-ff -m Merge FETCH_HEAD"
    send = "git push --quiet origin HEAD:refs/heads/main"
    with_jobs(hub, {"may": job(uses(CHECKOUT, fetch_depth=0), "gh auth setup-git", merge, send, permissions=WRITE)})
    with hub.working_on("idea", "More") as clone:
        (clone / ".github" / "workflows" / "more.yml").write_text("{}", encoding="utf-8")
    run = hub.push("toy.yml")
    assert run.results == {"may": "failure"}
    assert list(run.jobs["may"].steps)[-1] == send
    assert "without workflows permission" in run.log


def test_a_forks_pull_request_only_reads(hub: GitHub) -> None:
    with_jobs(hub, {"may": job(ALONE, "gh auth setup-git", PUSH, permissions=WRITE)})
    with hub.working_on("better", "Better", fork=True) as clone:
        (clone / "kept.txt").write_text("better", encoding="utf-8")
    run = hub.pull_request(hub.open_pull_request("better", fork=True), "toy.yml")
    assert run.results == {"may": "failure"}
    assert list(run.jobs["may"].steps)[-1] == PUSH
    assert hub.state["pushes"] == []
    assert hub.references().keys() == {"main"}


API = "gh api repos/$GITHUB_REPOSITORY"


@pytest.mark.parametrize(
    ("permissions", "call", "said"),
    [
        (READ, f"{API}/statuses/$GITHUB_SHA -f state=success", "needs statuses: write"),
        (READ, "gh workflow run toy.yml --ref main", "needs actions: write"),
        ({"actions": "write"}, "gh workflow run toy.yml --ref main -f x=1", "Unexpected inputs"),
        ({"pull-requests": "write"}, f"{API}/issues/9/comments -f body=x", "Not Found"),
        (READ, "gh issue create", "does not know"),
        (READ, f"{API}/hooks", "does not know"),
        (READ, "GH_TOKEN= gh auth setup-git", "set the GH_TOKEN"),
    ],
)
def test_gh_refuses(hub: GitHub, permissions: dict[str, str], call: str, said: str) -> None:
    with_jobs(hub, {"asks": job(call, permissions=permissions)})
    run = hub.push("toy.yml")
    assert run.results == {"asks": "failure"}
    assert said in run.log


def test_a_comment_has_at_most_65536_characters(hub: GitHub) -> None:
    post = f"{API}/issues/1/comments -F body=@body.txt"
    write = 'python3 -c \'print("x" * {}, end="")\' > body.txt'
    may = {"permissions": {"pull-requests": "write"}}
    with_jobs(hub, {"fits": job(write.format(65_536), post, **may), "long": job(write.format(65_537), post, **may)})
    with hub.working_on("better", "Better") as clone:
        (clone / "kept.txt").write_text("better", encoding="utf-8")
    run = hub.pull_request(hub.open_pull_request("better"), "toy.yml")
    assert run.results == {"fits": "success", "long": "failure"}
    assert "Body is too long" in run.log
    assert [len(comment) for comment in hub.comments(1)] == [65_536]


def test_a_called_workflow_may_not_ask_for_more_than_its_caller_has(hub: GitHub) -> None:
    with_jobs(hub, {"deep": job("true", permissions=WRITE)}, "callee.yml")
    with_jobs(hub, {"calls": {"uses": "./.github/workflows/callee.yml", "permissions": READ}})
    with pytest.raises(AssertionError, match="its caller has read"):
        hub.push("toy.yml")


def test_what_always_runs_does_so_when_a_called_workflow_fails(hub: GitHub) -> None:
    """act itself stops there."""
    say = {"run": 'echo "done=yes" >> "$GITHUB_OUTPUT"', "id": "say"}
    outputs = {"done": {"value": "${{ jobs.first.outputs.done }}"}}
    with_jobs(hub, {"first": job(say, outputs={"done": "${{ steps.say.outputs.done }}"})}, "first.yml", outputs)
    with_jobs(hub, {"second": job("false")}, "second.yml")
    check = (
        'test "${{ needs.one.result }} ${{ needs.one.outputs.done }} ${{ needs.two.result }}" = "success yes failure"'
    )
    jobs = {
        "one": {"uses": "./.github/workflows/first.yml"},
        "two": {"uses": "./.github/workflows/second.yml", "needs": "one"},
        "then": job("true", needs="two"),
        "last": job(check, needs=["one", "two", "then"], **{"if": "always()"}),
    }
    with_jobs(hub, jobs)
    run = hub.push("toy.yml")
    assert run.results == {"first": "success", "second": "failure", "then": "skipped", "last": "success"}, run.log
    assert run.conclusion == "failure"


def test_jobs_share_nothing_but_artifacts_caches_and_outputs(hub: GitHub) -> None:
    """Each starts in an empty workspace; hidden files travel only where that is asked for."""
    makes = job(
        uses(CHECKOUT),
        uses(CACHE, path=".big", key="v-${{ hashFiles('*.txt') }}") | {"id": "cache"},
        "mkdir -p out/deep .big && echo 1 > out/deep/a && echo 2 > out/.b && echo 3 > .big/c",
        {"run": 'echo "hit=${{ steps.cache.outputs.cache-hit }}" >> "$GITHUB_OUTPUT"', "id": "say"},
        'echo "**done**" >> "$GITHUB_STEP_SUMMARY"',
        uses(UPLOAD, name="plain", path="out"),
        uses(UPLOAD, name="all", path="out", include_hidden_files=True),
        outputs={"hit": "${{ steps.say.outputs.hit }}"},
    )
    takes = job(
        'test -z "$(ls -A)"',
        uses(DOWNLOAD, name="plain", path="got"),
        'test "$(cd got && find . -type f)" = ./deep/a',
        uses(DOWNLOAD, name="all"),
        "test -f .b && test -f deep/a",
        'echo "hit: ${{ needs.makes.outputs.hit }}."; touch left; false',
        needs="makes",
    )
    last = job("test ! -e left", 'test "${{ needs.takes.result }}" = failure', needs="takes", **{"if": "always()"})
    with_jobs(hub, {"makes": makes, "takes": takes, "last": last, "skipped": job("true", needs="takes")})
    for event, hit in ((hub.push, ""), (hub.dispatch, "true")):
        run = event("toy.yml")
        assert run.results == {"makes": "success", "takes": "failure", "last": "success", "skipped": "skipped"}, run.log
        assert f"hit: {hit}." in run.jobs["takes"].log
        assert run.conclusion == "failure"
        assert run.summary.strip() == "**done**"


def test_an_input_that_a_stand_in_does_not_know_is_an_error(hub: GitHub) -> None:
    with_jobs(hub, {"a": job(uses(CHECKOUT, submodules=True))})
    with pytest.raises(AssertionError, match="has no input"):
        hub.push("toy.yml")


def test_others_push_while_a_job_runs(hub: GitHub) -> None:
    def push() -> None:
        with hub.working_on("main", "Meanwhile") as clone:
            (clone / "kept.txt").write_text("other", encoding="utf-8")

    with_jobs(hub, {"may": job(ALONE, "gh auth setup-git", PUSH, permissions=WRITE)})
    hub.meanwhile["may"] = push
    run = hub.push("toy.yml")
    assert run.results == {"may": "failure"}
    assert "rejected" in run.log
    assert git(hub.origin, "log", "-1", "--format=%s", "main") == "Meanwhile"
