"""The GitHub of these tests refuses what the real one refuses, so that a workflow that passes here passes there."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from act.github import GitHub, github
from act.state import Refused
from support import commit, git

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
UPLOAD = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"
DOWNLOAD = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"
APP_TOKEN = "actions/create-github-app-token@1b10c78c7865c340bc4f6099eb2f838309f1e8c3"
APP = "the-app[bot]"
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


def with_jobs(
    hub: GitHub, jobs: dict[str, Definition], name: str = "toy.yml", outputs: object = None, **more: object
) -> None:
    """Push a workflow with these jobs, and outputs where it is called; `more` starts it."""
    triggers = {
        "push": None,
        "pull_request": None,
        "workflow_dispatch": None,
        "workflow_call": {"outputs": outputs or {}},
    } | more
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
    assert "without `workflows` permission" in run.log


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
        ({"pull-requests": "write"}, f"{API}/issues -f title=x", "needs issues: write"),
        (READ, f"{API}/issues", "needs issues: read"),
        (READ, f"{API}/pulls -f title=x -f head=idea -f base=main", "needs pull-requests: write"),
        (
            {"pull-requests": "write"},
            f"{API}/pulls -f title=x -f head=gone -f base=main",
            "Validation Failed (HTTP 422)",
        ),
        ({"pull-requests": "write"}, f"{API}/pulls/1/merge -X PUT", "needs contents: write"),
        (READ, f"{API}/actions/workflows/toy.yml/runs", "needs actions: read"),
        ({"issues": "read"}, f"{API}/issues?since=x", "does not know the parameters"),
        ({"issues": "write"}, f"{API}/issues -f title=", "title can't be blank"),
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
    """act itself stops there. A job that was skipped has no outputs."""
    say = {"run": 'echo "done=yes" >> "$GITHUB_OUTPUT"', "id": "say"}
    outputs = {"done": {"value": "${{ jobs.first.outputs.done }}"}}
    with_jobs(hub, {"first": job(say, outputs={"done": "${{ steps.say.outputs.done }}"})}, "first.yml", outputs)
    with_jobs(hub, {"second": job("false")}, "second.yml")
    check = (
        'test "${{ needs.one.result }} ${{ needs.one.outputs.done }} ${{ needs.two.result }}" = "success yes failure"'
        ' && test -z "${{ needs.then.outputs.done }}"'
    )
    jobs = {
        "one": {"uses": "./.github/workflows/first.yml"},
        "two": {"uses": "./.github/workflows/second.yml", "needs": "one"},
        "then": job("true", needs="two", outputs={"done": "${{ github.sha }}"}),
        "last": job(check, needs=["one", "two", "then"], **{"if": "always()"}),
    }
    with_jobs(hub, jobs)
    run = hub.push("toy.yml")
    assert run.results == {"first": "success", "second": "failure", "then": "skipped", "last": "success"}, run.log
    assert run.conclusion == "failure"


def test_jobs_share_nothing_but_artifacts_caches_and_outputs(hub: GitHub) -> None:
    """Each starts in an empty workspace; hidden files travel only where that is asked for.

    Of artifacts chosen by a pattern each gets a folder of its own, but not where there is only one.
    """
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
        uses(DOWNLOAD, pattern="pl*", path="each"),
        uses(DOWNLOAD, pattern="nothing*", path="none"),
        'test "$(find each none -type f)" = each/deep/a',
        uses(DOWNLOAD, pattern="[ap]l*", path="both"),
        "test -f both/plain/deep/a && test -f both/all/.b",
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


def test_an_output_that_contains_a_secret_is_an_error(hub: GitHub) -> None:
    """GitHub would drop it, and say so in a line that nobody reads."""
    says = {"run": 'echo "image=registry/ada/project" >> "$GITHUB_OUTPUT"', "id": "say"}
    with_jobs(hub, {"a": job(says, outputs={"image": "${{ steps.say.outputs.image }}"})})
    hub.secrets = {"PASSWORD": "sesame"}
    assert hub.push("toy.yml").conclusion == "success"
    hub.secrets |= {"USERNAME": "ada"}
    with pytest.raises(AssertionError, match="drop the output image of a: it contains the secret USERNAME"):
        hub.push("toy.yml")


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


SAY = "echo '{}' | gh api --hostname github.com --method {} repos/$GITHUB_REPOSITORY/{} --input -"
"""A call with a JSON as its body, as the project's own program makes it."""


