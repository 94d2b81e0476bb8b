"""Issues at GitHub that tell of a state: opened once, kept up to date while it lasts, closed when it is over."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from ..render.markdown import fenced
from ..settings.paths import STAGES
from . import actions, gh

LABEL, SILENCED = "alert", "silenced"
MARK = re.compile(r"<!-- notice: (?P<key>.*?) -->")
GONE = 410
"""GitHub's answer to all about issues where they are disabled."""
LONGEST = 60_000
"""Characters of a file. The text of an issue holds 65,536."""


def open_alert(key: str, title: str, files: list[Path]) -> str:
    """Open the issue of that key, or bring it up to date: Markdown as it is, the end of any other file to the letter.

    Files that are not there are left out. Returns a line that says what was done.
    """
    with gh.required() as repository, enabled():
        return str(raise_alert(repository, key, title, files))


@dataclass(frozen=True)
class Alert:
    """An issue that tells of a state."""

    number: int
    url: str
    new: bool
    silenced: bool = False

    def __str__(self) -> str:
        if self.silenced:
            return f"issue {self.number} is silenced by its label: {self.url}"
        return (
            f"opened issue {self.number}: {self.url}" if self.new else f"issue {self.number} is up to date: {self.url}"
        )


def raise_alert(
    repository: gh.Repository, key: str, title: str, files: list[Path], labels: Sequence[str] = ()
) -> Alert:
    """Open the issue of that key, with more labels, or bring it up to date; one labelled `silenced` is left alone."""
    text = "\n".join([mark(key), "", *body(files), "", *of_this_run()]) + "\n"
    issue = find(repository, key)
    if issue is None:
        made = repository.tell("POST", "/issues", title=title, body=text, labels=[LABEL, *labels])
        return Alert(made["number"], made["html_url"], new=True)
    silenced = SILENCED in {label["name"] for label in issue["labels"]}
    if not silenced:
        repository.tell("PATCH", f"/issues/{issue['number']}", title=title, body=text)
    return Alert(issue["number"], issue["html_url"], new=False, silenced=silenced)


def close_alert(key: str, why: str) -> str:
    """Close the issue of that key with a word on why, if there is one. Returns a line that says what was done."""
    with gh.required() as repository:
        try:
            issue = find(repository, key)
        except gh.GitHubError as error:
            if error.status != GONE:
                raise
            return "issues are disabled in this repository: there is none to close"
        if issue is None:
            return f"no issue is open about {key}"
        return close(repository, issue, why)


def close(repository: gh.Repository, issue: dict[str, Any], why: str) -> str:
    """Close an issue with a word on why."""
    comment = "\n".join([why, "", *of_this_run()])
    repository.tell("POST", f"/issues/{issue['number']}/comments", body=comment)
    repository.tell("PATCH", f"/issues/{issue['number']}", state="closed", state_reason="completed")
    return f"closed issue {issue['number']}: {why}"


@contextmanager
def enabled() -> Iterator[None]:
    """Say how to enable issues where the repository has none."""
    try:
        yield
    except gh.GitHubError as error:
        if error.status != GONE:
            raise
        raise ProjectError("issues are disabled in this repository: `gh repo edit --enable-issues`") from None


def note(name: str, text: str) -> Path:
    """A file with Markdown for an alert, beside what the stages left; one of the same name is replaced."""
    file = STAGES.with_name(f"{name}.md")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n", encoding="utf-8", newline="\n")
    return file


def pulls_forbidden(repository: gh.Repository, branch: str) -> str:
    """What to do where Actions may open no pull request: the link for this one, the setting for the next."""
    return (
        "This repository does not let Actions open pull requests.\n\n"
        f"- [Open it by hand]({repository.address}/compare/main...{branch}?expand=1).\n"
        "- For the next time: Settings → Actions → General → Allow GitHub Actions to create and approve pull requests, "
        f"or `gh api --method PUT repos/{repository.name}/actions/permissions/workflow "
        "-F can_approve_pull_request_reviews=true`."
    )


def find(repository: gh.Repository, key: str) -> dict[str, Any] | None:
    """The open issue of that key."""
    return alerts(repository, key, "open").get(key)


def alerts(repository: gh.Repository, prefix: str, state: str) -> dict[str, dict[str, Any]]:
    """The issues in a state whose keys begin so, by key, of several the newest; of the last hundred alerts."""
    return {key: issue for key, issue in told(repository, state) if key.startswith(prefix)}


def told(repository: gh.Repository, state: str) -> list[tuple[str, dict[str, Any]]]:
    """The last hundred alerts in a state, `open`, `closed` or `all`, with their keys, the oldest first."""
    issues = repository.get(f"/issues?state={state}&labels={LABEL}&per_page=100")
    marked = [(MARK.match(issue.get("body") or ""), issue) for issue in reversed(issues)]
    return [(found["key"], issue) for found, issue in marked if found]


def mark(key: str) -> str:
    """What the text of the issue begins with; nobody sees it."""
    return f"<!-- notice: {key} -->"


def body(files: list[Path]) -> list[str]:
    """The files, one below the other."""
    lines: list[str] = []
    for file in files:
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        if file.suffix == ".md":
            lines += ["", text[:LONGEST]]
        else:
            lines += ["", *fenced(text[-LONGEST:].splitlines()[-40:], "text")]
    return lines


def of_this_run() -> list[str]:
    """Where it was seen last, in a job."""
    address = actions.run_address()
    return [f"As of [this run]({address})."] if address else []
