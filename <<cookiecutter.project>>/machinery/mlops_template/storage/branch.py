"""The branch `dvc-storage`, checked out in `.storage`: a directory for DVC to copy to, shared by git.

Files are named by their content and only ever added, so what two people bring never conflicts. Only
`storage compact` takes some out, and then what is put on top here is what this clone has of its own.
"""

import contextlib
import random
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import ProjectError
from ..integrations.git import GitError, git, git_or_none, head, identity, transfer, tree_with
from ..settings.paths import STORAGE
from ..settings.project import load_project
from .references import complete, local_references

BRANCH = "dvc-storage"
HERE = f"refs/heads/{BRANCH}"
AT_ORIGIN = f"refs/remotes/origin/{BRANCH}"
JOINED = f"refs/{BRANCH}/joined"
"""The commit of origin on which the branch here was last put: what lies below it is not this clone's to bring."""
LIMIT = 100 * 1024**2
"""Bytes. GitHub refuses a larger file, and a branch with one in its history can never be pushed again."""
PORTION = 1024**3
"""Bytes that are committed, and pushed, at a time: GitHub refuses a push of more than 2 GB."""
TRIES = 8
ASIDE = Path(".dvc/tmp/storage")
MAX_LEN_WAIT = 3600
"""Seconds that a command waits for another one in this clone."""
TIMEOUT = 5
"""Seconds in which a git that lost its parent may come to its end."""

