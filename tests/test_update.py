"""`update` brings a newer version of the template to a project that its owner has changed, and loses nothing."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Bake
from releases import PROJECT, Release, later, release, template
from support import commit, environment, git, run, wait_for

pytestmark = pytest.mark.slow

MACHINERY = f"{PROJECT}/machinery/mlops_template"
__all__ = ["later", "release", "template"]


@pytest.fixture
def project(template: Path, bake: Bake) -> Path:
    """A project made from the first release, with a commit of its owner's."""
    return bake(template)


def update(project: Path, later: Path, *options: str, check: bool = True) -> str:
    """What the command does, with the machinery as it lies in the project."""
    return run(
        "python",
        "-m",
        "mlops_template.cli",
        "update",
        "--template",
        str(later),
        *options,
        cwd=project,
        check=check,
        **({"PYTHONPATH": str(project / "machinery")} if (project / "machinery").is_dir() else {}),
    )


def read(project: Path, name: str) -> str:
    return (project / name).read_text(encoding="utf-8")


def edit(project: Path, name: str, before: str, after: str) -> None:
    """An edit of the owner's, committed."""
    text = read(project, name)
    assert before in text
    (project / name).write_text(text.replace(before, after), encoding="utf-8")
    commit(project, f"Edit {name}")


def state(project: Path) -> tuple[str, ...]:
    """What must not change unless all went well: commit, branch, branches, index and working tree."""
    return (
        git(project, "rev-parse", "HEAD"),
        git(project, "branch", "--list", "--all"),
        git(project, "status", "--porcelain"),
        git(project, "ls-files", "--stage"),
    )


def test_edits_of_both_meet_in_one_file_and_the_machinery_is_replaced_whole(
    project: Path, later: Path, release: Release
) -> None:
    """Modules renamed and gone in it cannot conflict; what the pipeline made is left alone."""
    edit(project, "params.yaml", "seed: 0", "seed: 7")
    (project / "uv.lock").write_text("version = 1\n")
    (project / "notes.md").write_text("mine\n")
    commit(project, "Mine")
    release(
        "0.2.0",
        {
            "params.yaml": lambda text: text.replace("cool_down: 12 hours", "cool_down: 6 hours"),
            "machinery/mlops_template/new_room.py": lambda _: "NEW = 1\n",
            "machinery/mlops_template/starter/chart.py": None,
            "docs/new.md": lambda _: "# New\n",
        },
    )
    release("0.2.0", {})
    said = update(project, later)
    params = read(project, "params.yaml")
    assert "seed: 7" in params and "cool_down: 6 hours" in params
    assert git(project, "branch", "--show-current") == "update-0.2.0"
    assert git(project, "rev-list", "--count", "main..HEAD") == "1"
    delivered = git(later, "rev-parse", f"v0.2.0:{PROJECT}/machinery")
    assert git(project, "rev-parse", "HEAD:machinery") == delivered
    assert read(project, "notes.md") == "mine\n" and read(project, "docs/new.md") == "# New\n"
    assert "machinery: replaced whole" in said and "M params.yaml" in said and "A docs/new.md" in said
    assert json.loads(read(project, ".mlops-template.json"))["version"] == "0.2.0"
    assert git(project, "status", "--porcelain") == ""
    assert not list(project.rglob("*.rej"))


def test_edits_of_both_in_one_line_are_a_conflict_that_git_shows(project: Path, later: Path, release: Release) -> None:
    edit(project, "params.yaml", "seed: 0", "seed: 7")
    release("0.2.0", {"params.yaml": lambda text: text.replace("seed: 0", "seed: 1")})
    said = update(project, later, check=False)
    assert "conflicts, with git's markers" in said and "  params.yaml" in said
    assert "<<<<<<<" in read(project, "params.yaml") and "seed: 1" in read(project, "params.yaml")
    assert git(project, "status", "--porcelain", "params.yaml") == "UU params.yaml"
    assert "merge" not in git(project, "diff", "--name-only", "--cached", "--diff-filter=U").replace("params.yaml", "")
    text = read(project, "params.yaml")
    lines = [line for line in text.splitlines() if not line.startswith(("<<<<<<<", "=======", ">>>>>>>"))]
    (project / "params.yaml").write_text("\n".join(line for line in lines if "seed: 1" not in line) + "\n")
    commit(project, "Resolved")
    assert "seed: 7" in read(project, "params.yaml") and git(project, "status", "--porcelain") == ""


def test_machinery_that_lies_elsewhere_stays_there(project: Path, later: Path, release: Release) -> None:
    """The stages of a project that has it from an index do not name its files, and no update brings them back."""
    git(project, "rm", "-r", "--quiet", "machinery")
    pipeline = [line for line in read(project, "dvc.yaml").splitlines() if "- machinery/" not in line]
    (project / "dvc.yaml").write_text("\n".join(pipeline) + "\n", encoding="utf-8")
    commit(project, "The team's machinery")
    other = "machinery/mlops_template/data/another.py"
    release(
        "0.2.0",
        {
            "machinery/mlops_template/errors.py": lambda text: text + "\nNEW = 1\n",
            other: lambda _: "NEW = 1\n",
            "dvc.yaml": lambda text: text.replace(
                "      - machinery/mlops_template/data/validate.py\n",
                f"      - {other}\n      - machinery/mlops_template/data/validate.py\n",
            ),
            "docs/new.md": lambda _: "# New\n",
        },
    )
    said = update(project, later)
    assert "machinery: not a folder here" in said and "A docs/new.md" in said
    assert not (project / "machinery").exists()
    assert read(project, "dvc.yaml") == "\n".join(pipeline) + "\n"


