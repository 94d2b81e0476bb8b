"""Where data and models are kept: a branch of this repository, or a bucket or server of your own.

The remote's URL in `.dvc/config` decides. `../.storage` is the branch; with any other, push and pull are
DVC's own, so `uv run dvc remote modify storage url s3://…` is all it takes to move.
"""

from collections.abc import Iterable
from pathlib import Path

from ..errors import ProjectError
from ..integrations import dvc
from ..integrations.git import GitError, git, git_or_none, has_origin, head
from ..settings.paths import CHALLENGER, LOCK, STORAGE
from ..settings.project import load_project
from . import branch, hooks
from .references import named_in_history


def is_branch() -> bool:
    """Whether data lies on a branch of this repository, rather than in a bucket or on a server."""
    return Path(dvc.storage_url()).resolve() == STORAGE.resolve()


def ensure() -> None:
    """Have the place that DVC copies to. Nothing to do for a bucket."""
    if is_branch():
        with branch.alone():
            branch.ensure()


def require_access() -> None:
    """Raise ProjectError when a bucket or server does not let this machine in, before hours of work lead there."""
    if not is_branch():
        dvc.reach_storage()


def push(*commits: str) -> str:
    """Copy what the pipeline and the pointers name to the storage, and look whether it arrived.

    Along with it goes what the cache has of earlier commits that are not at origin: those that are checked out, and
    `commits` with all below them. Returns a line that says what was done. Raises ProjectError when something of the
    working tree is missing in the storage afterwards.
    """
    if not is_branch():
        sent = dvc.push(unshared(commits))
        require(dvc.missing_in_storage())
        return f"{count(sent)} copied to {dvc.storage_url()}"
    shared = has_origin()
    if shared and branch.origin_is_empty():
        raise ProjectError(
            f"origin has no branch yet: `uv run {load_project().name} push --first` pushes main with its data"
        )
    with branch.alone():
        branch.ensure()
        refuse_large()
        dvc.push(unshared(commits))
        added = branch.commit()
        if shared:
            branch.publish()
        require(not_in(branch.HERE))
    where = "and the branch is at origin" if shared else "which goes to origin once there is one"
    return f"{count(added)} added to the branch {branch.BRANCH}, {where}"


def push_first() -> str:
    """Push `main` and all that it names to an origin that has no branch yet. Returns a line that says so.

    GitHub's default branch becomes the one of the first push, so `main` has to be part of that: a branch of data would
    be looked at by schedules, rules and pull requests. Raises ProjectError when origin has branches.
    """
    name = load_project().name
    if not has_origin():
        raise ProjectError(f"there is no origin: `gh repo create {load_project().repository} --private --source .`")
    if not branch.origin_is_empty():
        raise ProjectError("origin has branches already: `git push` carries data and models")
    if is_branch():
        with branch.alone():
            branch.ensure()
            refuse_large()
            dvc.push(unshared(()))
            branch.commit()
            branch.begin_origin()
        said = push()
    else:
        said = push()
        git("push", "--no-verify", "origin", "main")
    git("branch", "--set-upstream-to=origin/main", "main")
    return f"main is at origin. {said}; `uv run {name} doctor` looks whether all is as it should be"


def unshared(commits: tuple[str, ...]) -> list[str]:
    """The digests that commits not at origin name, as far as the cache holds them and the storage takes them."""
    revisions = [*commits, *(["HEAD"] if head() else [])]
    digests, cache = [], dvc.cache()
    for digest in sorted(named_in_history(*revisions, "--not", "--remotes=origin")) if revisions else []:
        output = dvc.Versioned(Path(), digest)
        files = [cache / file.key for file in (output, *dvc.files_of(output, [cache]))]
        if all(file.is_file() and file.stat().st_size <= branch.LIMIT for file in files):
            digests += ["".join(file.parts[-2:]) for file in files]
    return digests


def pull(*paths: Path) -> str:
    """Bring versioned files (all by default) from the storage to where they belong.

    Returns a line that says what was done. Raises ProjectError that names what is missing and who has it.
    """
    refresh()
    fetched = check_out(*paths)
    hooks.install()  # from here on this clone's `git push` carries data too
    return f"{count(fetched)} fetched, data and models are those of this commit"


def check_out(*paths: Path) -> int:
    """Bring versioned files to where they belong, without asking origin. Returns how many were new on this machine.

    Raises ProjectError that names what is missing and who has it.
    """
    try:
        return dvc.pull(*paths)
    except ProjectError:
        missing = dvc.missing_in_storage()
        if missing:
            raise ProjectError(f"{listed(missing)} not in the storage: {remedy(missing)}") from None
        raise


def lacking() -> list[str]:
    """What the storage does not have of all that the pipeline and the pointers name, by its place in the cache.

    The storage branch is taken as it was last seen. Raises ProjectError when something is neither there nor here.
    """
    ensure()
    missing = set(not_in(branch.HERE) if is_branch() else dvc.missing_in_storage())
    files, cache = [file for file in dvc.versioned(STORAGE) if file.path in missing], dvc.cache()
    require(missing - {file.path for file in files if (cache / file.key).is_file()})
    return sorted({file.key for file in files})


