"""Questions to git, with real repositories."""

from pathlib import Path

import pytest
from mlops_template.errors import ProjectError
from mlops_template.integrations.git import git, known, require_commit


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository of two commits on `main` and a third on `other`."""
    origin = tmp_path / "origin"
    git("init", "--quiet", "--initial-branch=main", str(origin))
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    for branch, message in (("main", "one"), ("main", "two"), ("other", "three")):
        git("checkout", "--quiet", "-B", branch, cwd=origin)
        git(*author, "commit", "--quiet", "--allow-empty", "--message", message, cwd=origin)
    git("checkout", "--quiet", "main", cwd=origin)
    return origin


def test_a_shallow_clone_learns_of_a_revision_from_origin_and_stays_shallow(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a workflow, where only the checked-out commit is there."""
    clone = tmp_path / "clone"
    git("clone", "--quiet", "--depth=1", origin.as_uri(), str(clone))
    monkeypatch.chdir(clone)
    for revision in ("other", git("rev-parse", "main~1", cwd=origin)):
        assert require_commit(revision) == git("rev-parse", revision, cwd=origin)
    assert git("rev-list", "--count", "--all", "FETCH_HEAD") == "2"
    assert git("rev-parse", "--is-shallow-repository") == "true"


def test_a_whole_clone_stays_whole(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = tmp_path / "clone"
    git("clone", "--quiet", "--single-branch", origin.as_uri(), str(clone))
    monkeypatch.chdir(clone)
    assert require_commit("other") == git("rev-parse", "other", cwd=origin)
    assert git("rev-parse", "--is-shallow-repository") == "false"


def test_what_names_no_commit_is_refused(origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(origin)
    for revision in ("nonsense", "--all", ""):
        with pytest.raises(ProjectError, match="no commit is named"):
            require_commit(revision)


def test_branches_keep_their_names_and_all_else_is_said_by_its_commit(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "clone"
    git("clone", "--quiet", "--depth=2", origin.as_uri(), str(clone))
    monkeypatch.chdir(clone)
    assert [known(revision) for revision in ("HEAD", "main")] == ["HEAD", "main"]
    assert known("HEAD^1") == git("rev-parse", "main~1", cwd=origin)
    assert known("other") == git("rev-parse", "other", cwd=origin), "which only origin has"
