"""The maintainers' scripts: pins of actions come into the template, and a release tells what is new."""

import re
import shutil
import sys
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from scripts import pins, release, release_notes
from support import ROOT, TEMPLATE, commit, files, git, run

OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A template whose own workflow has a newer `checkout` than the project, and a login that only the latter uses."""
    own, inside = tmp_path / ".github", tmp_path / "<<cookiecutter.project>>" / ".github"
    write(own / "workflows" / "test.yml", f"    - uses: actions/checkout@{NEW} # v2.0.0\n")
    write(own / "actions" / "pins" / "action.yml", f"    - uses: cloud/login@{NEW} # v1.1.0\n")
    write(
        inside / "workflows" / "test.yml",
        "#? if true\n"
        f"    - uses: actions/checkout@{OLD} # v1.0.0\n"
        "      with: { ref: << cookiecutter.project >> }\n"
        "    - uses: ./.github/actions/setup\n"
        "#? endif\n",
    )
    write(inside / "actions" / "setup" / "action.yml", f"    - name: In\n      uses: cloud/login/sub@{OLD} # v1\n")
    for name, folder in (("ROOT", tmp_path), ("OWN", own), ("INSIDE", inside)):
        monkeypatch.setattr(pins, name, folder)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def test_what_dependabot_bumped_comes_into_the_template(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each `uses:` is brought to the pin outside, and nothing else is touched; then there is nothing to do."""
    before = {path: path.read_text(encoding="utf-8") for path in files(pins.INSIDE)}
    assert pins.main(check=True) == 1
    assert capsys.readouterr().out.count("uv run scripts/pins.py") == 2
    assert before == {path: path.read_text(encoding="utf-8") for path in files(pins.INSIDE)}
    assert pins.main(check=False) == 0
    expected = {
        path: text.replace(f"{OLD} # v1.0.0", f"{NEW} # v2.0.0").replace(f"{OLD} # v1\n", f"{NEW} # v1.1.0\n")
        for path, text in before.items()
    }
    assert expected == {path: path.read_text(encoding="utf-8") for path in files(pins.INSIDE)}
    assert expected != before
    assert pins.main(check=True) == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"uses: new/action@{NEW} # v1", "new/action has no pin yet: add it to .github/actions/pins/action.yml"),
        ("uses: actions/checkout@v7", "actions/checkout@v7 is not pinned"),
        (f"uses: actions/checkout@{NEW}", "is not pinned"),
        (f"uses: actions/checkout@{NEW[:7]} # v2.0.0", "is not pinned"),
        ("uses: docker://alpine:3", "docker://alpine:3 is not pinned"),
    ],
)
def test_an_action_without_a_pin_is_named(repository: Path, line: str, reason: str) -> None:
    write(pins.INSIDE / "workflows" / "new.yml", f"\n\n    - {line}\n")
    with pytest.raises(pins.PinError, match=reason):
        pins.main(check=True)


def test_two_pins_of_one_action_are_named(repository: Path) -> None:
    write(pins.OWN / "workflows" / "zoo.yml", f"    - uses: actions/checkout@{OLD} # v1.0.0\n")
    with pytest.raises(pins.PinError, match=rf"zoo\.yml: actions/checkout is at {OLD} # v1.0.0, elsewhere at {NEW}"):
        pins.main(check=False)


def test_the_template_is_at_its_own_pins() -> None:
    """The very command of the workflow."""
    run(sys.executable, "scripts/pins.py", "--check", cwd=ROOT)


def test_what_is_pinned_for_the_project_alone_is_used_there_and_only_there() -> None:
    def used(paths: list[Path]) -> set[str]:
        return {action for path in paths for action, _ in pins.uses(path)}

    alone = pins.OWN / "actions" / "pins" / "action.yml"
    own = [path for path in pins.workflows(pins.OWN) if path != alone]
    assert used([alone]) == used(pins.workflows(TEMPLATE / ".github")) - used(own)


CHANGELOG = """# Changelog

## [Unreleased]

### Added

- Not yet.

## [1.10.0] - 2026-11-23

### Added

- More.

### Fixed

- Less.

## [1.1.0] - 2026-11-01

- First.
"""


def test_the_notes_of_a_release_are_its_section_of_the_changelog() -> None:
    assert release_notes.notes("v1.10.0", CHANGELOG, "1.10.0") == "### Added\n\n- More.\n\n### Fixed\n\n- Less.\n"
    assert release_notes.notes("v1.1.0", CHANGELOG, "1.1.0") == "- First.\n"


