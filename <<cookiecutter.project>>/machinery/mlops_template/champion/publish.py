"""Commit what the pipeline made, and share it: data and models first, then the branch that names them.

Nothing is ever overwritten: a branch that moved while the pipeline ran is left as it is.
"""

from dataclasses import dataclass

from ..errors import ProjectError
from ..integrations import actions
from ..integrations.git import (
    GitError,
    branch_at_origin,
    git,
    git_or_none,
    has_origin,
    identity,
    move_at_origin,
    tree_with,
)
from ..settings.project import load_project
from ..storage import storage
from ..storage.results import changed_results

DEPENDABOT = "\n\n[dependabot skip]"
"""What lets Dependabot go on to rebase its branch over a commit of ours, which is made again there."""


@dataclass(frozen=True)
class Published:
    """The commit that `publish` put on a branch, None where there was nothing to commit."""

    branch: str
    commit: str | None

    def __str__(self) -> str:
        if self.commit is None:
            return "nothing to publish: the results are those of the commit"
        return f"{self.branch} at origin is now {self.commit[:7]}, and the storage has what it names"


def publish(branch: str, message: str | None = None) -> Published:
    """Commit the results (`dvc.lock`, the reports, the champion's pointer) on top of `branch` at origin.

    In a checkout of a pull request, which is the merge of two branches, the commit goes on top of the one that is
    to be merged. Here, too, it is the last commit then. Raises ProjectError when the branch is no longer
    where the checked-out commit found it, or origin refuses.
    """
    if not has_origin():
        raise ProjectError("there is no remote to publish to: `git remote add origin URL`")
    changed = changed_results()
    if not changed:
        return Published(branch, None)
    there = branch_at_origin(branch)
    if there in starts():
        message = message or f"Add the results of {git('rev-parse', '--short', 'HEAD')}"
        commit = make_commit(changed, there, message + (DEPENDABOT if branch.startswith("dependabot/") else ""))
        storage.push()
        share(commit, branch, there)
        git("reset", "--quiet", "--soft", commit)
        git("add", "--", *changed)
    elif is_published(changed, branch):
        commit = there
    else:
        raise moved(branch, there)
    actions.output("commit", commit)
    return Published(branch, commit)


def starts() -> list[str]:
    """Where a branch is that has not moved: at the checked-out commit, or at the one that was merged into it."""
    commits = (git_or_none("rev-parse", "--verify", "--quiet", revision) for revision in ("HEAD^2", "HEAD"))
    return [commit for commit in commits if commit]


def make_commit(changed: dict[str, str | None], start: str, message: str) -> str:
    """The commit of the results, on no branch yet. What `HEAD` merged into `start` is merged by it, too."""
    tree, parents = beginning(start)
    on = [option for parent in parents for option in ("-p", parent)]
    return git(*identity(), "commit-tree", tree_with(changed, tree), *on, "-m", message)


def beginning(start: str) -> tuple[str, list[str]]:
    """The tree that the results are put into, and the parents of their commit.

    Raises ProjectError where the commit would have to bring workflows along, which GitHub refuses.
    """
    here = git("rev-parse", "HEAD")
    if start == here:
        return here, [here]
    # A workflow's token may not push other versions of workflows, so nothing is merged for their sake.
    if git_or_none("diff", "--quiet", start, here, "--", ".", ":(exclude).github") is not None:
        return start, [start]
    if git_or_none("diff", "--quiet", start, here, "--", ".github/workflows") is None:
        raise ProjectError(
            "nothing was published: the base branch brought other workflows, which a job may not push, so merge it "
            "into this branch (`Update branch` on the pull request); the run after that publishes"
        )
    return here, [start, git("rev-parse", "HEAD^1")]


def is_published(changed: dict[str, str | None], branch: str) -> bool:
    """Whether the branch has moved by this very commit, as when a job is run again."""
    if git_or_none("fetch", "--quiet", "--no-tags", "origin", f"refs/heads/{branch}") is None:
        return False
    start = git_or_none("rev-parse", "--verify", "--quiet", "FETCH_HEAD^1")
    if start not in starts():
        return False
    return tree_with(changed, beginning(start)[0]) == git("rev-parse", "FETCH_HEAD^{tree}")


def share(commit: str, branch: str, there: str) -> None:
    """Push a commit to a branch, if that is still where it was `there`."""
    # The lease forces nothing, for the commit is on top of `there`: it also refuses a branch that went back or away.
    try:
        move_at_origin(branch, there, commit)
    except GitError as error:
        now = branch_at_origin(branch)
        if now == there:
            raise ProjectError(
                f"data and models are in the storage, but {branch} was not pushed: {error}. "
                f"Fix that, then `uv run {load_project().name} ci publish --branch {branch}`"
            ) from error
        if now != commit:
            raise moved(branch, now) from error


def moved(branch: str, now: str) -> ProjectError:
    """Who was faster; their work stays as it is."""
    if not now:
        state = "is not there any more"
    elif git_or_none("fetch", "--quiet", "--no-tags", "origin", f"refs/heads/{branch}") is None:
        state = f"is at {now[:7]}"
    else:
        state = f"is at {git('log', '-1', '--format=%h by %an (%s)', 'FETCH_HEAD')}"
    return ProjectError(
        f"{branch} moved meanwhile: at origin it {state}, and these results are of {starts()[0][:7]}. "
        "Nothing was overwritten; a run for the newer commit brings its own"
    )
