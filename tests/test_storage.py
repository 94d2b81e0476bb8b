"""Data and models travel with plain git, nothing of them is ever lost, and a setup that was cut short goes on."""

import hashlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from act.machine import serve_pushes
from conftest import Bake
from support import ROOT, cli, commit, environment, git, run


@pytest.mark.slow
def test_git_push_carries_data_and_models(project_copy: Path, tmp_path: Path) -> None:
    """The hook runs in the user's own shell; a clone of `main` alone finds the storage all the same.

    The first push makes `main` the default branch: by the hook alone it would be that of the data.
    """
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=none-yet", "origin.git")
    serve_pushes(tmp_path / "origin.git")
    assert "there is no origin: `gh repo create" in cli(project_copy, "push", "--first", check=False)
    git(project_copy, "remote", "add", "origin", str(tmp_path / "origin.git"))
    refused = run("git", "push", "--set-upstream", "origin", "main", cwd=project_copy, check=False)
    assert f"`uv run {project_copy.name} push --first` pushes main with its data" in refused
    assert git(tmp_path / "origin.git", "for-each-ref") == ""
    assert "the branch is at origin" in cli(project_copy, "push", "--first")
    assert git(tmp_path / "origin.git", "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(project_copy, "rev-parse", "--abbrev-ref", "main@{upstream}") == "origin/main"
    assert "`git push` carries" in cli(project_copy, "push", "--first", check=False)
    (project_copy / "notes.md").write_text("Something new", encoding="utf-8")
    commit(project_copy, "Notes")
    assert "the branch is at origin" in git(project_copy, "push")
    assert git(tmp_path / "origin.git", "rev-parse", "dvc-storage") == git(project_copy, "rev-parse", "dvc-storage")

    git(tmp_path, "clone", "--quiet", "--single-branch", "origin.git", project_copy.name)
    clone = tmp_path / project_copy.name
    run("uv", "sync", "--quiet", cwd=clone)
    cli(clone, "pull")
    for data in ("data/raw", "data/split", "models/challenger", "models/champion", "reports/predictions.parquet"):
        assert (clone / data).exists(), data
    assert git(clone, "status", "--porcelain") == ""


@pytest.mark.slow
def test_a_setup_that_was_interrupted_goes_on(bake: Bake) -> None:
    """Ctrl-C in the middle of the training: the data is not taken twice, and there is one commit."""
    project = bake()
    process = subprocess.Popen(
        ["uv", "run", project.name, "setup"],
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    )
    assert process.stdout
    said = []
    for line in process.stdout:
        said.append(line)
        if line.endswith(".training.train\n"):
            os.killpg(process.pid, signal.SIGINT)
    assert process.wait() != 0, said
    assert "Traceback" not in "".join(said)
    cli(project, "setup")
    assert [path.name for path in (project / "data" / "raw").iterdir()] == ["2013-01-01_2013-03-31.parquet"]
    assert git(project, "rev-list", "--count", "main") == "1"
    assert git(project, "status", "--porcelain") == ""


@pytest.fixture(scope="session")
def _small(bake: Bake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated project with an environment, a little data, and an origin beside it that has both branches."""
    project = bake()
    run("uv", "sync", "--quiet", "--no-default-groups", cwd=project)
    git(project.parent, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    git(project, "remote", "add", "origin", "../origin.git")
    git(project, "add", "--all")
    drive(project, project, "save", "first")
    command(project, project, "push", "--first")
    return project


class Scene:
    """Copies of a small project and its origin, to push and to break."""

    def __init__(self, small: Path, folder: Path) -> None:
        self.environment, self.folder = small, folder
        self.origin = folder / "origin.git"
        shutil.copytree(small.parent / "origin.git", self.origin)

    def clone(self, name: str, *options: str) -> Path:
        """A clone whose data are here."""
        git(self.folder, "clone", "--quiet", *options, self.origin.as_uri(), name)
        return self.folder / name

    def drive(self, clone: Path, *arguments: str) -> str:
        return drive(self.environment, clone, *arguments)

    def command(self, clone: Path, *arguments: str, check: bool = True) -> str:
        return command(self.environment, clone, *arguments, check=check)


@pytest.fixture
def scene(_small: Path, tmp_path: Path) -> Scene:
    return Scene(_small, tmp_path)


def drive(small: Path, clone: Path, *arguments: str) -> str:
    """A verb of `small_project.py` in a clone."""
    return run(small / ".venv" / "bin" / "python", ROOT / "tests" / "small_project.py", *arguments, cwd=clone)


def command(small: Path, clone: Path, *arguments: str, check: bool = True) -> str:
    """The project's own command in a clone."""
    return run(small / ".venv" / "bin" / small.name, *arguments, cwd=clone, check=check)


def lost(origin: Path, repository: Path, *revisions: str) -> list[str]:
    """What pointers at any commit of the revisions name, and the storage at origin lacks or has otherwise."""
    named = set()
    for revision in git(repository, "rev-list", *revisions, "--", "data/raw.dvc").split():
        named |= set(re.findall(r"md5: (\w+(?:\.dir)?)", git(repository, "show", f"{revision}:data/raw.dvc")))
    gone = []
    for digest in sorted(named):
        content = stored(origin, digest)
        parts = [entry["md5"] for entry in json.loads(content)] if digest.endswith(".dir") else []
        gone += [part for part in (digest, *parts) if hashlib.md5(stored(origin, part)).hexdigest() != part[:32]]
    assert named
    return gone


def stored(origin: Path, digest: str) -> bytes:
    """A content out of the storage branch, empty where it is not there."""
    name = f"dvc-storage:files/md5/{digest[:2]}/{digest[2:]}"
    return subprocess.run(["git", "cat-file", "blob", name], cwd=origin, capture_output=True).stdout


@pytest.mark.slow
def test_clones_that_push_at_the_same_time_lose_nothing(scene: Scene) -> None:
    """Three of them, six times each, as fast as they can; one of them has but the last commit."""
    clones = {"a": scene.clone("a"), "b": scene.clone("b"), "c": scene.clone("c", "--depth=1")}
    driver = [scene.environment / ".venv" / "bin" / "python", ROOT / "tests" / "small_project.py"]
    pushing = [
        subprocess.Popen([*driver, "rounds", name, "6"], cwd=clone, env=environment()) for name, clone in clones.items()
    ]
    assert [process.wait() for process in pushing] == [0, 0, 0]
    assert git(scene.origin, "rev-list", "--count", "main..a", "main..b", "main..c") == "18"
    assert lost(scene.origin, scene.origin, "a", "b", "c") == []


@pytest.mark.slow
def test_who_pushes_while_the_storage_is_compacted_loses_nothing(scene: Scene) -> None:
    """Again and again, with something to drop each time."""
    clone, other = scene.clone("a"), scene.clone("b")
    driver = [scene.environment / ".venv" / "bin" / "python", ROOT / "tests" / "small_project.py"]
    pushing = subprocess.Popen([*driver, "rounds", "a", "8"], cwd=clone, env=environment())
    compacting = subprocess.Popen([*driver, "compactions", "8"], cwd=other, env=environment())
    assert (pushing.wait(), compacting.wait()) == (0, 0)
    scene.command(clone, "push")
    assert lost(scene.origin, scene.origin, "a", "main") == []
    assert int(git(scene.origin, "rev-list", "--count", "dvc-storage")) < 16


@pytest.mark.slow
def test_a_killed_push_can_be_repeated(scene: Scene) -> None:
    """Killed with SIGKILL at every single call of git, and in the middle of the transfer."""
    clone = scene.clone("a")
    (scene.folder / "bin").mkdir()
    said = scene.drive(clone, "killed", str(scene.folder / "bin"))
    assert said.count(": -9") > 15, said
    assert "-9" in scene.drive(clone, "killed_in_transfer", "5")
    assert "the branch is at origin" in scene.command(clone, "push")
    assert lost(scene.origin, clone, "main") == []
    assert git(scene.origin, "fsck", "--no-dangling") == ""
    scene.command(scene.clone("b"), "storage", "check")


@pytest.mark.slow
def test_a_branch_that_is_refused_after_its_data_went_is_no_harm(scene: Scene) -> None:
    """Plain `git push`: the data of both are there, and the second one's branch after a rebase."""
    first, second = scene.clone("a"), scene.clone("b")
    for clone in (first, second):
        scene.command(clone, "pull")
        assert (clone / ".git" / "hooks" / "pre-push").exists()
    scene.drive(first, "save", "of-the-first")
    (second / "data" / "other.txt").write_text("of the second")
    scene.drive(second, "save", "of-the-second")
    own = {"UV_PROJECT_ENVIRONMENT": str(scene.environment / ".venv")}
    run("git", "push", "--quiet", "origin", "main", cwd=first, **own)
    said = run("git", "push", "origin", "main", cwd=second, check=False, **own)
    assert "rejected" in said
    assert lost(scene.origin, second, "main") == []
    git(second, "push", "--quiet", "--no-verify", "origin", "main:theirs")
    assert lost(scene.origin, scene.origin, "main", "theirs") == []


@pytest.mark.slow
def test_a_file_over_100_mb_is_refused_before_anything_is_sent(scene: Scene) -> None:
    """In a line that names the way out; without the file the push goes on."""
    clone = scene.clone("a")
    scene.command(clone, "pull")
    before = git(scene.origin, "for-each-ref")
    scene.drive(clone, "save", "small")
    with (clone / "data" / "raw" / "large").open("wb") as file:
        file.truncate(101 * 1024**2)
    scene.drive(clone, "save", "other")
    own = {"UV_PROJECT_ENVIRONMENT": str(scene.environment / ".venv")}
    said = run("git", "push", "origin", "main", cwd=clone, check=False, **own)
    (line,) = [line for line in said.splitlines() if line.startswith("error: ") and "MB" in line]
    assert "data/raw/large has 101.0 MB" in line
    assert "dvc remote modify storage url" in line
    assert git(scene.origin, "for-each-ref") == before
    assert git(clone, "rev-parse", "dvc-storage") == git(clone, "rev-parse", "origin/dvc-storage")
    assert not list((clone / ".storage").rglob(".*.tmp"))
    (clone / "data" / "raw" / "large").unlink()
    scene.drive(clone, "save", "small")
    assert "the branch is at origin" in scene.command(clone, "push")


@pytest.mark.slow
def test_a_clone_without_the_storage_says_who_has_it(scene: Scene) -> None:
    """The branch, which the owner's push brings back; then data that nobody pushed."""
    owner, clone = scene.clone("a"), scene.clone("b", "--depth=1")
    scene.command(owner, "pull")
    git(scene.origin, "update-ref", "-d", "refs/heads/dvc-storage")
    said = scene.command(clone, "storage", "check", check=False)
    assert "origin has no branch dvc-storage" in said
    assert "`uv run flight-delays push` there" in said
    scene.command(owner, "push")
    assert "has all that this commit names" in scene.command(clone, "storage", "check")
    scene.drive(owner, "save", "new")
    git(owner, "push", "--quiet", "--no-verify", "origin", "main")
    git(clone, "pull", "--quiet")
    assert "data/raw is not in the storage" in scene.command(clone, "storage", "check", check=False)
    scene.command(owner, "push")
    scene.command(clone, "storage", "check")


def on_terminal(scene: Scene, clone: Path, *arguments: str) -> str:
    """What the project's command says of its progress where somebody looks at it."""
    ours, theirs = pty.openpty()
    command = [scene.environment / ".venv" / "bin" / "flight-delays", *arguments]
    process = subprocess.Popen(command, cwd=clone, env=environment(), stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    said = b""
    with suppress(OSError):  # the end of a terminal
        while piece := os.read(ours, 4096):
            said += piece
    assert process.wait() == 0
    return said.decode()


@pytest.mark.slow
def test_compact_shows_what_goes_and_asks(scene: Scene) -> None:
    """No answer is no; `--yes` is for scripts. What stays is not sent again."""
    clone = scene.clone("a")
    scene.drive(clone, "rounds", "kept", "5")
    git(clone, "switch", "--quiet", "--create", "gone")
    scene.drive(clone, "save", "left-over", "3000000")
    scene.command(clone, "push")
    git(clone, "switch", "--quiet", "kept")
    git(clone, "branch", "--quiet", "--delete", "--force", "gone")
    before = git(scene.origin, "rev-parse", "dvc-storage")
    said = scene.command(clone, "storage", "compact", "--hours", "0", check=False)
    assert "2 files (2.9 MB) would go" in said
    assert git(scene.origin, "rev-parse", "dvc-storage") == before
    sent = on_terminal(scene, clone, "storage", "compact", "--hours", "0", "--yes")
    assert int(re.findall(r"Writing objects: 100% \((\d+)/", sent)[-1]) < 10
    assert git(scene.origin, "rev-parse", "dvc-storage") != before
    assert lost(scene.origin, scene.origin, "main", "kept") == []


@pytest.mark.slow
def test_a_long_push_shows_how_far_it_is(scene: Scene) -> None:
    """On a terminal; in a log it is quiet."""
    clone = scene.clone("a")
    scene.drive(clone, "save", "large", "5000000")
    assert "Writing objects: 100%" in on_terminal(scene, clone, "push")
    scene.drive(clone, "save", "larger", "5000000")
    assert "Writing" not in scene.command(clone, "push")