def refresh() -> None:
    """Bring the storage branch up to date with origin. Nothing to do for a bucket."""
    if is_branch():
        with branch.alone():
            branch.ensure()
            branch.commit()
            if has_origin():
                branch.join()


def check() -> str:
    """Bring the storage up to date, and look whether others find there everything that this commit names.

    Returns a line that says so. Raises ProjectError that names what is missing and the command that fixes it.
    """
    if not is_branch():
        missing = dvc.missing_in_storage()
    else:
        if has_origin():
            require_branch()
        refresh()
        missing = not_in(branch.AT_ORIGIN if has_origin() else branch.HERE)
    if not missing:
        return f"the storage has all that this commit names ({place()})"
    cache = dvc.cache()
    if all((cache / file.key).exists() for file in dvc.versioned(STORAGE) if file.path in missing):
        raise ProjectError(f"{listed(missing)} not in the storage, but here: `uv run {load_project().name} push`")
    raise ProjectError(f"{listed(missing)} not in the storage: {remedy(missing)}")


def place() -> str:
    """Where the storage is, in words."""
    if not is_branch():
        return dvc.storage_url()
    return f"branch {branch.BRANCH}{' at origin' if has_origin() else ', no origin yet'}"


def require_branch() -> None:
    """Raises ProjectError when origin cannot be asked, or has no storage branch."""
    name = load_project().name
    try:
        exists = branch.fetch()
    except GitError as error:
        raise ProjectError(
            f"origin could not be asked for the branch {branch.BRANCH}: {error}. `git ls-remote origin` shows the "
            "same: "
            "fix the network or your access to it (in a GitHub job: `contents: read`, and `gh auth setup-git`)"
        ) from error
    if not exists:
        here = branch.commit_of(branch.HERE) is not None
        who = "" if here else "whoever set the project up has it: "
        where = " here" if here else " there"
        raise ProjectError(
            f"origin has no branch {branch.BRANCH}, so no data and models: {who}`uv run {name} push`{where}"
        )


def not_in(revision: str) -> list[Path]:
    """What the pipeline and the pointers name, but a commit of the storage branch does not hold."""
    kept = branch.contents(revision)
    return [file.path for file in dvc.versioned(STORAGE) if file.key not in kept]


def refuse_large() -> None:
    """Raises ProjectError when a file is larger than GitHub takes."""
    name, cache = load_project().name, dvc.cache()
    for file in dvc.versioned(STORAGE):
        content = cache / file.key
        size = content.stat().st_size if content.exists() else 0
        if size > branch.LIMIT:
            raise ProjectError(
                f"{file.path.as_posix()} has {size / 1024**2:.1f} MB and GitHub takes no file above "
                f"{branch.LIMIT // 1024**2} MB, so data has to move to a bucket: "
                f'`uv add "dvc[s3]"` (or gs, azure, ssh), `uv run dvc remote modify storage url '
                f"s3://my-bucket/{name}`, then `uv run {name} push`"
            )


def require(missing: Iterable[Path]) -> None:
    """Raises ProjectError when anything is missing after a push: this machine does not have it either."""
    paths = list(missing)
    if paths:
        raise ProjectError(f"{listed(paths)} neither in the storage nor on this machine: {remedy(paths)}")


def remedy(missing: list[Path]) -> str:
    """Who can bring it: the author of the commit that names it; or the pipeline makes it again."""
    name = load_project().name
    pointers = sorted({named_in(path).as_posix() for path in missing})
    again = f", or `uv run {name} run` here makes it again" if CHALLENGER in missing else ""
    return f"{author_of(pointers)} has it: `uv run {name} push` there{again}"


def named_in(path: Path) -> Path:
    """The file in git that names it: a pointer of its own or of a directory that holds it, or the lock file."""
    pointers = [folder.with_name(f"{folder.name}.dvc") for folder in (path, *path.parents) if folder.name]
    return next((pointer for pointer in pointers if pointer.exists()), LOCK)


def author_of(files: list[str]) -> str:
    """Who last changed them. A shallow clone knows it only of the commits that it has whole."""
    last = (git_or_none("log", "-1", "--format=%H %P|%an, who made commit %h,", "--", *files) or "").partition("|")
    if last[2] and (len(last[0].split()) > 1 or git_or_none("rev-parse", "--is-shallow-repository") == "false"):
        return last[2]
    named = " ".join(files)
    return f"whoever last changed {named} (`git log -1 {named}` in a clone with its history tells)"


def listed(paths: list[Path]) -> str:
    """The first few names, with their verb."""
    names = sorted({path.as_posix() for path in paths})
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} {'is' if len(names) == 1 else 'are'}"


def count(files: int) -> str:
    """`1 file`, `12 files`."""
    return f"{files} file" if files == 1 else f"{files} files"