def test_a_renamed_file_takes_the_owners_edits_along(project: Path, later: Path, release: Release) -> None:
    edit(project, "docs/storage.md", "# ", "# My ")
    git(later, "mv", f"{PROJECT}/docs/storage.md", f"{PROJECT}/docs/where-data-lie.md")
    release("0.2.0", {})
    update(project, later)
    assert not (project / "docs/storage.md").exists()
    assert read(project, "docs/where-data-lie.md").startswith("# My ")


def test_a_removed_file_goes_and_one_that_the_owner_deleted_stays_away(
    project: Path, later: Path, release: Release
) -> None:
    git(project, "rm", "--quiet", "docs/retraining.md")
    commit(project, "Not for us")
    release("0.2.0", {"docs/github.md": None, "README.md": lambda text: text + "\nMore.\n"})
    update(project, later)
    assert not (project / "docs/github.md").exists()
    assert not (project / "docs/retraining.md").exists()
    assert "More." in read(project, "README.md")


def test_a_file_that_the_owner_deleted_and_the_template_changed_is_asked_about(
    project: Path, later: Path, release: Release
) -> None:
    git(project, "rm", "--quiet", "docs/retraining.md")
    commit(project, "Not for us")
    release("0.2.0", {"docs/retraining.md": lambda text: text + "\nMore.\n"})
    said = update(project, later, check=False)
    assert "docs/retraining.md" in said.partition("conflicts")[2]


def question(name: str, default: object) -> Callable[[str], str]:
    """A change of `cookiecutter.json` that adds a question."""

    def change(text: str) -> str:
        content = json.loads(text)
        content = {name: default, **content}
        content["__prompts__"] = {name: name, **content["__prompts__"]}
        return json.dumps(content, indent=2)

    return change


def test_a_new_question_has_its_default_and_a_changed_default_changes_no_answer(
    project: Path, later: Path, release: Release
) -> None:
    release("0.2.0", {"cookiecutter.json": question("region", ["north", "south"])}, template=True)
    release("0.2.0", {})
    text = (later / "cookiecutter.json").read_text()
    (later / "cookiecutter.json").write_text(
        text.replace('"MIT", "Apache-2.0"', '"Apache-2.0", "MIT"').replace('"my-org"', '"our-org"')
    )
    release(
        "0.3.0",
        {"docs/storage.md": lambda text: text + "\nIn << cookiecutter.region >> of << cookiecutter.owner >>.\n"},
    )
    said = update(project, later)
    assert "new question: region is north" in said
    assert "In north of my-org." in read(project, "docs/storage.md")
    recorded = json.loads(read(project, ".mlops-template.json"))["answers"]
    assert (recorded["region"], recorded["owner"], recorded["license"]) == ("north", "my-org", "MIT")


def test_an_answer_can_be_changed_and_one_no_longer_offered_is_named(
    project: Path, later: Path, release: Release
) -> None:
    release("0.2.0", {"docs/new.md": lambda _: "# New\n"})
    said = update(project, later, "--answer", "deploy=swarm")
    assert "answer changed: deploy is swarm" in said
    assert (project / "deploy/swarm/stack.yaml").is_file()
    git(project, "switch", "--quiet", "main")
    text = (later / "cookiecutter.json").read_text()
    (later / "cookiecutter.json").write_text(text.replace('"MIT", ', "", 1))
    release("0.3.0", {})
    said = update(project, later, check=False)
    assert "license was answered MIT, which is no longer offered" in said and "--answer license=" in said


def test_one_that_changes_nothing_says_so(project: Path, later: Path, release: Release) -> None:
    before = state(project)
    assert "at version 0.1.0 of the template already" in update(project, later)
    git(later, "commit", "--quiet", "--allow-empty", "-m", "Nothing")
    assert "changes nothing here" in update(project, later)
    assert state(project) == before


def test_over_two_versions_at_once_and_to_one_by_its_number(project: Path, later: Path, release: Release) -> None:
    release("0.2.0", {"docs/a.md": lambda _: "a\n"})
    release("0.3.0", {"docs/b.md": lambda _: "b\n"})
    update(project, later, "--to", "0.2.0")
    assert (project / "docs/a.md").exists() and not (project / "docs/b.md").exists()
    update(project, later)
    assert (project / "docs/b.md").exists()
    git(project, "switch", "--quiet", "main")
    git(project, "branch", "-D", "update-0.2.0", "update-0.3.0")
    update(project, later)
    assert (project / "docs/a.md").exists() and (project / "docs/b.md").exists()
    assert "the template has no version 9" in update(project, later, "--to", "9", check=False)


