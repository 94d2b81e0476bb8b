"""Versioned content by its digest: out of DVC's cache, which is filled from the storage first."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from ..errors import ProjectError
from ..integrations import dvc
from . import storage


def bring(digests: Iterable[str]) -> Path:
    """Fetch what the cache lacks of these files and directories, and give the cache.

    What the storage does not have is left out; that it could not be asked is said in a line.
    """
    wanted, cache = {digest for digest in digests if digest}, dvc.cache()
    try:
        if not all(is_complete(cache, digest) for digest in wanted):
            storage.refresh()
            fetch(digest for digest in wanted if not (cache / key(digest)).is_file())
            parts = [part for digest in wanted for part in contents(cache, digest)]
            fetch(part.md5 for part in parts if not (cache / part.key).is_file())
    except ProjectError as error:
        print(error, flush=True)
    return cache


def fetch(digests: Iterable[str]) -> None:
    """Copy contents from the storage to the cache; of a directory only its list."""
    missing = sorted(set(digests))
    if missing:
        from dvc_data.hashfile.hash_info import HashInfo

        with dvc.repository() as repo, dvc.of_the_storage("pull from"):
            repo.cloud.pull([HashInfo("md5", digest) for digest in missing])


def key(digest: str) -> str:
    """Where a content lies in the cache."""
    return dvc.Versioned(Path(), digest).key


def contents(cache: Path, digest: str, directory: Path = Path()) -> list[dvc.Versioned]:
    """What a directory of that digest holds, its files named below `directory`."""
    return dvc.files_of(dvc.Versioned(directory, digest), [cache])


def is_complete(cache: Path, digest: str) -> bool:
    """Whether the cache holds a file, or a directory with all its files."""
    keys = [key(digest), *(part.key for part in contents(cache, digest))]
    return all((cache / name).is_file() for name in keys)


def copy_out(cache: Path, digest: str, directory: Path) -> Path | None:
    """Write the directory of a digest to `directory` and give it back, None where the cache lacks some."""
    if not digest or not is_complete(cache, digest):
        return None
    for file in contents(cache, digest, directory):
        file.path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(cache / file.key, file.path)
    return directory


def file_digests(cache: Path, digest: str) -> dict[str, str]:
    """The digest of each file in a directory, by its path within."""
    return {file.path.as_posix(): file.md5 for file in contents(cache, digest)}
