"""Git, through its command: run it, and the few questions this project asks of it."""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..errors import ProjectError
from ..settings.project import load_project
from .process import capture, find, followed

# Git sets these for its hooks; they would send our commands to another repository or index.
OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")
PROGRESS = ("Writing objects", "Receiving objects", "Updating files")
"""How the lines begin by which git tells how much of a transfer is through."""


class GitError(ProjectError):
    """Git ended with an error."""


def git(*arguments: str, cwd: Path | None = None, stdin: str = "", index: Path | None = None) -> str:
    """What git prints. Raises GitError with its reason when it fails, ProjectError when there is no git."""
    return run(*arguments, cwd=cwd, stdin=stdin, index=index).rstrip("\n")


def git_or_none(*arguments: str, cwd: Path | None = None) -> str | None:
    """What git prints, None where it fails: for questions to which "there is none" is an answer."""
    try:
        return git(*arguments, cwd=cwd)
    except GitError:
        return None


def switch(branch: str, commit: str) -> None:
    """Switch to a new branch, in a process group of its own: what ends this program then does not stop git halfway."""
    run("switch", "--quiet", "--create", branch, commit, apart=True)


def run(
    *arguments: str, cwd: Path | None = None, stdin: str = "", index: Path | None = None, apart: bool = False
) -> str:
    """What git prints, to the last line feed.

    `index` is used in place of the repository's own; `apart` keeps from git the signals that are sent to the terminal's
    process group.
    """
    variables = environment() | ({"GIT_INDEX_FILE": str(index)} if index else {})
    done = capture([find("git"), *arguments], stdin, cwd, variables, apart=apart)
    if done.code != 0:
        raise failure(arguments, done.err or done.out)
    return done.out


def environment() -> dict[str, str]:
    """The variables of this process, without those of a hook, and English: errors are told apart by their words."""
    return {name: value for name, value in os.environ.items() if name not in OF_A_HOOK} | {"LC_ALL": "C"}


def failure(arguments: tuple[str, ...], said: str) -> GitError:
    """The error of a command that ended with one."""
    return GitError(f"`git {' '.join(arguments)}` failed: {reason(said)}")


def reason(text: str) -> str:
    """The line that tells why git failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("hint:")]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "! ["))]
    return (telling or lines[-1:] or ["it gave no reason"])[0]


def transfer(*arguments: str) -> None:
    """A push or fetch that on a terminal shows how far it is. Raises GitError as `git` does."""
    said: list[str] = []

    def tell(line: str) -> None:
        said.append(line)
        if line.startswith(PROGRESS):
            print(f"\r{line.rstrip()}", end="\n" if "done" in line else "", file=sys.stderr, flush=True)

    if followed([find("git"), *arguments, "--progress" if sys.stderr.isatty() else "--quiet"], tell, env=environment()):
        raise failure(arguments, "".join(said))


def head() -> str | None:
    """The commit that is checked out, None before the first."""
    return git_or_none("rev-parse", "--verify", "--quiet", "HEAD")


def branch() -> str | None:
    """The branch that is checked out, None when it is a bare commit."""
    return git_or_none("symbolic-ref", "--quiet", "--short", "HEAD")


def is_dirty() -> bool:
    """Whether anything differs from the last commit; new files count, ignored ones do not."""
    return bool(git("status", "--porcelain"))


def show(revision: str, path: Path) -> str | None:
    """The text of a file at a revision, None where it was not there."""
    try:
        return run("show", f"{revision}:{path.as_posix()}")
    except GitError:
        return None


def require_commit(revision: str) -> str:
    """The commit that a revision names; one that only origin knows, as in a shallow clone, is fetched.

    Raises ProjectError where there is none.
    """
    verify = ("rev-parse", "--verify", "--quiet")
    commit = git_or_none(*verify, f"{revision}^{{commit}}")
    if commit is None and not revision.startswith("-") and has_origin():
        depth = ("--depth=1",) if git("rev-parse", "--is-shallow-repository") == "true" else ()
        if git_or_none("fetch", "--quiet", "--no-tags", *depth, "origin", revision) is not None:
            commit = git_or_none(*verify, "FETCH_HEAD^{commit}")
    if commit is None:
        raise ProjectError(f"no commit is named {revision}, here or at origin: give a branch, a tag or a commit")
    return commit


def deepen(revision: str) -> bool:
    """Fetch all that came before a revision; whether this clone was shallow and origin gave it."""
    if git("rev-parse", "--is-shallow-repository") != "true":
        return False
    commit = git("rev-parse", f"{revision}^{{commit}}")
    return git_or_none("fetch", "--quiet", "--no-tags", "--unshallow", "origin", commit) is not None


def tree_with(files: Mapping[str, str | None], tree: str) -> str:
    """A tree (or that of a commit) with blobs put at these paths, None to leave one out. Touches no index or file."""
    gone = [path for path, blob in files.items() if blob is None]
    lines = [f"100644 {blob}\t{path}\0" for path, blob in files.items() if blob]
    with tempfile.TemporaryDirectory() as scratch:
        index = Path(scratch) / "index"
        git("read-tree", tree, index=index)
        git("update-index", "-z", "--index-info", stdin="".join(lines), index=index)
        git("update-index", "-z", "--force-remove", "--stdin", stdin="".join(f"{path}\0" for path in gone), index=index)
        return git("write-tree", index=index)


def known(revision: str) -> str:
    """A revision as git knows it here: HEAD, a branch or a tag by its name, any other by its commit.

    Raises ProjectError where there is none.
    """
    if head() is None:
        return revision
    commit = require_commit(revision)
    return revision if git_or_none("rev-parse", "--quiet", "--symbolic-full-name", "--verify", revision) else commit


def has_origin() -> bool:
    """Whether the repository has a remote `origin` to share with."""
    return git_or_none("remote", "get-url", "origin") is not None


def branch_at_origin(branch: str) -> str:
    """The commit of a branch at origin, empty where there is none."""
    return git("ls-remote", "--heads", "origin", f"refs/heads/{branch}").partition("\t")[0]


def move_at_origin(branch: str, there: str, commit: str) -> None:
    """Let a branch at origin be a commit (empty: none), if it is still where it was `there` (empty: nowhere).

    Raises GitError where it is not, or origin refuses.
    """
    lease = f"--force-with-lease=refs/heads/{branch}:{there}"
    git("push", "--quiet", "--no-verify", lease, "origin", f"{commit}:refs/heads/{branch}")


def identity() -> list[str]:
    """Options that name an author where git knows none: the first author in `pyproject.toml`."""
    project = load_project()
    options = []
    for key, fallback in (("user.name", project.author), ("user.email", project.email)):
        if not git_or_none("config", key):
            options += ["-c", f"{key}={fallback}"]
    return options
