"""The releases of a repository elsewhere, by its tags."""

import re

from .git import git

VERSION = re.compile(r"v?(\d+(?:\.\d+)*)$")


def newest_release(address: str) -> str | None:
    """The highest version among the tags of a repository, None where none is one. Raises GitError without an answer."""
    lines = git("ls-remote", "--tags", "--refs", address).splitlines()
    names = [line.rpartition("/")[2] for line in lines]
    versions = [match[1] for match in map(VERSION.match, names) if match]
    return max(versions, key=version_key, default=None)


def version_key(version: str) -> tuple[int, ...]:
    """What versions are sorted by."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
