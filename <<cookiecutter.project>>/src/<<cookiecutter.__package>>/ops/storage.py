"""Where data and models are kept: a branch of this repository, or a bucket or server of your own.

The remote's URL in `.dvc/config` decides. `../.storage` is the branch; with any other, push and pull are
DVC's own, so `uv run dvc remote modify storage url s3://…` is all it takes to move.
"""

from collections.abc import Iterable
from pathlib import Path

from ..errors import ProjectError
from ..paths import CHALLENGER, LOCK, STORAGE
from ..project import load_project
from . import dvc, storage_branch
from .git import answers, git, has_origin


def is_branch() -> bool:
    """Whether data lies on a branch of this repository, rather than in a bucket or on a server."""
    return Path(dvc.storage_url()).resolve() == STORAGE.resolve()


def ensure() -> None:
    """Have the place that DVC copies to. Nothing to do for a bucket."""
    if is_branch():
        storage_branch.ensure()


def push() -> str:
    """Copy what the pipeline and the pointers name to the storage, and look whether it arrived.

    Returns a line that says what was done. Raises ProjectError when something is missing there afterwards.
    """
    if not is_branch():
        sent = dvc.push()
        require(dvc.missing_in_storage())
        return f"{count(sent)} copied to {dvc.storage_url()}"
    storage_branch.ensure()
    refuse_large()
    dvc.push()
    added = storage_branch.commit()
    shared = has_origin()
    if shared:
        storage_branch.publish()
    kept = storage_branch.contents()
    require(file.path for file in dvc.versioned(STORAGE) if file.key not in kept)
    where = "and the branch is at origin" if shared else "which goes to origin once there is one"
    return f"{count(added)} added to the branch {storage_branch.BRANCH}, {where}"


def pull(*paths: Path) -> str:
    """Bring versioned files (all by default) from the storage to where they belong.

    Returns a line that says what was done. Raises ProjectError that names what is missing and who has it.
    """
    refresh()
    try:
        fetched = dvc.pull(*paths)
    except ProjectError:
        missing = dvc.missing_in_storage()
        if missing:
            raise ProjectError(f"{listed(missing)} not in the storage: {remedy(missing)}") from None
        raise
    install_hook()  # from here on this clone's `git push` carries data too
    return f"{count(fetched)} fetched, data and models are those of this commit"


def refresh() -> None:
    """Bring the storage branch up to date with origin. Nothing to do for a bucket."""
    if is_branch():
        storage_branch.ensure()
        storage_branch.commit()
        if has_origin():
            storage_branch.join()


def refuse_large() -> None:
    """Raises ProjectError when a file is larger than GitHub takes."""
    name, cache = load_project().name, dvc.cache()
    for file in dvc.versioned(STORAGE):
        content = cache / file.key
        size = content.stat().st_size if content.exists() else 0
        if size > storage_branch.LIMIT:
            raise ProjectError(
                f"{file.path.as_posix()} has {size / 1024**2:.1f} MB and GitHub takes no file above "
                f"{storage_branch.LIMIT // 1024**2} MB, so data has to move to a bucket: "
                f'`uv add "dvc[s3]"` (or gs, azure, ssh), `uv run dvc remote modify storage url '
                f"s3://my-bucket/{name}`, then `uv run {name} push`"
            )


def require(missing: Iterable[Path]) -> None:
    """Raises ProjectError when anything is missing after a push: this machine does not have it either."""
    paths = list(missing)
    if paths:
        raise ProjectError(f"{listed(paths)} neither in the storage nor on this machine: {remedy(paths)}")


def remedy(missing: list[Path]) -> str:
    """Who can bring it: the author of the commit that names it; or the pipeline makes it anew."""
    name = load_project().name
    pointers = [path.with_name(f"{path.name}.dvc") for path in missing]
    named_in = [str(path) for path in (LOCK, *pointers) if path.exists()]
    author = answers("log", "-1", "--format=%an, who made commit %h,", "--", *named_in) if named_in else None
    anew = f", or `uv run {name} run` here makes it anew" if CHALLENGER in missing else ""
    return f"{author or 'whoever committed its pointer'} has it: `uv run {name} push` there{anew}"


def listed(paths: list[Path]) -> str:
    """The first few names, with their verb."""
    names = sorted({path.as_posix() for path in paths})
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} {'is' if len(names) == 1 else 'are'}"


def count(files: int) -> str:
    """`1 file`, `12 files`."""
    return f"{files} file" if files == 1 else f"{files} files"


def install_hook() -> str | None:
    """Let plain `git push` carry the data. Returns a line for the user where that is left to them."""
    name = load_project().name
    command = f"uv run --no-sync {name} push"
    folder = Path(git("rev-parse", "--git-path", "hooks")).resolve()
    hook = folder / "pre-push"
    if not folder.is_relative_to(Path(git("rev-parse", "--git-common-dir")).resolve()):
        return f"your hooks lie in {folder}: for `git push` to carry data, add `{command}` to pre-push there"
    if hook.exists() and command not in hook.read_text(encoding="utf-8", errors="replace"):
        return f"your own {hook} stays: for `git push` to carry data, add `{command}` to it"
    folder.mkdir(parents=True, exist_ok=True)
    hook.write_text(
        HOOK.format(name=name, branch=storage_branch.BRANCH, command=command), encoding="utf-8", newline="\n"
    )
    hook.chmod(0o755)
    return None


HOOK = """\
#!/bin/sh
# Written by `{name} setup` or `pull`: data and models travel with every `git push`.
while read -r _ _ there _; do
    if [ "$there" = refs/heads/{branch} ]; then
        echo "{branch} travels by itself: push branches by name, such as: git push origin main" >&2
        exit 1
    fi
done
if ! command -v uv >/dev/null; then
    echo "uv was not found, so data cannot travel along: git push --no-verify leaves it behind" >&2
    exit 1
fi
exec {command}
"""
