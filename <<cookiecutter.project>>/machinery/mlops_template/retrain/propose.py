"""What becomes of a retraining: a report, a pull request or a merge, by the level of automation; or an issue."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..champion.decision import Decision, decided
from ..errors import ProjectError
from ..integrations import actions, gh, git
from ..integrations.issues import close_alert, note, open_alert, pulls_forbidden
from ..render.markdown import words
from ..settings.params import Params
from .begin import BRANCH, remove
from .decide import inputs_digest, record_outcome
from .deliver import open_pulls, promoted, title

LABEL = "retrain"
VERDICTS = ("promote", "keep", "unchanged", "fail")
LONGEST = 60_000
"""Characters of the report. The text of a pull request holds 65,536."""

FAILED, FORBIDDEN = "retrain-failed", "retrain-pull-request"
"""The keys of the issues that may be opened."""


@dataclass(frozen=True)
class RetrainingResult:
    """What the jobs before have found: the verdict, empty where one of them failed, and where the result is."""

    verdict: str
    branch: str
    commit: str
    tests: str
    report: Path
    starts: str = ""
    """The workflow that a merge into main calls for but, made with this token, does not start."""


def propose(params: Params, result: RetrainingResult) -> str:
    """End a retraining. Returns a line that says how. Raises ProjectError where GitHub refuses."""
    decision = decided()
    if decision is None:
        raise ProjectError("no retraining is checked out: `ci retraining begin` starts one")
    with gh.required() as repository:
        if result.commit:
            set_statuses(repository, result)
        outcome, detail = end(repository, params, decision, result)
    if outcome != "died":
        record_outcome(outcome, detail)
    remove(BRANCH)
    return f"{outcome}: {detail}"


def end(repository: gh.Repository, params: Params, decision: Decision, result: RetrainingResult) -> tuple[str, str]:
    """Do what the verdict and the level ask for: the outcome in a word, and where it is to be seen."""
    manual = params.retrain.automation == "manual"
    if result.verdict not in VERDICTS or (result.verdict in ("promote", "keep") and not result.commit and not manual):
        alert = open_alert(FAILED, "The retraining broke down", [result.report])
        return "died", f"a job before this one failed; {alert}"
    if result.verdict == "fail":
        return "failed", open_alert(FAILED, "The retrained model must not go live", [result.report])
    close_alert(FAILED, f"The retraining came to an end, with the verdict {result.verdict}.")
    if manual:
        return "reported", "the level of automation is manual: nothing was proposed"
    if not result.commit:
        return "unchanged", "the model is that of main"
    if params.retrain.automation == "pull-request":
        return open_pull(repository, decision, result)
    left = obstacle(decision, result)
    if left:
        return open_pull(repository, decision, result, left)
    refused = merge(repository, decision, result)
    if not refused:
        remove(result.branch)
        return live(repository, result), "merged into main"
    outcome, address = open_pull(repository, decision, result, refused)
    if outcome == "proposed" and merge_pull(repository, address, result):
        return live(repository, result), f"merged {address}"
    return outcome, address


def live(repository: gh.Repository, result: RetrainingResult) -> str:
    """What a merge means; a new champion is deployed."""
    if not promoted():
        return "kept"
    if result.starts:
        repository.tell("POST", f"/actions/workflows/{result.starts}/dispatches", ref="main")
    return "promoted"


def set_statuses(repository: gh.Repository, result: RetrainingResult) -> None:
    """Say of the commit what this run found, under the names that the branch rule asks for."""
    for context, good, said in (
        ("model", result.verdict in VERDICTS[:3], result.verdict),
        ("tests", result.tests == "success", result.tests),
    ):
        repository.tell(
            "POST",
            f"/statuses/{result.commit}",
            state="success" if good else "failure",
            context=context,
            description=said,
            target_url=actions.run_address() or repository.address,
        )


def obstacle(decision: Decision, result: RetrainingResult) -> str:
    """Why it must not be merged without a person, empty where nothing is in the way."""
    if result.tests != "success":
        return "the tests failed"
    git.git("fetch", "--quiet", "--no-tags", "--depth=1", "origin", "refs/heads/main")
    if inputs_digest("FETCH_HEAD") != decision.inputs:
        return "main moved meanwhile, in what the training depends on: the next run retrains on top of it"
    return ""


def merge(repository: gh.Repository, decision: Decision, result: RetrainingResult) -> str:
    """Merge into main; why GitHub refused, empty where it did not."""
    message = f"Merge {result.branch}: {title(decision, promoted())}"
    try:
        repository.tell("POST", "/merges", base="main", head=result.commit, commit_message=message)
    except gh.GitHubError as refused:
        return str(refused)
    return ""


def merge_pull(repository: gh.Repository, address: str, result: RetrainingResult) -> bool:
    """Merge the pull request, where `main` takes nothing but those; whether GitHub did."""
    try:
        repository.tell("PUT", f"/pulls/{address.rpartition('/')[2]}/merge", merge_method="merge", sha=result.commit)
    except gh.GitHubError:
        return False
    remove(result.branch)
    return True


def open_pull(
    repository: gh.Repository, decision: Decision, result: RetrainingResult, left: str = ""
) -> tuple[str, str]:
    """Open the pull request, or bring the open one up to date: `proposed`, and its address.

    `left` is why it was not merged without a person. Where GitHub forbids to open one, an issue says what to set.
    """
    fields = {"title": title(decision, promoted()), "body": text(result, left)}
    existing = [pull for pull in open_pulls(repository) if pull["head"]["ref"] == result.branch]
    try:
        if existing:
            pull = repository.tell("PATCH", f"/pulls/{existing[0]['number']}", **fields)
        else:
            pull = repository.tell("POST", "/pulls", head=result.branch, base="main", **fields)
    except gh.GitHubError as refused:
        if refused.status != 403:
            raise
        return "not proposed", tell_how(repository, result)
    close_alert(FORBIDDEN, "A pull request could be opened.")
    set_labels(repository, pull, result.verdict)
    return "proposed", str(pull["html_url"])


def tell_how(repository: gh.Repository, result: RetrainingResult) -> str:
    """Open the issue that says which setting is missing, and where the pull request is opened by hand."""
    text = f"The retrained model is on the branch `{result.branch}`. {pulls_forbidden(repository, result.branch)}"
    return open_alert(
        FORBIDDEN, "A retrained model waits for its pull request", [note("forbidden", text), result.report]
    )


def set_labels(repository: gh.Repository, pull: dict[str, Any], verdict: str) -> None:
    """Label it with the verdict, and no longer with an earlier one."""
    number = pull["number"]
    for label in pull.get("labels", []):
        if label["name"] in VERDICTS and label["name"] != verdict:
            repository.tell("DELETE", f"/issues/{number}/labels/{label['name']}")
    repository.tell("POST", f"/issues/{number}/labels", labels=[LABEL, verdict])


def text(result: RetrainingResult, left: str) -> str:
    """The text of the pull request: the report, and above it why it is not merged yet, if it should be."""
    lines = [f"⚠️ **Not merged by itself:** {words(left, 400)}", ""] if left else []
    report = result.report.read_text(encoding="utf-8") if result.report.is_file() else ""
    return "\n".join([*lines, report[:LONGEST]])
