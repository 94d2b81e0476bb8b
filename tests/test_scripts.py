"""The maintainers' scripts: pins of actions come into the template, and a release tells what is new."""

import shutil
import sys
from pathlib import Path

import pytest

from scripts import pins, release_notes
from support import ROOT, TEMPLATE, files, run

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
