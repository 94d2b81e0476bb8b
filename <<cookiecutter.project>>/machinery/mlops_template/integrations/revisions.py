"""What git remembers of results and champions. Only reads."""

import hashlib
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from ..settings import paths
from .dvc import load_yaml, lock_digest, output_digest
from .git import git, git_or_none


@dataclass(frozen=True)
class Champion:
    """A change of `models/champion.dvc`: the `number`-th of its branch, `commit` None while uncommitted."""

    number: int
    digest: str
    commit: str | None

    @property
    def short(self) -> str:
        """The beginning of the digest, enough to name it."""
        return self.digest[:8]


def text_digest(content: str) -> str:
    """MD5 of a text."""
    return hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()


def pipeline_digests(commit: str | None = None) -> dict[str, str]:
    """The digest of each input and output of the pipeline, by `dvc.lock` of a commit or the working tree."""
    stages = load_yaml(paths.LOCK, commit).get("stages", {}).values()
    entries = [entry for stage in stages for entry in (*stage.get("deps", ()), *stage.get("outs", ()))]
    return {entry["path"]: entry["md5"] for entry in entries if "md5" in entry}


def main_branch() -> str:
    """The branch that says what production runs: `main`, that of `origin` where there is no local one."""
    for name in ("main", "origin/main"):
        if git_or_none("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"):
            return name
    return "HEAD"


def commits_of(path: Path, revision: str) -> list[str]:
    """The commits, oldest first, by which `path` changed in the first-parent history of a revision."""
    history = git_or_none("log", "--first-parent", "--reverse", "--format=%H", revision, "--", path.as_posix())
    return (history or "").split()


def champions(revision: str = "HEAD") -> list[Champion]:
    """The champions in the order of their promotion.

    Without another revision than HEAD, a promotion that is not committed yet is the last of them.
    """
    commits: list[str | None] = [*commits_of(paths.CHAMPION_POINTER, revision)]
    if revision == "HEAD":
        commits.append(None)
    promoted: list[Champion] = []
    for commit in commits:
        digest = output_digest(paths.CHAMPION_POINTER, commit)
        if digest and (not promoted or promoted[-1].digest != digest):
            promoted.append(Champion(len(promoted) + 1, digest, commit))
    return promoted


def commit_of_result(digest: str, revision: str) -> str | None:
    """The commit, at or before a revision, whose pipeline made the model of that digest."""
    for commit in reversed(commits_of(paths.LOCK, revision)):
        if pipeline_digests(commit).get(paths.CHALLENGER.as_posix()) == digest:
            return commit
    return None


def commit_of_working_tree() -> str | None:
    """The commit that brought the result that lies in the working tree, None while it is uncommitted."""
    if lock_digest() is None or lock_digest() != lock_digest("HEAD"):
        return None
    return git("log", "--first-parent", "--max-count=1", "--format=%H", "--", paths.LOCK.as_posix())


def extract(commit: str, directory: Path) -> None:
    """Write what a commit says of its result (parameters, lock file, reports) below a directory."""
    wanted = [paths.LOCK, paths.PARAMS, paths.REPORTS]
    listed = git("ls-tree", "-r", "--name-only", commit, "--", *(path.as_posix() for path in wanted))
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "files.zip"
        git("archive", "--format=zip", f"--output={archive}", commit, "--", *listed.splitlines())
        with zipfile.ZipFile(archive) as files:
            files.extractall(directory)
