"""The files in git that running the pipeline and promoting change, and nothing else: what a commit of results holds."""

from pathlib import Path, PurePosixPath

from ..integrations.git import git
from ..settings import paths

RESULTS = (paths.LOCK.as_posix(), paths.CHAMPION_POINTER.as_posix(), paths.REPORTS.as_posix())


def is_result(name: str) -> bool:
    """Whether a file of that name, relative to the project, is one of them. Names with a leading dot are not."""
    parts = PurePosixPath(name).parts
    plain = parts == tuple(name.split("/")) and not any(part.startswith(".") or "\\" in part for part in parts)
    return plain and (name in RESULTS[:2] or (parts[0] == RESULTS[2] and len(parts) > 1))


def result_files() -> list[str]:
    """Those that are here. What DVC or nobody versions is not among them."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *RESULTS)
    return sorted({name for name in listed.split("\0") if is_result(name) and Path(name).is_file()})


def changed_results() -> dict[str, str | None]:
    """Those that differ from the last commit, with the blob of each, None where it is gone."""
    here = result_files()
    blobs = git("hash-object", "-w", "--stdin-paths", stdin="".join(f"{name}\n" for name in here)).split()
    now = dict(zip(here, blobs, strict=True))
    committed = {}
    for line in git("ls-tree", "-r", "-z", "HEAD", "--", *RESULTS).split("\0"):
        entry, _, name = line.partition("\t")
        if is_result(name):
            committed[name] = entry.split()[2]
    return {name: now.get(name) for name in {**committed, **now} if now.get(name) != committed.get(name)}
