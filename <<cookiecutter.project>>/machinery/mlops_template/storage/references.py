"""Which contents the commits of this repository name, in lock files and pointers. Only reads."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..integrations import dvc
from ..integrations.git import git, head

NAMED = re.compile(r"\b[0-9a-f]{32}(?:\.dir)?\b")
"""A content's MD5. Looked for in the whole text: a digest too many is kept, none is overlooked."""
POINTERS = (":(glob)**/dvc.lock", ":(glob)**/*.dvc")


def references_at(commits: Iterable[str]) -> set[str]:
    """The digests that lock files and pointers of these commits name."""
    blobs = set()
    for commit in commits:
        for line in git("ls-tree", "-r", "-z", commit).split("\0"):
            entry, _, path = line.partition("\t")
            if path.endswith(("dvc.lock", ".dvc")):
                blobs.add(entry.split()[2])
    return digests(blobs)


def named_in_history(*revisions: str) -> set[str]:
    """The digests that lock files and pointers named at any commit of these revisions (as `git log` takes them)."""
    options = ("--format=", "--raw", "--no-abbrev", "--no-renames", "--full-history", "-m", "--root")
    changes = git("log", *options, *revisions, "--", *POINTERS).splitlines()
    return digests({blob for change in changes for blob in change.split()[2:4] if set(blob) != {"0"}})


def digests(blobs: Iterable[str]) -> set[str]:
    """The digests in the texts of blobs."""
    return set(NAMED.findall(git("cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in blobs))))


def key(digest: str) -> str:
    """Where a content lies in the storage."""
    return dvc.Versioned(Path(), digest).key


def complete(keys: Iterable[str], kept: Mapping[str, str]) -> set[str]:
    """The same files, and what those among them name that list a directory, as their `kept` blobs say."""
    named = set(keys)
    return named | {
        key(digest) for digest in digests(kept[name] for name in named if name in kept and name.endswith(".dir"))
    }


def own_references(storage: str) -> list[str]:
    """What `git log` takes for all branches, tags and stashes of this clone, but not the storage and not origin's."""
    without = (f"refs/heads/{storage}", f"refs/{storage}/*", "refs/remotes/origin/*")
    stashes = git("stash", "list", "--format=%H").split()
    return [*(["HEAD"] if head() else []), *(f"--exclude={name}" for name in without), "--all", *stashes]


def local_references(storage: str) -> set[str]:
    """The keys of what commits name that are in this clone alone, and of what its working tree names."""
    unpushed = [*own_references(storage), "--not", "--remotes=origin"]
    ends = git("rev-list", "--no-walk", *own_references(storage)).split()
    alone = [end for end in ends if git("rev-list", "--max-count=1", end, "--not", "--remotes=origin")]
    named = references_at(alone) | named_in_history(*unpushed)
    return {key(digest) for digest in named} | {file.key for file in dvc.versioned(Path())}
