"""Versioned content by its digest: out of DVC's cache, which is filled from the storage first."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from ..errors import ProjectError
from .dvc import Versioned, files_of, of_the_storage, repository


def bring(digests: Iterable[str]) -> Path:
    """Fetch what the cache lacks of these files and directories, and give the cache.

    What the storage does not have is left out, with a line when it could not be asked.
    """
    with repository() as repo:
        cache = Path(repo.cache.local.path).parents[1]
        missing = {digest for digest in digests if digest and not is_complete(cache, digest)}
        if missing:
            from dvc_data.hashfile.hash_info import HashInfo

            try:
                with of_the_storage("pull from"):
                    repo.cloud.pull([HashInfo("md5", digest) for digest in sorted(missing)])
            except ProjectError as error:
                print(error, flush=True)
        return cache


def is_complete(cache: Path, digest: str) -> bool:
    """Whether the cache holds a file, or a directory with all its files."""
    whole = Versioned(Path(), digest)
    return all((cache / found.key).is_file() for found in (whole, *files_of(whole, [cache])))


def copy_out(cache: Path, digest: str, directory: Path) -> Path | None:
    """Write the directory of a digest to `directory` and give it back, None where the cache lacks some."""
    if not digest or not is_complete(cache, digest):
        return None
    for file in files_of(Versioned(directory, digest), [cache]):
        file.path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(cache / file.key, file.path)
    return directory


def file_digests(cache: Path, digest: str) -> dict[str, str]:
    """The digest of each file in a directory, by its path within."""
    return {file.path.as_posix(): file.md5 for file in files_of(Versioned(Path(), digest), [cache])}