def asks(method: str, path: str, **body: Any) -> str:
    """A command of a job that asks GitHub."""
    return SAY.format(json.dumps(body), method, path)


def refused(command: str, said: str) -> str:
    """A command of a job that GitHub refuses with these words."""
    return f"! {{ {command}; }} 2> said && cat said && grep -qF '{said}' said"


def idea(hub: GitHub, text: str = "better", branch: str = "idea") -> None:
    """Push a branch with a change."""
    with hub.working_on(branch, "An idea") as clone:
        (clone / "kept.txt").write_text(text, encoding="utf-8")


def test_issues_and_pull_requests_are_numbered_together(hub: GitHub) -> None:
    """A pull request is among the issues; closed, an issue is no longer among the open ones."""
    opens = asks("POST", "issues", title="The feed", body="is broken", labels=["feed"])
    pulls = asks("POST", "pulls", title="Better", body="", head="idea", base="main")
    shows = f"{API}/issues?labels=feed --jq '.[].number' | xargs > found && grep -qx '{{}}' found"
    steps = [
        opens,
        pulls,
        asks("POST", "issues", title="Another", labels=["other"]),
        asks("POST", "issues/2/labels", labels=["old", "retrain", "feed"]),
        asks("DELETE", "issues/2/labels/old"),
        shows.format("2 1"),
        asks("PATCH", "issues/1", body="was broken"),
        asks("POST", "issues/1/comments", body="fixed"),
        asks("PATCH", "issues/1", state="closed", state_reason="completed"),
        shows.format("2"),
        asks("PATCH", "pulls/2", title="Much better", state="closed"),
    ]
    may = {"issues": "write", "pull-requests": "write"}
    with_jobs(hub, {"asks": job(*steps, permissions=may)})
    idea(hub)
    run = hub.push("toy.yml")
    assert run.conclusion == "success", run.log
    issue, _ = hub.issues("all")
    assert (issue["number"], issue["state"], issue["state_reason"], issue["body"]) == (
        1,
        "closed",
        "completed",
        "was broken",
    )
    assert issue["user"]["login"] == "github-actions[bot]"
    assert hub.comments(1) == ["fixed"]
    [pull] = hub.pulls("all")
    assert (pull["number"], pull["state"], pull["title"]) == (2, "closed", "Much better")
    assert [label["name"] for label in pull["labels"]] == ["retrain", "feed"]


def test_a_job_opens_one_pull_request_for_a_branch(hub: GitHub) -> None:
    """If the repository lets it, and there is something to merge. Without its branch it is closed."""
    opens = asks("POST", "pulls", title="Better", head="idea", base="main")
    steps = [
        opens,
        refused(opens, "Validation Failed (HTTP 422)"),
        f"{opens} | grep -q 'A pull request already exists for my-org:idea.'",
        f"{opens.replace('idea', 'same')} | grep -q 'No commits between main and same'",
    ]
    with_jobs(hub, {"asks": job(*steps, permissions={"pull-requests": "write"})})
    with_jobs(hub, {"asks": job(opens, permissions={"pull-requests": "write"})}, "again.yml")
    idea(hub)
    git(hub.origin, "branch", "same", "main")
    run = hub.push("toy.yml")
    assert run.conclusion == "success", run.log
    [pull] = hub.pulls()
    assert pull["head"]["sha"] == hub.head("idea")
    assert hub.state["would_start"] == []
    git(hub.origin, "branch", "--quiet", "-D", "idea")
    assert hub.pulls() == []

    idea(hub)
    hub.set(actions_open_pull_requests=False)
    run = hub.push("again.yml")
    assert run.conclusion == "failure"
    assert "GitHub Actions is not permitted to create or approve pull requests. (HTTP 403)" in run.log
    assert hub.pulls() == []


