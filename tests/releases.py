"""Releases of the template, as `update` meets them: a repository of it with tags, in which later versions are made."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support import ROOT, commit, git

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
    commit(copy, "First release")
    git(copy, "tag", "v0.1.0")
    return copy


@pytest.fixture
def later(template: Path, tmp_path: Path) -> Path:
    """A clone of it, in which later versions are made."""
    git(tmp_path, "clone", "--quiet", str(template), "later")
    return tmp_path / "later"


@pytest.fixture
def release(later: Path) -> Release:
    """`release("0.2.0", {"README.md": change, "gone.md": None})` commits changes of the project, and tags it."""

    def make(version: str, changes: dict[str, Callable[[str], str] | None], template: bool = False) -> None:
        for name, change in changes.items():
            path = later / name if template else later / PROJECT / name
            if change is None:
                git(later, "rm", "--quiet", str(path))
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(change(path.read_text() if path.exists() else ""), encoding="utf-8")
        if not git(later, "tag", "--list", f"v{version}"):
            pyproject = later / PROJECT / "machinery" / "pyproject.toml"
            lines = pyproject.read_text().splitlines()
            pyproject.write_text(
                "\n".join(f'version = "{version}"' if x.startswith("version") else x for x in lines) + "\n"
            )
            commit(later, f"Release {version}")
            git(later, "tag", f"v{version}")

    return make