# The first commit is the same in every clone, so that branches begun apart can be joined.
FIRST_FILE = ".gitattributes"
FIRST_TEXT = "* -text -filter\n"  # no conversion of line ends on Windows
NOBODY = "storage <storage@localhost>"


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Wait for another command in this clone to be done with the storage, then keep others away from it."""
    lock = FileLock(Path(git("rev-parse", "--git-common-dir")).resolve() / f"{BRANCH}.lock", is_singleton=True)
    try:
        lock.acquire(timeout=1)
    except Timeout:
        print(f"another command works on {BRANCH} in this clone: waiting for it", flush=True)
        try:
            lock.acquire(timeout=MAX_LEN_WAIT)
        except Timeout:
            raise ProjectError(f"another command holds {lock.lock_file} for an hour: end it and try again") from None
    try:
        yield
    finally:
        lock.release()


def ensure() -> None:
    """Make `.storage` the worktree of the branch, wherever that is: here, at origin, or nowhere yet.

    A worktree that was left in the middle of something is brought back to the branch's last commit; what
    DVC copied there and nobody committed stays.
    """
    if not is_attached():
        attach()
    free()
    in_storage("symbolic-ref", "HEAD", HERE)
    in_storage("reset", "--quiet")
    in_storage("checkout-index", "--all", "--force", "--index", "--quiet")


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
    if commit_of(HERE) is None:
        if tip() is None:
            with contextlib.suppress(GitError):  # away from the network a branch is begun here and joined later
                fetch()
        start = tip()
        if start:
            git("update-ref", JOINED, start)
        git("branch", "--no-track", BRANCH, start or first_commit())
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


def free() -> None:
    """Take away the locks of a git that was killed in `.storage`, where only one command works at a time."""
    names = [part for name in ("index.lock", "HEAD.lock", f"{HERE}.lock") for part in ("--git-path", name)]
    for path in git("rev-parse", "--path-format=absolute", *names, cwd=STORAGE).splitlines():
        lock, until = Path(path), time.monotonic() + TIMEOUT
        while lock.exists() and time.monotonic() < until:
            time.sleep(0.1)
        lock.unlink(missing_ok=True)


def first_commit() -> str:
    """The commit with which every storage branch begins."""
    blob = git("hash-object", "-w", "--stdin", stdin=FIRST_TEXT)
    tree = git("mktree", stdin=f"100644 blob {blob}\t{FIRST_FILE}\n")
    return write_commit(tree, [], f"{NOBODY} 946684800 +0000", "Begin the storage of data and models")


def write_commit(tree: str, parents: list[str], author: str, message: str) -> str:
    """A commit with an author, and a time, of choice."""
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {author}", f"committer {author}"]
    return git("hash-object", "-t", "commit", "-w", "--stdin", stdin="\n".join([*lines, "", message, ""]))


def author() -> str:
    """Who commits, and when, as git writes it into a commit."""
    return git(*identity(), "var", "GIT_COMMITTER_IDENT")


def in_storage(*arguments: str, stdin: str = "") -> str:
    """A git command in `.storage`, without hooks and signatures that the user set up for work on code."""
    quiet = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgsign=false")
    return git(*quiet, *arguments, cwd=STORAGE, stdin=stdin)


def commit() -> int:
    """Commit what DVC copied to `.storage`, never a removal or a change. Returns the number of files."""
    untracked = in_storage("ls-files", "-z", "--others", "--exclude=*.tmp", "--", "files").split("\0")
    new = [name for name in untracked if name and (STORAGE / name).stat().st_size <= LIMIT]
    for names in portions(new):
        in_storage("add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul", stdin="\0".join(names))
        message = f"Add {len(names)} of the files named at {head() or 'the first commit'}"
        in_storage(*identity(), "commit", "--quiet", "--message", message)
    return len(new)


def portions(names: Iterable[str]) -> Iterator[list[str]]:
    """Files of the storage by turns, so many as may go in one push."""
    portion: list[str] = []
    size = 0
    for name in names:
        grown = size + (STORAGE / name).stat().st_size
        if portion and grown > PORTION:
            yield portion
            portion, grown = [], (STORAGE / name).stat().st_size
        portion, size = [*portion, name], grown
    if portion:
        yield portion


def contents(revision: str = HERE) -> dict[str, str]:
    """The files that are committed, each with its blob."""
    listed = git("ls-tree", "-r", "-z", revision).split("\0")
    return {line.partition("\t")[2]: line.split()[2] for line in listed if line}


def fetch() -> bool:
    """Learn what the branch at origin holds, in a clone of a single branch too. False: origin has none."""
    listed = git("ls-remote", "--heads", "origin", HERE)
    if not listed:
        git("update-ref", "-d", AT_ORIGIN)
        return False
    if listed.split()[0] != tip():
        transfer("fetch", "--no-tags", "origin", f"+{HERE}:{AT_ORIGIN}")
    return True


def origin_is_empty() -> bool:
    """Whether origin has no branch at all, as it is right after it was made."""
    return not git("ls-remote", "--heads", "origin")


def begin_origin() -> None:
    """Push `main` and this branch at once, of one that is too large for that the first portion."""
    transfer("push", "--no-verify", "origin", "refs/heads/main:refs/heads/main", f"{pieces(HERE)[0]}:{HERE}")


def join() -> None:
    """Put what is new here on top of what is new at origin."""
    if not fetch():
        return
    there = git("rev-parse", AT_ORIGIN)
    if not contains(HERE, there):
        in_storage("reset", "--hard", "--quiet", there if contains(there, HERE) else on_top_of(there))
    git("update-ref", JOINED, there)


def on_top_of(there: str) -> str:
    """A commit that adds to one of origin what this clone has of its own."""
    ours, theirs, joined = contents(), contents(there), commit_of(JOINED)
    brought = git("log", "--format=", "--name-only", "-z", HERE, "--not", there, *([joined] if joined else []))
    own = {key for key in brought.split("\0") if key}
    if joined and not contains(there, joined):  # origin was compacted, not knowing what is here alone
        own |= local_references(BRANCH)
    new = {key: ours[key] for key in complete(own, ours) if key in ours and key not in theirs}
    for names in portions(new):
        tree = tree_with({name: new[name] for name in names}, there)
        there = write_commit(tree, [there], author(), f"Add {len(names)} files on top of what came meanwhile")
    return there


def contains(revision: str, commit: str) -> bool:
    """Whether a commit belongs to the history of a revision."""
    return git_or_none("merge-base", "--is-ancestor", commit, revision) is not None


def publish() -> None:
    """Push the branch on top of what is at origin; where somebody is faster, do it again.

    Raises ProjectError when origin cannot be reached or refuses.
    """
    try:
        for _ in range(TRIES):
            join()
            seen = tip()
            if seen == git("rev-parse", HERE) or pushed(seen):
                git("update-ref", JOINED, HERE)
                return
            time.sleep(random.uniform(0, 1))
        raise GitError(f"{TRIES} times somebody else was faster")
    except GitError as error:
        raise ProjectError(
            f"data and models are kept on this machine but did not get to origin: {error}. "
            f"Fix that, then `uv run {load_project().name} push`"
        ) from error


def pushed(seen: str | None) -> bool:
    """Push. False where origin is no longer as it was `seen`, so that another attempt makes sense."""
    try:
        for commit in pieces(HERE, "--not", *([seen] if seen else [])):
            transfer("push", "--no-verify", "origin", f"{commit}:{HERE}")
    except GitError as error:
        fetch()
        if tip() == seen and "lock" not in str(error):  # the lock is another push under way
            raise
        return False
    return True


def pieces(*new: str) -> list[str]:
    """The commits to push one after the other, so that no push is too large: the branch itself where it is not."""
    large = int(git("rev-list", "--disk-usage", "--objects", *new)) > PORTION
    return git("rev-list", "--reverse", *new).split() if large else [HERE]


def tip() -> str | None:
    """The last commit of the branch at origin, as of the last fetch."""
    return commit_of(AT_ORIGIN)


def commit_of(reference: str) -> str | None:
    """The commit that a reference names, None where it does not exist."""
    return git_or_none("rev-parse", "--verify", "--quiet", reference)
