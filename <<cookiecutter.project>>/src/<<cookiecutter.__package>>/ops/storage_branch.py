"""The branch `dvc-storage`, checked out in `.storage`: a directory for DVC to copy to, shared by git.

Files are named by their content and only ever added, so what two people bring never conflicts.
"""

import contextlib
import random
import shutil
import time
from pathlib import Path

from ..errors import ProjectError
from ..paths import STORAGE
from ..project import load_project
from .git import GitError, answers, git, head, identity

BRANCH = "dvc-storage"
AT_ORIGIN = f"refs/remotes/origin/{BRANCH}"
LIMIT = 100 * 1024**2
"""Bytes. GitHub refuses a larger file, and a branch with one in its history can never be pushed again."""
TRIES = 8
ASIDE = Path(".dvc/tmp/storage")

# The first commit is the same in every clone, so that branches begun apart can be joined.
FIRST_FILE = ".gitattributes"
FIRST_TEXT = "* -text -filter\n"  # no conversion of line ends on Windows
NOBODY = "storage <storage@localhost> 946684800 +0000"


def ensure() -> None:
    """Make `.storage` the worktree of the branch, wherever that is: here, at origin, or nowhere yet.

    A worktree that was left in the middle of something is brought back to the branch's last commit; what
    DVC copied there and nobody committed stays.
    """
    if not is_attached():
        attach()
    answers("rebase", "--quit", cwd=STORAGE)
    in_storage("symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
    in_storage("reset", "--hard", "--quiet")


def is_attached() -> bool:
    """Whether `.storage` is a worktree of this repository. Mends its links when the project moved."""
    pointer = STORAGE / ".git"
    if not pointer.is_file():
        return False
    common = Path(git("rev-parse", "--git-common-dir")).resolve()
    own = common / "worktrees" / Path(pointer.read_text(encoding="utf-8").strip()).name
    if not own.is_dir():
        return False
    pointer.write_text(f"gitdir: {own.as_posix()}\n", encoding="utf-8", newline="\n")
    back = (Path.cwd() / pointer).as_posix()
    (own / "gitdir").write_text(f"{back}\n", encoding="utf-8", newline="\n")
    return True


def attach() -> None:
    """Check the branch out in `.storage`; files that DVC put there before are kept."""
    if answers("rev-parse", "--verify", "--quiet", f"refs/heads/{BRANCH}") is None:
        with contextlib.suppress(GitError):  # away from the network a branch is begun here and joined later
            fetch()
        start = tip() or first_commit()
        git("branch", "--no-track", BRANCH, start)
    if STORAGE.exists() and not ASIDE.exists():
        ASIDE.parent.mkdir(parents=True, exist_ok=True)
        STORAGE.rename(ASIDE)
    git("worktree", "prune")
    # Forced, because where the project itself has several worktrees each has a `.storage`.
    git("-c", "core.hooksPath=/dev/null", "worktree", "add", "--force", str(STORAGE), BRANCH)
    for file in ASIDE.glob("files/md5/*/*"):
        target = STORAGE / file.relative_to(ASIDE)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            file.rename(target)
    shutil.rmtree(ASIDE, ignore_errors=True)


def first_commit() -> str:
    """The commit with which every storage branch begins."""
    blob = git("hash-object", "-w", "--stdin", stdin=FIRST_TEXT)
    tree = git("mktree", stdin=f"100644 blob {blob}\t{FIRST_FILE}\n")
    content = f"tree {tree}\nauthor {NOBODY}\ncommitter {NOBODY}\n\nBegin the storage of data and models\n"
    return git("hash-object", "-t", "commit", "-w", "--stdin", stdin=content)


def in_storage(*arguments: str, stdin: str = "") -> str:
    """A git command in `.storage`, without hooks and signatures that the user set up for work on code."""
    quiet = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgsign=false")
    return git(*quiet, *arguments, cwd=STORAGE, stdin=stdin)


def commit() -> int:
    """Commit what DVC copied to `.storage`, never a removal or a change. Returns the number of files."""
    found = in_storage("ls-files", "-z", "--others", "--exclude=*.tmp").split("\0")
    new = [name for name in found if name and (STORAGE / name).stat().st_size <= LIMIT]
    if new:
        in_storage("add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul", stdin="\0".join(new))
        message = f"Add {len(new)} of the files named at {head() or 'the first commit'}"
        in_storage(*identity(), "commit", "--quiet", "--message", message)
    return len(new)


def contents() -> set[str]:
    """The files that are committed."""
    return set(in_storage("ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0"))


def fetch() -> bool:
    """Learn what the branch at origin holds, in a clone of a single branch too. False: origin has none."""
    if not git("ls-remote", "--heads", "origin", f"refs/heads/{BRANCH}"):
        git("update-ref", "-d", AT_ORIGIN)
        return False
    git("fetch", "--quiet", "--no-tags", "origin", f"+refs/heads/{BRANCH}:{AT_ORIGIN}")
    return True


def join() -> None:
    """Put what is new here on top of what is new at origin."""
    if fetch():
        in_storage(*identity(), "rebase", "--quiet", AT_ORIGIN)


def publish() -> None:
    """Push the branch on top of what is at origin; where somebody is faster, do it again.

    Raises ProjectError when origin cannot be reached or refuses.
    """
    try:
        for _ in range(TRIES):
            join()
            seen = tip()
            if seen == git("rev-parse", BRANCH) or pushed(seen):
                return
            time.sleep(random.uniform(0, 1))
        raise GitError(f"{TRIES} times somebody else was faster")
    except GitError as error:
        raise ProjectError(
            f"data and models are kept on this machine but did not get to origin: {error}. "
            f"Mend that, then `uv run {load_project().name} push`"
        ) from error


def pushed(seen: str | None) -> bool:
    """Push. False where origin is no longer as it was `seen`, so that another attempt makes sense."""
    try:
        git("push", "--no-verify", "--quiet", "origin", f"refs/heads/{BRANCH}")
    except GitError as error:
        fetch()
        if tip() == seen and "lock" not in str(error):  # the lock is another push under way
            raise
        return False
    return True


def tip() -> str | None:
    """The last commit of the branch at origin, as of the last fetch."""
    return answers("rev-parse", "--verify", "--quiet", AT_ORIGIN)
