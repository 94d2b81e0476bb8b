"""Train a champion again from its commit alone, and see whether the same bytes come out."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import ProjectError
from ..integrations import git
from ..integrations.digests import directory_digest, file_digest
from ..integrations.process import attached, find
from ..integrations.revisions import pipeline_digests
from ..settings import paths
from ..storage.cache import bring, file_digests
from .lineage import find_champion, trained_in

FOREIGN = ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "PYTHONPATH", "DVC_ROOT")
"""Variables that would send uv or DVC to this project's environment."""


@dataclass(frozen=True)
class Reproduction:
    """The digest that was promoted, the one that came out, and the files that differ."""

    expected: str
    reproduced: str
    differing: list[str]

    def __str__(self) -> str:
        return f"promoted   {self.expected}\nreproduced {self.reproduced}\n" + (
            "the same bytes" if self.expected == self.reproduced else f"different: {', '.join(self.differing)}"
        )


def reproduce(version: str) -> Reproduction:
    """Train the champion of that version again, with the code, data, parameters and libraries of its commit.

    It happens in a worktree of that commit with an environment of its own, and nothing is taken from the
    run cache. Raises ProjectError when other bytes come out, or it cannot be tried.
    """
    champion, _ = find_champion(version)
    commit = trained_in(champion)
    if commit is None:
        raise ProjectError(f"champion {champion.number} is not committed yet: commit it, then reproduce it")
    uv = find("uv")
    raw = pipeline_digests(commit).get(paths.RAW.as_posix())
    cache = bring([raw, champion.digest] if raw else [])
    with worktree(commit) as directory:
        share_cache(directory, cache)
        run = [uv, "run", "--no-default-groups", *(["--locked"] if (directory / "uv.lock").is_file() else [])]
        call([*run, "dvc", "checkout", "--quiet", str(paths.RAW_POINTER)], directory)
        call([*run, "dvc", "repro", "--force", "--no-run-cache", "--no-commit", "train"], directory)
        outcome = Reproduction(
            champion.digest,
            directory_digest(directory / paths.CHALLENGER),
            differing_files(file_digests(cache, champion.digest), directory / paths.CHALLENGER),
        )
    if outcome.expected != outcome.reproduced:
        raise ProjectError(str(outcome))
    return outcome


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """A checkout of a commit in a directory of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        directory = Path(scratch).resolve() / "project"
        git.git("worktree", "add", "--quiet", "--detach", str(directory), commit)
        try:
            yield directory
        finally:
            git.git_or_none("worktree", "remove", "--force", str(directory))
            shutil.rmtree(directory, ignore_errors=True)
            git.git_or_none("worktree", "prune")


def share_cache(directory: Path, cache: Path) -> None:
    """Let the worktree read what this project's DVC cache holds, so that nothing is fetched twice."""
    settings = f"[cache]\n    dir = {cache.as_posix()}\n"
    (directory / ".dvc" / "config.local").write_text(settings, encoding="utf-8")


def call(command: list[str], directory: Path) -> None:
    """Run a command whose output goes straight to the terminal. Raises ProjectError when it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    shown = " ".join(["uv", *command[1:]])
    print(f"$ {shown}", flush=True)
    if attached(command, directory, environment):
        raise ProjectError(f"`{shown}` failed in a worktree of that commit: the reason stands above")


def differing_files(expected: dict[str, str], directory: Path) -> list[str]:
    """The files of a directory that are not as expected, those that are missing included."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    actual = {path.relative_to(directory).as_posix(): file_digest(path) for path in files}
    return sorted(name for name in {*expected, *actual} if expected.get(name) != actual.get(name))