def test_a_merge_needs_the_head_that_was_meant_no_conflict_and_the_rules_kept(hub: GitHub) -> None:
    merges = f"{API}/pulls/1/merge -X PUT -f merge_method=merge -f sha=$SHA"
    steps = [
        "echo SHA=$(git rev-parse origin/idea) >> $GITHUB_ENV",
        refused(f"SHA={'0' * 40}; {merges}", "Head branch was modified. Review and try the merge again. (HTTP 409)"),
        refused(merges, 'Required status check "tests" is expected. (HTTP 405)'),
        f"{API}/statuses/$SHA -f context=tests -f state=success",
        merges,
        refused(f"{API}/pulls/2/merge -X PUT", "Pull Request is not mergeable (HTTP 405)"),
        refused(merges, "Pull Request is not mergeable (HTTP 405)"),
    ]
    may = {"contents": "write", "statuses": "write"}
    with_jobs(hub, {"asks": job(uses(CHECKOUT, fetch_depth=0), *steps, permissions=may)})
    idea(hub)
    idea(hub, "other", "conflict")
    for branch in ("idea", "conflict"):
        hub.open_pull_request(branch)
    before = hub.head()
    hub.set(required_contexts=["tests"])
    run = hub.dispatch("toy.yml")
    assert run.conclusion == "success", run.log
    assert git(hub.origin, "rev-list", "--parents", "-1", "main").split()[1:] == [before, hub.head("idea")]
    assert hub.show("main", "kept.txt") == "better"
    assert [pull["merged"] for pull in hub.pulls("all")] == [True, False]
    assert hub.state["would_start"] == []


def test_a_merge_without_a_pull_request_keeps_the_rules(hub: GitHub) -> None:
    """What it brings is merged as well, if a pull request asked for it."""
    merges = asks("POST", "merges", base="main", head="idea", commit_message="Merge it")
    conflicts = asks("POST", "merges", base="main", head="conflict")
    may = {"permissions": WRITE}
    with_jobs(hub, {"asks": job(refused(merges, "status checks are expected. (HTTP 409)"), **may)}, "ruled.yml")
    with_jobs(hub, {"asks": job(merges, refused(conflicts, "Merge conflict (HTTP 409)"), **may)})
    idea(hub)
    idea(hub, "other", "conflict")
    number = hub.open_pull_request("idea")
    hub.set(required_contexts=["tests", "model"])
    run = hub.push("ruled.yml")
    assert run.conclusion == "success", run.log
    hub.set(required_contexts=[])
    run = hub.push("toy.yml")
    assert run.conclusion == "success", run.log
    assert git(hub.origin, "log", "-1", "--format=%s", "main") == "Merge it"
    assert hub.pull(number)["merged"]
    assert hub.pulls() == []


def test_a_person_merges_and_that_starts_workflows(hub: GitHub) -> None:
    """Those whose filters let it through, and not before the review that a rule asks for."""
    with_jobs(hub, {"a": job("true")}, push={"branches": ["main"]})
    with_jobs(hub, {"a": job("true")}, "other.yml", push={"branches": ["main"], "paths": ["docs/*"]})
    idea(hub)
    number = hub.open_pull_request("idea")
    hub.set(required_reviews=1)
    with pytest.raises(Refused, match="At least 1 approving review"):
        hub.merge_pull_request(number)
    hub.set(required_reviews=0)
    commit = hub.merge_pull_request(number)
    assert hub.head() == commit
    [started] = hub.state["would_start"]
    assert (started["workflow"], started["event"], started["actor"]) == ("toy.yml", "push", "ada")


def test_what_the_app_pushes_starts_workflows(hub: GitHub) -> None:
    """What a job pushes with its own token does not. Neither token nor key comes to the log."""
    token = uses(APP_TOKEN, client_id="${{ vars.APP }}", private_key="${{ secrets.KEY }}") | {"id": "app"}
    as_app = {"env": {"GH_TOKEN": "${{ steps.app.outputs.token }}"}}
    send = f"{WHO} && git commit --quiet --allow-empty -m more && git push --quiet origin HEAD:refs/heads/"
    opens = asks("POST", "pulls", title="Better", head="theirs", base="main")
    steps = [
        ALONE,
        token,
        "gh auth setup-git",
        send + "mine",
        {"name": "As the App", "run": f"{send}theirs && {opens} && echo ${{{{ steps.app.outputs.token }}}}"} | as_app,
    ]
    with_jobs(hub, {"asks": job(*steps, permissions=WRITE)})
    wrong = token | {"with": {"client-id": "Iv1", "private-key": "another"}}
    with_jobs(hub, {"asks": job(wrong)}, "wrong.yml")
    hub.variables, hub.secrets = {"APP": "Iv1"}, {"KEY": "a\nkey"}
    hub.install_app("Iv1", "a\nkey", contents="write", pull_requests="write")
    hub.set(actions_open_pull_requests=False)
    run = hub.push("toy.yml")
    assert run.conclusion == "success", run.log
    assert "by-the-app" not in run.log
    assert [(push["ref"], push["actor"]) for push in hub.state["pushes"]] == [
        ("refs/heads/mine", "github-actions[bot]"),
        ("refs/heads/theirs", "the-app[bot]"),
    ]
    started = [(entry["workflow"], entry["event"], entry["actor"]) for entry in hub.state["would_start"]]
    both = ("toy.yml", "wrong.yml")
    assert sorted(started) == sorted((name, event, APP) for name in both for event in ("push", "pull_request"))
    assert [pull["user"]["login"] for pull in hub.pulls()] == [APP]
    assert "could not be decoded" in hub.push("wrong.yml").log