@pytest.mark.parametrize(
    ("tag", "version", "reason"),
    [
        ("v1.2.0", "1.1.0", "v1.2.0 is tagged, and pyproject.toml says 1.1.0"),
        ("1.1.0", "1.1.0", "1.1.0 is tagged"),
        ("v2.0.0", "2.0.0", "nothing on 2.0.0"),
        ("v1", "1", "nothing on 1:"),
    ],
)
def test_what_is_not_ready_is_not_released(tag: str, version: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        release_notes.notes(tag, CHANGELOG, version)


def test_an_empty_section_and_one_of_another_version_are_not_released() -> None:
    with pytest.raises(ValueError, match=r"nothing on 1\.1\.0"):
        release_notes.notes("v1.1.0", CHANGELOG.replace("[1.1.0]", "[1x1.0]"), "1.1.0")
    with pytest.raises(ValueError, match=r"nothing on 1\.1\.0"):
        release_notes.notes("v1.1.0", CHANGELOG.replace("- First.", ""), "1.1.0")


def test_the_next_release_of_this_template_has_notes(tmp_path: Path) -> None:
    """As CONTRIBUTING.md says: the unreleased section gets the version and the day, and the tag does the rest."""
    for name in ("scripts", "pyproject.toml", "CHANGELOG.md"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    changelog = tmp_path / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    changelog.write_text(text.replace("## [Unreleased]", "## [0.1.0] - 2026-11-23"), encoding="utf-8")
    said = run(sys.executable, "scripts/release_notes.py", "v0.1.0", cwd=tmp_path)
    assert said.startswith("### Added\n")
    assert "Traceback" not in run(sys.executable, "scripts/release_notes.py", "v9.9.9", cwd=tmp_path, check=False)


@pytest.fixture
def unreleased(tmp_path: Path) -> Path:
    """A repository of this template's files on main, with two releases and something new, as it is at origin."""
    origin, clone = tmp_path / "origin.git", tmp_path / "clone"
    run("git", "init", "--quiet", "--bare", "--initial-branch=main", str(origin), cwd=tmp_path)
    run("git", "clone", "--quiet", str(origin), str(clone), cwd=tmp_path)
    git(clone, "checkout", "--quiet", "-B", "main")
    for name in release.VERSIONED:
        write(clone / name, (ROOT / name).read_text(encoding="utf-8"))
    write(clone / "CHANGELOG.md", CHANGELOG)
    for key, value in (("user.name", "Ada"), ("user.email", "ada@example.com")):
        git(clone, "config", key, value)
    commit(clone, "Begin")
    git(clone, "tag", "v1.1.0")
    git(clone, "tag", "v1.10.0")
    git(clone, "push", "--quiet", "--tags", "origin", "main")
    return clone


def test_a_release_is_one_command(unreleased: Path) -> None:
    """Changelog and versions agree with the tag, as the workflow asks that it starts; the next has its place."""
    begun = git(unreleased, "rev-parse", "HEAD")
    assert release.release(unreleased, "1.11.0", date(2026, 12, 1)) == "v1.11.0"
    assert git(unreleased, "rev-parse", "v1.11.0", "v1.11.0^").split() == [git(unreleased, "rev-parse", "main"), begun]
    assert git(unreleased, "log", "-1", "--format=%s") == "Release 1.11.0"
    assert git(unreleased, "status", "--porcelain") == ""
    changelog = (unreleased / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]\n\n## [1.11.0] - 2026-12-01\n\n### Added\n\n- Not yet.\n" in changelog
    assert release_notes.notes("v1.11.0", changelog, "1.11.0") == "### Added\n\n- Not yet.\n"
    for name in release.VERSIONED:
        text = (unreleased / name).read_text(encoding="utf-8")
        assert tomllib.loads(text)["project"]["version"] == "1.11.0"
        assert text == re.sub(
            r'^version = ".*"$', 'version = "1.11.0"', (ROOT / name).read_text("utf-8"), count=1, flags=re.M
        )


def change(name: str, text: str) -> Callable[[Path], None]:
    """A change that is not committed."""
    return lambda clone: write(clone / name, text)


def steps(*commands: str) -> Callable[[Path], None]:
    """Commands of git."""
    return lambda clone: [git(clone, *command.split()) for command in commands] and None


def refuse_commits(clone: Path) -> None:
    """As a hook of the maintainer's own may do."""
    hook = clone / ".git" / "hooks" / "pre-commit"
    write(hook, "#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)


@pytest.mark.parametrize(
    ("before", "version", "reason"),
    [
        (change("new.txt", "new"), "1.11.0", "there are changes that are not committed: commit them, or `git stash"),
        (steps("switch --quiet --create aside"), "1.11.0", "aside is checked out: `git switch main`"),
        (steps("checkout --quiet --detach"), "1.11.0", "a commit on no branch is checked out: `git switch main`"),
        (
            steps("commit --quiet --allow-empty --message Mine"),
            "1.11.0",
            "main is not that of origin: `git pull --ff-only`, or get your commits reviewed and merged",
        ),
        (steps("remote set-url origin ../nowhere"), "1.11.0", "git fetch: fatal: '../nowhere' does not appear"),
        (steps(), "1.10.0", "v1.10.0 is released already: choose the next number"),
        (steps(), "1.2.0", "1.2.0 is older than 1.10.0, which is released"),
        (steps(), "1.11", "1.11 is no version such as 1.2.0"),
        (steps(), "01.2.0", "01.2.0 is no version"),
        (
            steps("remote remove origin", "rm --quiet CHANGELOG.md", "commit --quiet --message Gone"),
            "1.11.0",
            "there is nothing to release: CHANGELOG.md is not there",
        ),
        (refuse_commits, "1.11.0", "git commit: not today"),
        (
            lambda clone: write(clone / ".git/refs/tags/v1.11.0/held", git(clone, "rev-parse", "HEAD")),
            "1.11.0",
            "git tag: ",
        ),
    ],
)
def test_no_release_is_made_of_a_wrong_state(
    unreleased: Path, before: Callable[[Path], None], version: str, reason: str
) -> None:
    """A line says why, and nothing has changed."""
    before(unreleased)
    kept = [git(unreleased, *look.split()) for look in ("rev-parse HEAD", "tag --list", "status --porcelain")]
    with pytest.raises(release.ReleaseError) as told:
        release.release(unreleased, version, date(2026, 12, 1))
    assert str(told.value).startswith(reason) and "\n" not in str(told.value)
    assert kept == [git(unreleased, *look.split()) for look in ("rev-parse HEAD", "tag --list", "status --porcelain")]


def test_nothing_new_is_no_release(unreleased: Path) -> None:
    release.release(unreleased, "1.11.0", date(2026, 12, 1))
    git(unreleased, "push", "--quiet", "origin", "main")
    with pytest.raises(
        release.ReleaseError, match=r"nothing to release: CHANGELOG.md has nothing under `## \[Unreleased\]`"
    ):
        release.release(unreleased, "1.12.0", date(2026, 12, 1))
