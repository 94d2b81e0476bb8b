"""The commit that a retraining starts from: `main` with the fresh data, on a branch that nobody works on."""

from ..champion.decision import decided
from ..errors import ProjectError
from ..integrations import actions, dvc, git
from ..settings import paths
from ..storage import storage

BRANCH = "retrain/next"
"""Made again by each retraining, and gone when it has ended; what a run that died left there is of no use."""


def begin() -> str:
    """Share the fresh data, then the commit that names it, so that other jobs can train on it.

    Returns a line that says so. Raises ProjectError when it was not decided to retrain.
    """
    decision = decided()
    if decision is None or decision.data != dvc.output_digest(paths.RAW_POINTER):
        raise ProjectError("it was not decided to retrain on this data: `retrain --decide` first")
    there = git.branch_at_origin(BRANCH)
    storage.push()
    files = {
        path.as_posix(): git.git("hash-object", "-w", "--", path.as_posix())
        for path in (paths.RAW_POINTER, paths.DECISION)
    }
    base = git.git("rev-parse", "HEAD")
    message = f"Fresh data{f' to {decision.newest}' if decision.newest else ''}"
    tree = git.tree_with(files, base)
    commit = git.git(*git.identity(), "commit-tree", tree, "-p", base, "-m", message)
    git.move_at_origin(BRANCH, there, commit)
    actions.output("base", base)
    actions.output("commit", commit)
    return f"{BRANCH} at origin is {commit[:7]}: main with {decision.new_rows:,} more rows to train on"


def remove(branch: str) -> None:
    """Take a branch away at origin, if it is there."""
    there = git.branch_at_origin(branch)
    if there:
        git.move_at_origin(branch, there, "")