def test_events_bring_what_github_sends_with_them(hub: GitHub) -> None:
    """And what the repository has set; a stranger's pull request gets no secret."""
    inputs = {"force": {"type": "boolean", "default": False}, "reason": {"type": "string", "default": "none"}}
    given = {
        "EVENT": "${{ github.event_name }} ${{ github.ref }}",
        "SCHEDULE": "${{ github.event.schedule }}",
        "INPUTS": "${{ inputs.force }} ${{ inputs.reason }}",
        "PAYLOAD": "${{ github.event.action }} ${{ github.event.client_payload.day }}",
        "SECRET": "${{ secrets.KEY && 'has it' || 'has none' }} ${{ vars.PLACE }}",
    }
    lines = [f'echo "{name}: ${name}."' for name in given] + ["echo ${{ secrets.KEY }}"]
    shown = {"name": "Show", "run": "\n".join(lines), "env": given}
    events = {
        "schedule": [{"cron": "7 3 * * *"}],
        "repository_dispatch": {"types": ["data"]},
        "workflow_dispatch": {"inputs": inputs},
    }
    with_jobs(hub, {"shows": job(shown)}, **events)
    hub.variables, hub.secrets = {"PLACE": "here"}, {"KEY": "sesame"}
    idea(hub)
    scheduled = hub.schedule("toy.yml")
    assert "EVENT: schedule refs/heads/main." in scheduled.log
    assert "SCHEDULE: 7 3 * * *." in scheduled.log
    assert "SECRET: has it here." in scheduled.log
    assert "sesame" not in scheduled.log
    assert "PAYLOAD: data 2013-05-01." in hub.repository_dispatch("toy.yml", "data", day="2013-05-01").log
    with pytest.raises(Refused, match="does not listen to other"):
        hub.repository_dispatch("toy.yml", "other")
    assert "INPUTS: false none." in hub.dispatch("toy.yml").log
    assert "INPUTS: true because." in hub.dispatch("toy.yml", force="true", reason="because").log
    with pytest.raises(Refused, match="Unexpected inputs"):
        hub.dispatch("toy.yml", colour="red")
    with hub.working_on("theirs", "Better", fork=True) as clone:
        (clone / "kept.txt").write_text("better", encoding="utf-8")
    assert "SECRET: has none here." in hub.pull_request(hub.open_pull_request("theirs", fork=True), "toy.yml").log
    assert [(run["event"], run["conclusion"]) for run in hub.state["runs"]] == [
        *(
            (event, "success")
            for event in ("schedule", "repository_dispatch", "workflow_dispatch", "workflow_dispatch")
        ),
        ("pull_request", "success"),
    ]


def test_a_job_that_dies_does_nothing_more(hub: GitHub) -> None:
    """Not even what always runs; other jobs go on, and the next run is a run like any other."""
    always = {"run": "git push --quiet origin HEAD:refs/heads/late", "if": "always()"}
    dies = job(uses(CHECKOUT), "git push --quiet origin HEAD:refs/heads/early", always, permissions=WRITE)
    last = job("git --version", needs="dies", **{"if": "always()"})
    with_jobs(hub, {"dies": dies, "last": last})
    hub.dies_before("git push")
    assert hub.push("toy.yml").results == {"dies": "failure", "last": "success"}
    assert hub.references().keys() == {"main"}
    hub.dies_after("git push", job="dies")
    assert hub.push("toy.yml").results == {"dies": "failure", "last": "success"}
    assert hub.references().keys() == {"main", "early"}
    hub.dies_before("git", job="another")
    assert hub.push("toy.yml").results == {"dies": "success", "last": "success"}
    assert hub.references().keys() == {"main", "early", "late"}


