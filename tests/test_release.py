"""The template's own release, run under act: a tag on main becomes a release with its notes, any other nothing."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from act.github import GitHub, github
from act.runs import Run
from support import ROOT, commit, git

GH = """\
#!{python}
import json, pathlib, sys
assert sys.argv[1:3] + sys.argv[4:5] == ["release", "create", "--verify-tag"], sys.argv
notes = pathlib.Path(sys.argv[sys.argv.index("--notes-file") + 1]).read_text()
title = sys.argv[sys.argv.index("--title") + 1]
pathlib.Path({record!r}).write_text(json.dumps([sys.argv[3], title, notes]))
"""
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [{version}] - 2026-12-01\n\n### Added\n\n- Releases.\n"

pytestmark = pytest.mark.slow


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[GitHub]:
    """A GitHub with what a release needs of this template, whose changelog tells of its version."""
    template = tmp_path / "mlops-template"
    template.mkdir()
    for name in (".github", "scripts"):
        shutil.copytree(ROOT / name, template / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", template)
    (template / "CHANGELOG.md").write_text(CHANGELOG.format(version="0.1.0"), encoding="utf-8")
    git(template, "init", "--quiet", "--initial-branch=main")
    commit(template, "Begin")
    (tmp_path / "github").mkdir()
    with github(tmp_path / "github", template) as hub:
        program = hub.bin / "gh"
        program.write_text(GH.format(python=sys.executable, record=str(record(hub))), encoding="utf-8")
        yield hub


def record(hub: GitHub) -> Path:
    """Where the release that was made stands."""
    return hub.folder / "release.json"


def tag(hub: GitHub, name: str, revision: str = "main") -> Run:
    """Push a tag, and run what that starts."""
    git(hub.origin, "tag", name, revision)
    ref = f"refs/tags/{name}"
    return hub.run("push", "release.yml", git(hub.origin, "rev-parse", ref), {"ref": ref}, ref)


def test_a_tag_on_main_is_released_with_what_the_changelog_says(origin: GitHub) -> None:
    done = tag(origin, "v0.1.0")
    assert done.results == {"release": "success"}, done.log
    assert json.loads(record(origin).read_text(encoding="utf-8")) == ["v0.1.0", "v0.1.0", "### Added\n\n- Releases.\n"]


def test_a_tag_of_another_version_is_not_released(origin: GitHub) -> None:
    done = tag(origin, "v0.2.0")
    assert done.results == {"release": "failure"}
    assert "pyproject.toml says 0.1.0" in done.log
    assert not record(origin).exists()


def test_what_is_not_on_main_is_not_released(origin: GitHub) -> None:
    with origin.working_on("aside", "Not reviewed") as clone:
        (clone / "new.txt").write_text("new", encoding="utf-8")
    done = tag(origin, "v0.1.0", "aside")
    assert done.results == {"release": "failure"}, done.log
    assert not record(origin).exists()
