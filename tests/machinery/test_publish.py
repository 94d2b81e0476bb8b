"""Results get to the branch with the data that they name, or nothing does, and nothing is ever overwritten."""

from pathlib import Path

import pytest
from mlops_template.champion.publish import publish
from mlops_template.errors import ProjectError
from mlops_template.integrations import dvc
from mlops_template.integrations.git import git
from mlops_template.storage import storage

from .conftest import Clone

ADA = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")


@pytest.fixture
def branch(first: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As in a workflow: the current directory is a shallow clone of the branch `work`, with results of its own."""
    git("switch", "--quiet", "--create", "work")
    commit_file("README.md", "work")
    git("push", "--quiet", "--no-verify", "origin", "work")
    directory = clone("job", "--depth=1", "--branch=work")
    monkeypatch.chdir(directory)
    storage.check()
    make_results()
    return directory


def commit_file(name: str, text: str) -> None:
    """A change of one file, committed."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)
    git("add", "--", name)
    git(*ADA, "commit", "--quiet", "--message", f"{name}: {text}")


def make_results() -> None:
    """A champion with its reports, not committed; also files that are no results."""
    for folder in ("models/champion", "reports/plots"):
        Path(folder).mkdir(parents=True)
    Path("models/champion/model").write_text("a model\n")
    dvc.add(Path("models/champion"))
    Path("reports/.gitignore").write_text("/plots\n")
    for name in ("README.md", "reports/metrics.json", "reports/of the week.md", "reports/plots/roc.csv"):
        Path(name).write_text("made by the pipeline\n")


def files_of(revision: str) -> list[str]:
    """The files that a commit changed."""
    return git("show", "--name-only", "--format=", revision).splitlines()


RESULTS = ["models/champion.dvc", "reports/metrics.json", "reports/of the week.md"]


def test_only_results_are_committed_and_the_data_come_along(
    branch: Path, origin: Path, clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "robot")
    before = git("rev-parse", "HEAD")
    published = publish("work", "Train")
    assert (tmp_path / "output").read_text() == f"commit={published.commit}\n"
    assert git("rev-parse", "work", "work^", cwd=origin).split() == [published.commit, before]
    assert git("log", "-1", "--format=%an %s", "work", cwd=origin) == "robot Train"
    assert files_of("HEAD") == RESULTS
    assert git("diff", "--name-only", "HEAD").splitlines() == ["README.md"]
    monkeypatch.chdir(clone("second", "--branch=work"))
    storage.pull()
    assert Path("models/champion/model").read_text() == "a model\n"


def test_nothing_to_commit_is_no_error(branch: Path, origin: Path) -> None:
    publish("work")
    before = git("for-each-ref", cwd=origin)
    assert str(publish("work")).startswith("nothing to publish")
    assert git("for-each-ref", cwd=origin) == before


def test_a_result_that_is_gone_is_gone_from_the_branch(branch: Path, origin: Path) -> None:
    publish("work")
    Path("reports/metrics.json").unlink()
    publish("work")
    assert "metrics.json" not in git("ls-tree", "-r", "--name-only", "work", cwd=origin)


def test_a_branch_that_moved_is_left_alone_and_nothing_is_sent(
    branch: Path, first: Path, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says whose commit is there."""
    monkeypatch.chdir(first)
    commit_file("README.md", "faster")
    git("push", "--quiet", "--no-verify", "origin", "work")
    before = git("for-each-ref", cwd=origin)
    monkeypatch.chdir(branch)
    here = git("rev-parse", "HEAD")
    with pytest.raises(ProjectError, match=r"work moved meanwhile: .* by Ada \(README.md: faster\), .*[Nn]othing"):
        publish("work")
    assert git("for-each-ref", cwd=origin) == before
    assert git("rev-parse", "HEAD") == here


@pytest.mark.parametrize("how", ["on", "back", "away"])
def test_a_branch_that_moves_in_the_last_moment_is_left_alone(
    branch: Path, origin: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """When data and models are sent already. Also one that is set back to an earlier commit, or deleted."""
    git("fetch", "--quiet", "--unshallow")  # or origin refuses for another reason
    faster = git(*ADA, "commit-tree", "work^{tree}", "-p", "work", "-m", "faster", cwd=origin)
    where = {"on": faster, "back": git("rev-parse", "main", cwd=origin), "away": ""}[how]
    push = storage.push

    def then_move() -> str:
        line = push()
        git("update-ref", *(["refs/heads/work", where] if where else ["-d", "refs/heads/work"]), cwd=origin)
        return line

    monkeypatch.setattr(storage, "push", then_move)
    with pytest.raises(ProjectError, match="work moved meanwhile"):
        publish("work")
    assert git("for-each-ref", "--format=%(objectname)", "refs/heads/work", cwd=origin) == where


def test_another_refusal_is_told_as_what_it_is_and_the_command_can_be_repeated(branch: Path, origin: Path) -> None:
    hook = origin / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ntest "$1" != refs/heads/work\n')
    hook.chmod(0o755)
    with pytest.raises(ProjectError, match=r"work was not pushed: .*hook declined.* ci publish --branch work"):
        publish("work")
    hook.unlink()
    assert publish("work").commit == git("rev-parse", "work", cwd=origin)


def test_dependabot_may_rebase_over_our_commit(branch: Path, origin: Path) -> None:
    """Its branch stays its own where the commit says so; no other commit does."""
    git("push", "--quiet", "--no-verify", "origin", "HEAD:refs/heads/dependabot/uv/libraries")
    commit = publish("dependabot/uv/libraries").commit
    assert git("log", "-1", "--format=%B", str(commit)).endswith("\n\n[dependabot skip]")
    git("reset", "--quiet", "--soft", "HEAD^")
    assert "dependabot" not in git("log", "-1", "--format=%B", str(publish("work").commit))


def test_a_job_that_runs_again_finds_its_commit(branch: Path) -> None:
    start = git("rev-parse", "HEAD")
    commit = publish("work").commit
    git("reset", "--quiet", "--soft", start)
    git("reset", "--quiet")
    assert publish("work").commit == commit


@pytest.mark.parametrize(("changed", "parents"), [("src/train.py", 2), (".github/workflows/test.yml", 1), (None, 1)])
def test_a_pull_request_gets_its_results_on_its_own_branch(
    first: Path, origin: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch, changed: str | None, parents: int
) -> None:
    """Checked out is the merge with `main`. If that went on, it is merged, for the results are those of both."""
    git("switch", "--quiet", "--create", "work")
    commit_file("README.md", "work")
    work = git("rev-parse", "HEAD")
    git("switch", "--quiet", "main")
    if changed:
        commit_file(changed, "news")
    git("push", "--quiet", "--no-verify", "origin", "main", "work")
    git(*ADA, "merge", "--quiet", "--no-ff", "--message", "Merge work into main", "work")
    git("push", "--quiet", "--no-verify", "origin", "HEAD:refs/pull/1/merge")
    monkeypatch.chdir(clone("job", "--depth=1"))
    git("fetch", "--quiet", "--depth=2", "origin", "refs/pull/1/merge")
    git("checkout", "--quiet", "FETCH_HEAD")
    storage.check()
    make_results()
    publish("work")
    assert git("rev-parse", "work^1", cwd=origin) == work
    assert len(git("rev-list", "--parents", "--max-count=1", "work", cwd=origin).split()) == 1 + parents
    assert (changed in git("ls-tree", "-r", "--name-only", "work", cwd=origin).splitlines()) == (parents == 2)
    assert git("show", "work:reports/metrics.json", cwd=origin) == "made by the pipeline"
    assert not git("diff", "--name-only", "main", "work", "--", "src", cwd=origin)


def test_what_a_job_may_not_push_is_said_before_anything_is_sent(
    first: Path, origin: Path, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base branch went on, with other workflows too: GitHub takes those from people only."""
    git("switch", "--quiet", "--create", "work")
    commit_file("README.md", "work")
    git("switch", "--quiet", "main")
    commit_file("src/train.py", "news")
    commit_file(".github/workflows/test.yml", "news")
    git(*ADA, "merge", "--quiet", "--no-ff", "--message", "Merge work into main", "work")
    git("push", "--quiet", "--no-verify", "origin", "main~1:main", "work", "HEAD:refs/pull/1/merge")
    before = git("for-each-ref", cwd=origin)
    monkeypatch.chdir(clone("job", "--depth=1"))
    git("fetch", "--quiet", "--depth=2", "origin", "refs/pull/1/merge")
    git("checkout", "--quiet", "FETCH_HEAD")
    storage.check()
    make_results()
    with pytest.raises(ProjectError, match="brought other workflows"):
        publish("work")
    assert git("for-each-ref", cwd=origin) == before
