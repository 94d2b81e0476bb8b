"""Releases of the template, as `update` meets them: a repository of it with tags, in which later versions are made."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from scripts.release import release as make_release
from support import ROOT, commit, git

UNRELEASED = "## [Unreleased]\n", "## [Unreleased]\n\n### Added\n\n- More.\n"
PROJECT = "<<cookiecutter.project>>"
Release = Callable[..., None]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository of the template as it is now, tagged as its first release."""
    copy = tmp_path_factory.mktemp("template") / "mlops-template"
    names = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_symlink() or not (ROOT / name).is_file():
            continue
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    git(copy, "init", "--quiet", "--initial-branch=main")
    commit(copy, "Begin")
    make_release(copy, "0.1.0", date(2026, 12, 1))
    return copy


@pytest.fixture
def later(template: Path, tmp_path: Path) -> Path:
    """A clone of it, in which later versions are made."""
    git(tmp_path, "clone", "--quiet", str(template), "later")
    git(tmp_path / "later", "remote", "remove", "origin")  # nobody is asked whether main is the same there
    return tmp_path / "later"


@pytest.fixture
def release(later: Path) -> Release:
    """`release("0.2.0", {"README.md": change, "gone.md": None})` commits changes of the project, and releases it
    by the maintainers' own script."""

    def make(version: str, changes: dict[str, Callable[[str], str] | None], template: bool = False) -> None:
        for name, change in changes.items():
            path = later / name if template else later / PROJECT / name
            if change is None:
                git(later, "rm", "--quiet", str(path))
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(change(path.read_text() if path.exists() else ""), encoding="utf-8")
        if not git(later, "tag", "--list", f"v{version}"):
            changelog = later / "CHANGELOG.md"
            told = changelog.read_text(encoding="utf-8").replace(*UNRELEASED, 1)
            changelog.write_text(told, encoding="utf-8", newline="\n")
            commit(later, f"What is in {version}")
            make_release(later, version, date(2026, 12, 2))

    return make