def test_past_runs_are_listed_the_newest_first(hub: GitHub) -> None:
    """Also those that are planted; the one that asks is among them, and has no conclusion."""
    path = "'repos/'$GITHUB_REPOSITORY'/actions/workflows/toy.yml/runs?branch=main{}'"
    shown = "--jq '.workflow_runs[] | [.event, .conclusion, .status] | join(\" \")'"
    steps = [f"gh api {path.format(more)} {shown}" for more in ("", "&status=success&per_page=1")]
    with_jobs(hub, {"asks": job(*steps, permissions={"actions": "read"})})
    git(hub.origin, "branch", "idea", "main")
    hub.ran("toy.yml", 40, "schedule")
    hub.ran("toy.yml", 2, "schedule", "failure")
    hub.ran("toy.yml", 30, "workflow_dispatch")
    hub.ran("toy.yml", 1, "workflow_dispatch", branch="idea")
    run = hub.push("toy.yml")
    said = [line for line in run.log.splitlines() if " completed" in line or "in_progress" in line]
    success = "workflow_dispatch success completed"
    assert said == ["push  in_progress", "schedule failure completed", success, "schedule success completed", success]


def test_a_called_workflow_checks_out_the_commit_that_it_is_told(hub: GitHub) -> None:
    """One that is on a branch only; and nothing else is in the workspace."""
    checks = job(uses(CHECKOUT, ref="${{ inputs.ref }}", persist_credentials=False), "grep better kept.txt")
    callee = {"workflow_call": {"inputs": {"ref": {"type": "string"}}}}
    with_jobs(hub, {"checks": checks}, "callee.yml", **callee)
    finds = job(
        uses(CHECKOUT, fetch_depth=0, persist_credentials=False),
        {"run": "echo commit=$(git rev-parse origin/idea) >> $GITHUB_OUTPUT", "id": "finds"},
        outputs={"commit": "${{ steps.finds.outputs.commit }}"},
    )
    called = {
        "uses": "./.github/workflows/callee.yml",
        "needs": "finds",
        "with": {"ref": "${{ needs.finds.outputs.commit }}"},
    }
    with_jobs(hub, {"finds": finds, "calls": called})
    idea(hub)
    run = hub.push("toy.yml")
    assert run.results == {"finds": "success", "checks": "success"}, run.log


def test_a_release_makes_its_tag_once_and_a_workflow_is_started_only_if_it_can_be(hub: GitHub) -> None:
    release = (
        "gh api repos/{owner}/{repo}/releases -f tag_name=champion-1 -f name=One -f body=card"
        ' -f target_commitish="$(git rev-parse HEAD)"'
    )
    again = f"! {release}"
    older = f"! {release.replace('HEAD', 'HEAD~1').replace('champion-1', 'champion-0')}"
    edit = "gh api --method PATCH repos/{owner}/{repo}/releases/1 -f body=more"
    start = "gh api repos/{owner}/{repo}/actions/workflows/%s/dispatches -f ref=main"
    checkout = uses(CHECKOUT, persist_credentials=False)
    whole = uses(CHECKOUT, persist_credentials=False, fetch_depth=0)
    with_jobs(hub, {})
    with_jobs(
        hub,
        {
            "release": job(whole, release, again, older, edit, permissions=WRITE),
            "reader": job(checkout, f"! {edit}", f"! {start % 'toy.yml'}", permissions=READ),
            "starter": job(start % "toy.yml", f"! {start % 'none.yml'}", permissions={"actions": "write"}),
        },
    )
    done = hub.push("toy.yml")
    assert set(done.results.values()) == {"success"}, done.log
    [made] = hub.state["releases"]
    assert (made["tag_name"], made["body"]) == ("champion-1", "more")
    assert git(hub.origin, "rev-parse", "refs/tags/champion-1") == hub.head()
    [started] = hub.state["dispatches"]
    assert (started["workflow"], started["sha"]) == ("toy.yml", hub.head())
