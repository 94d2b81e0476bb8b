"""Put the result of a retraining on a branch: one commit on top of `main`, data and models before it.

An open pull request of an earlier retraining is brought up to date, unless somebody has worked on its branch.
"""

from dataclasses import dataclass
from typing import Any

from ..champion.decision import Decision, decided
from ..errors import ProjectError
from ..integrations import actions, dvc, gh, git
from ..integrations.checks import CheckSkipped
from ..settings import paths
from ..storage import storage
from ..storage.results import changed_results
from .begin import BRANCH as BEGUN

PREFIX = "retrain/"
TRAILER = "Retrained-on"
"""Of the last line of the commit's message: with it the branch is as the retraining left it."""


@dataclass(frozen=True)
class Delivered:
    """The commit, and the branch at origin that is now there."""

    branch: str
    commit: str

    def __str__(self) -> str:
        return f"{self.branch} at origin is now {self.commit[:7]}, and the storage has what it names"


def publish() -> Delivered:
    """Commit the results on top of the commit before the one that `begin` made, and push them.

    Raises ProjectError where another commit is checked out, or origin refuses.
    """
    decision = decided()
    if decision is None or git.git_or_none("rev-parse", "--verify", "--quiet", "HEAD^") is None:
        raise ProjectError("no retraining is checked out: `ci retraining begin` starts one")
    tree = git.tree_with(changed_results(), "HEAD")
    message = f"{title(decision, promoted())}\n\n{reasons(decision)}\n\n{TRAILER}: {decision.data}"
    commit = git.git(*git.identity(), "commit-tree", tree, "-p", "HEAD^", "-m", message)
    storage.push()
    branch = target(decision)
    git.move_at_origin(branch, git.branch_at_origin(branch), commit)
    actions.output("branch", branch)
    actions.output("commit", commit)
    return Delivered(branch, commit)


def promoted() -> bool:
    """Whether the result brings another champion."""
    return dvc.output_digest(paths.CHAMPION_POINTER) != dvc.output_digest(paths.CHAMPION_POINTER, "HEAD^")


def title(decision: Decision, promoted: bool) -> str:
    """What a retraining brings, on one line."""
    data = f"Retrain on data to {decision.newest}" if decision.newest else "Retrain on fresh data"
    return f"{data}: {'a new champion' if promoted else 'the champion stays'}"


def reasons(decision: Decision) -> str:
    """Why it was retrained, a line each."""
    return "\n".join(f"- {reason}" for reason in decision.why)


def target(decision: Decision) -> str:
    """The branch of the pull request that is open already, else one of its own.

    A branch on which somebody has worked is left alone.
    """
    for branch in open_branches():
        if is_ours(branch):
            return branch
    name = PREFIX + (decision.newest or decision.at[:10])
    number = 1
    while git.branch_at_origin(numbered(name, number)) and not is_ours(numbered(name, number)):
        number += 1
    return numbered(name, number)


def numbered(name: str, number: int) -> str:
    """The name, with a number from the second on."""
    return name if number == 1 else f"{name}-{number}"


def open_branches() -> list[str]:
    """The branches of retrainings that are proposed, the newest first; none where GitHub cannot be asked."""
    try:
        repository = gh.at_origin()
        return [pull["head"]["ref"] for pull in open_pulls(repository)]
    except CheckSkipped:
        return []


def open_pulls(repository: gh.Repository) -> list[dict[str, Any]]:
    """The open pull requests of retrainings, the newest first."""
    pulls = repository.get("/pulls?state=open&base=main&per_page=100")
    own = [
        pull
        for pull in pulls
        if pull["head"]["ref"].startswith(PREFIX) and (pull["head"]["repo"] or {}).get("full_name") == repository.name
    ]
    return sorted(own, key=lambda pull: -pull["number"])


def is_ours(branch: str) -> bool:
    """Whether the last commit of a branch is that of a retraining: nobody has added to it."""
    fetched = git.git_or_none("fetch", "--quiet", "--no-tags", "--depth=1", "origin", f"refs/heads/{branch}")
    if branch == BEGUN or fetched is None:
        return False
    return bool(git.git("log", "-1", f"--format=%(trailers:key={TRAILER})", "FETCH_HEAD"))
