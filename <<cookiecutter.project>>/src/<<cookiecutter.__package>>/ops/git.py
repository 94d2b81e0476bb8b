"""Git, through its command: run it, and the few questions this project asks of it."""

import os
import shutil
import subprocess
from pathlib import Path

from ..errors import ProjectError
from ..project import load_project

# Git sets these for its hooks; they would send our commands to another repository or index.
OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")


class GitError(ProjectError):
    """Git ended with an error."""


def git(*arguments: str, cwd: Path | None = None, stdin: str = "") -> str:
    """What git prints. Raises GitError with its reason when it fails, ProjectError when there is no git."""
    return run(*arguments, cwd=cwd, stdin=stdin).rstrip("\n")


def answers(*arguments: str, cwd: Path | None = None) -> str | None:
    """What git prints, None where it fails: for questions to which "there is none" is an answer."""
    try:
        return git(*arguments, cwd=cwd)
    except GitError:
        return None


def run(*arguments: str, cwd: Path | None = None, stdin: str = "") -> str:
    """What git prints, to the last line feed."""
    executable = shutil.which("git")
    if executable is None:
        raise ProjectError("git was not found: install it (https://git-scm.com) and open a new terminal")
    done = subprocess.run(
        [executable, *arguments],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name not in OF_A_HOOK},
        input=stdin.encode(),  # as bytes, or Windows would turn line feeds into two characters
        capture_output=True,
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace")
        raise GitError(f"`git {' '.join(arguments)}` failed: {reason(said)}")
    return done.stdout.decode(errors="replace")


def reason(text: str) -> str:
    """The line that tells why git failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("hint:")]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "! ["))]
    return (telling or lines[-1:] or ["it gave no reason"])[0]


def head() -> str | None:
    """The commit that is checked out, None before the first."""
    return answers("rev-parse", "--verify", "--quiet", "HEAD")


def branch() -> str | None:
    """The branch that is checked out, None when it is a bare commit."""
    return answers("symbolic-ref", "--quiet", "--short", "HEAD")


def is_dirty() -> bool:
    """Whether anything differs from the last commit; new files count, ignored ones do not."""
    return bool(git("status", "--porcelain"))


def show(revision: str, path: Path) -> str | None:
    """The text of a file at a revision, None where it was not there."""
    try:
        return run("show", f"{revision}:{path.as_posix()}")
    except GitError:
        return None


def has_origin() -> bool:
    """Whether the repository has a remote `origin` to share with."""
    return answers("remote", "get-url", "origin") is not None


def identity() -> list[str]:
    """Options that name an author where git knows none: the first author in `pyproject.toml`."""
    project = load_project()
    options = []
    for key, fallback in (("user.name", project.author), ("user.email", project.email)):
        if not answers("config", key):
            options += ["-c", f"{key}={fallback}"]
    return options