def test_a_machinery_that_the_owner_edited_is_merged(project: Path, later: Path, release: Release) -> None:
    name = "machinery/mlops_template/errors.py"
    edit(project, name, '"""The one exception', '"""Mine. The one exception')
    release("0.2.0", {name: lambda text: text + "\n\nTHEIRS = 1\n"})
    said = update(project, later)
    assert "machinery: merged with your changes" in said
    assert "Mine." in read(project, name) and "THEIRS" in read(project, name)


MIGRATION = """
def longer(settings):
    rename(settings["model"]["search"], "folds", "cv_folds")


MIGRATIONS.append(("0.2.0", "model.search.folds is called cv_folds", longer))
"""


def test_settings_are_migrated_by_the_new_version_with_their_comments(
    project: Path, later: Path, release: Release
) -> None:
    """Also where the owner changed the very line, which is no conflict then."""
    edit(project, "params.yaml", "search: { folds: 3", "search: { folds: 5")
    edit(project, "params.yaml", "seed: 0", "seed: 7  # lucky")
    release(
        "0.2.0",
        {
            "machinery/mlops_template/update/migrations.py": lambda text: text.replace(
                "\n\nif __name__", f"{MIGRATION}\n\nif __name__"
            ),
            "params.yaml": lambda text: text.replace("search: { folds: 3", "search: { cv_folds: 3"),
        },
    )
    said = update(project, later)
    params = read(project, "params.yaml")
    assert "cv_folds: 5" in params and "seed: 7  # lucky" in params
    assert "# Everything you tune" in params
    assert "model.search.folds is called cv_folds (params.yaml)" in said


def test_changes_that_are_not_committed_are_refused(project: Path, later: Path, release: Release) -> None:
    release("0.2.0", {"docs/a.md": lambda _: "a\n"})
    (project / "new.txt").write_text("mine")
    before = state(project)
    assert "commit or stash them first" in update(project, later, check=False)
    assert state(project) == before


def test_a_shallow_clone_is_updated(project: Path, later: Path, release: Release, tmp_path: Path) -> None:
    edit(project, "params.yaml", "seed: 0", "seed: 7")
    git(tmp_path, "clone", "--quiet", "--depth=1", project.as_uri(), "shallow")
    release("0.2.0", {"params.yaml": lambda text: text.replace("cool_down: 12 hours", "cool_down: 6 hours")})
    shallow = tmp_path / "shallow"
    update(shallow, later)
    assert "seed: 7" in read(shallow, "params.yaml") and "cool_down: 6 hours" in read(shallow, "params.yaml")


@pytest.mark.parametrize("seconds", [0.7, 1.5, 2.5, 3.5, 4.5])
def test_killed_at_any_moment_it_did_nothing_or_all_of_it(
    seconds: float, project: Path, later: Path, release: Release
) -> None:
    release("0.2.0", {"docs/a.md": lambda _: "a\n"})
    before = state(project)
    process = started(project, later)
    time.sleep(seconds)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    else:
        assert git(project, "branch", "--show-current") == "update-0.2.0"
    nothing_or_all(project, before)


def test_killed_while_git_switches_it_did_all_of_it(
    project: Path, later: Path, release: Release, tmp_path: Path
) -> None:
    """The signal of the terminal does not reach git, which would leave half of the files of either version."""
    release("0.2.0", {"docs/a.md": lambda _: "a\n"})
    before, reached = state(project), tmp_path / "reached"
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(
        f'#!/bin/sh\ncase "$1" in switch) touch {reached}; sleep 1 ;; esac\nexec {shutil.which("git")} "$@"\n'
    )
    slow.chmod(0o755)
    process = started(project, later, PATH=f"{slow.parent}:{os.environ['PATH']}")
    while not reached.exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert state(project) == before
    wait_for(lambda: state(project) != before, "git does not switch")
    nothing_or_all(project, before)


def started(project: Path, later: Path, **variables: str) -> subprocess.Popen[bytes]:
    """An update in a process group of its own, as a terminal would run it."""
    command = ["python", "-m", "mlops_template.cli", "update", "--template", str(later)]
    variables |= {"PYTHONPATH": str(project / "machinery")}
    return subprocess.Popen(command, cwd=project, env=environment(**variables), start_new_session=True)


def nothing_or_all(project: Path, before: tuple[str, ...]) -> None:
    """The project is as it was, or, once git is done, on the branch of the update without changes."""

    def whole() -> bool:
        lock = (project / ".git/index.lock").exists()
        return not lock and (
            state(project) == before
            or (git(project, "branch", "--show-current") == "update-0.2.0" and not git(project, "status", "--short"))
        )

    wait_for(whole, "the update is there in part")


def test_a_project_from_a_directory_asks_for_the_template(project: Path) -> None:
    said = run(
        *("python", "-m", "mlops_template.cli", "update"),
        cwd=project,
        check=False,
        PYTHONPATH=str(project / "machinery"),
    )
    assert "name the template with --template URL-OR-DIRECTORY" in said
