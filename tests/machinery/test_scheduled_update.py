"""A newer version of the template becomes one pull request, or one issue that says what keeps it from being one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from mlops_template.integrations import gh
from mlops_template.integrations.git import GitError, git, git_or_none
from mlops_template.settings.operation import Update
from mlops_template.settings.params import Params
from mlops_template.settings.record import FILE
from mlops_template.update import scheduled
from mlops_template.update.update import Updated

from .test_propose import ADA, GitHub, github

__all__ = ["github"]

NEWER = "update-0.2.0"


@pytest.fixture
def project(first: Path, origin: Path) -> Path:
    """The current directory: a project that knows the address of its template."""
    record = {"template": "https://github.com/org/mlops-template", "version": "0.1.0", "commit": None, "answers": {}}
    Path(FILE).write_text(json.dumps(record), encoding="utf-8")
    git("add", "--force", FILE.as_posix())
    git(*ADA, "commit", "--quiet", "--message", "Know the template")
    return first


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`newer(conflicts)` lets a version be out; merging it leaves the branch as `update` does."""

    def out(conflicts: list[str] | None = None, branch: str | None = NEWER) -> None:
        def update(*_: object) -> Updated:
            if branch:
                git("switch", "--quiet", "--create", branch)
                Path("NEWS.md").write_text("new\n", encoding="utf-8")
                git("add", "NEWS.md")
                if not conflicts:
                    git(*ADA, "commit", "--quiet", "--message", "Update")
            return Updated("0.2.0", branch, "machinery: replaced whole", conflicts or [])

        monkeypatch.setattr(scheduled, "update", update)

    return out


def propose(automation: Literal["manual", "pull-request"] = "pull-request") -> str:
    """What `ci update` says."""
    params = Params.model_construct(update=Update(automation=automation))
    return scheduled.propose_update(params, lambda line: None)


def test_a_newer_version_is_one_pull_request(project: Path, github: GitHub, newer: Callable[..., None]) -> None:
    """With the summary as its text, from a branch at origin; here all is as it was."""
    newer()
    before = git("rev-parse", "HEAD"), git("status", "--porcelain")
    assert propose() == "proposed version 0.2.0: https://github.com/my-org/flights/pull/7"
    (sent,) = github.calls("POST", "/pulls")
    assert (sent["head"], sent["base"]) == (NEWER, "main")
    assert "machinery: replaced whole" in sent["body"]
    assert git("ls-remote", "--heads", "origin", f"refs/heads/{NEWER}")
    assert (git("rev-parse", "HEAD"), git("status", "--porcelain")) == before
    assert git("branch", "--show-current") == "main"
    assert git_or_none("rev-parse", "--verify", "--quiet", f"refs/heads/{NEWER}") is None


def test_what_was_proposed_is_not_proposed_again(project: Path, github: GitHub, newer: Callable[..., None]) -> None:
    """Nor after somebody closed it, or deleted its branch."""
    newer()
    github.pulls = [{"html_url": "https://github.com/my-org/flights/pull/5", "state": "closed"}]
    assert "proposed already" in propose()
    assert github.told == []
    assert not git("ls-remote", "--heads", "origin", f"refs/heads/{NEWER}")


def test_conflicts_are_an_issue_and_nothing_of_them_stays(
    project: Path, github: GitHub, newer: Callable[..., None]
) -> None:
    """It names the files and the command."""
    newer(conflicts=["README.md"])
    propose()
    (sent,) = github.calls("POST", "/issues")
    assert "`README.md`" in sent["body"] and " update`" in sent["body"]
    assert git("status", "--porcelain") == "" and git("branch", "--show-current") == "main"


def test_workflow_files_that_a_token_may_not_push_are_an_issue(
    project: Path, github: GitHub, newer: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the words of GitHub's refusal: https://github.com/orgs/community/discussions/35410."""
    newer()

    def refusing(*arguments: str, **options: str) -> str:
        if arguments[0] == "push":
            raise GitError(
                "refusing to allow a GitHub App to create or update workflow `.github/workflows/test.yml` "
                "without `workflows` permission"
            )
        return git(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(scheduled, "git", refusing)
    assert propose().startswith("opened issue")
    assert "GitHub App" in github.calls("POST", "/issues")[0]["body"]


def test_where_actions_may_open_none_an_issue_has_the_link(
    project: Path, github: GitHub, newer: Callable[..., None]
) -> None:
    """The branch waits at origin; once it is allowed, the next run opens it, and the issue is closed."""
    newer()
    github.refuses = {"POST /pulls": 403}
    propose()
    assert f"main...{NEWER}" in github.calls("POST", "/issues")[0]["body"]
    github.refuses = {}
    assert propose().startswith("proposed version")
    assert github.calls("PATCH", "/issues/7")[-1]["state"] == "closed"


def test_nothing_is_looked_for_where_it_is_switched_off_or_there_is_no_address(
    project: Path, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are said, and end well."""
    assert "manual" in propose("manual")
    record = json.loads(Path(FILE).read_text(encoding="utf-8")) | {"template": None}
    Path(FILE).write_text(json.dumps(record), encoding="utf-8")
    git(*ADA, "commit", "--quiet", "--all", "--message", "From a directory")
    assert "made from a directory" in propose()
    assert github.told == []


def test_a_project_that_is_up_to_date_says_so(project: Path, github: GitHub, newer: Callable[..., None]) -> None:
    """And proposes nothing."""
    newer(branch=None)
    assert propose() == "machinery: replaced whole"
    assert github.calls("POST", "/pulls") == []
