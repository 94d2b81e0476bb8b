"""What several tests use: where the template is, and how to run commands beside it."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "<<cookiecutter.project>>"
FOREIGN = ("VIRTUAL_ENV", "UV", "UV_RUN_RECURSION_DEPTH", "PYTHONDONTWRITEBYTECODE")
"""Variables of the environment that runs these tests; a user's terminal has none of them."""


def environment(**changes: str) -> dict[str, str]:
    """The variables of a user's terminal, with `changes`."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN} | changes


def run(*command: str | Path, cwd: Path, check: bool = True, **changes: str) -> str:
    """Run a command and return what it wrote to either stream; it stands in the error when it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(**changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    assert done.returncode == 0 or not check, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def uv_run(project: Path, *command: str, check: bool = True, **changes: str) -> str:
    """Run a command in a project's environment as it is."""
    return run("uv", "run", "--no-sync", *command, cwd=project, check=check, **changes)


def cli(project: Path, *arguments: str, check: bool = True, **changes: str) -> str:
    """Run the project's own command."""
    return uv_run(project, project.name, *arguments, check=check, **changes)


def git(repository: Path, *arguments: str) -> str:
    """Run git and return what it wrote."""
    return run("git", *arguments, cwd=repository).strip()


def commit(repository: Path, message: str, *options: str) -> None:
    """Commit all changes."""
    git(repository, "add", "--all")
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    git(repository, *identity, "commit", "--quiet", "--message", message, *options)


def clone_of(repository: Path | str, folder: Path, name: str) -> Path:
    """A clone of a project in a folder, with its environment, data and models."""
    git(folder, "clone", "--quiet", str(repository), name)
    run("uv", "sync", "--quiet", cwd=folder / name)
    cli(folder / name, "pull")
    return folder / name


def files(folder: Path) -> list[Path]:
    """All files below a folder but git's own, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts)


def wait_for(condition: Callable[[], bool], what: str, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Until it holds, at most 40 seconds, with something done again and again."""
    end = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < end, what
        meanwhile()
        time.sleep(0.2)


def needs(program: str, advice: str) -> str:
    """Where a program is, which a test cannot do without."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if found is None:
        missing(program, advice)
    return str(found)


def missing(program: str, advice: str) -> NoReturn:
    """End a test for want of a program: skipped, saying how to get it; in CI it fails."""
    message = f"{program} is missing: {advice}"
    pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
