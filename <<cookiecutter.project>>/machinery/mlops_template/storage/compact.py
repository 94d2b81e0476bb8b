"""Make the storage branch smaller: one commit of what branches and tags still need, in place of its history.

The only command that takes anything out of the storage. What it does at origin happens at once or not at all, and
only if the branch there is exactly what was looked at.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import ProjectError
from ..integrations import dvc
from ..integrations.git import GitError, git, git_or_none, has_origin, transfer, tree_with
from ..integrations.revisions import champions, commit_of_result
from ..settings.paths import STORAGE
from ..settings.project import load_project
from . import branch, storage
from .references import complete, key, named_in_history, own_references, references_at

ORIGINS = f"refs/{branch.BRANCH}/origin"
"""Where origin's branches and tags are put to be looked at, whatever this clone usually fetches."""

Keep = Literal["history", "champions"]
"""What stays: all that any commit names, or what is named by the last commits and by those of champions."""


@dataclass(frozen=True)
class Compaction:
    """What a compaction would do to a commit of the storage branch. Files are given with their blob."""

    keep: Keep
    hours: float
    commit: str
    old: dict[str, str]
    recent: dict[str, str]
    """Not needed, but added in the last `hours`: the branch that names them may be on its way."""
    dropped: dict[str, str]
    bytes_kept: int
    bytes_dropped: int
    as_of: int
    """When the newest of the `old` was added, in seconds, or `hours` ago where that is earlier."""

    def __str__(self) -> str:
        stays = f"{storage.count(len(self.old) + len(self.recent))} ({megabytes(self.bytes_kept)}) of the storage"
        if not self.dropped:
            return f"nothing to free: {stays} stay{self.young()}{self.hint()}"
        unnamed = {
            "history": "named by no commit of any branch or tag, here or at origin",
            "champions": "named by neither the last commit of a branch, a tag, nor a champion of main. "
            "Older commits that name them can then no longer be pulled",
        }
        gone = f"{storage.count(len(self.dropped))} ({megabytes(self.bytes_dropped)}) would go"
        return f"{gone}: {unnamed[self.keep]}{self.hint()}\n{stays} stay{self.young()}"

    def young(self) -> str:
        """How many stay for their age."""
        return f", {len(self.recent)} of them for being newer than {self.hours:g} hours" if self.recent else ""

    def hint(self) -> str:
        """What would free more."""
        if self.keep == "champions":
            return ""
        return ". `--keep champions` also drops what only older commits name, unless a champion of main came of it"


def plan(keep: Keep, hours: float) -> Compaction:
    """Look what the storage would lose. Raises ProjectError where that cannot be known, such as in a shallow clone."""
    if not storage.is_branch():
        raise ProjectError(
            f"the storage is {dvc.storage_url()}, not a branch: `uv run dvc gc --cloud --all-commits` clears it up"
        )
    if git("rev-parse", "--is-shallow-repository") == "true":
        raise ProjectError("this clone is shallow and does not know what is needed: `git fetch --unshallow` first")
    with branch.alone():
        branch.ensure()
        branch.commit()
        if has_origin():
            branch.publish()
        commit, kept = git("rev-parse", branch.HERE), branch.contents()
        del kept[branch.FIRST_FILE]
        needed, added, since = needed_keys(keep, kept), times_added(commit), int(time.time() - hours * 3600)
        young = complete({name for name, when in added.items() if when > since}, kept)
        old = {name: blob for name, blob in kept.items() if name in needed}
        recent = {name: blob for name, blob in kept.items() if name in young - needed}
        dropped = {name: blob for name, blob in kept.items() if name not in young | needed}
        sizes = {name: (STORAGE / name).stat().st_size for name in kept}
    return Compaction(
        keep=keep,
        hours=hours,
        commit=commit,
        old=old,
        recent=recent,
        dropped=dropped,
        bytes_kept=sum(sizes[name] for name in (*old, *recent)),
        bytes_dropped=sum(sizes[name] for name in dropped),
        as_of=min(since, max((added[name] for name in old), default=since)),
    )


def compact(proposal: Compaction) -> str:
    """Carry a plan out, or a new one of the same kind where somebody pushed meanwhile.

    Returns a line that says what was done. Raises ProjectError when origin refuses.
    """
    for _ in range(branch.TRIES):
        if squash(proposal):
            bring_back(proposal)
            return (
                f"dropped {storage.count(len(proposal.dropped))} ({megabytes(proposal.bytes_dropped)}); commit "
                f"{proposal.commit[:7]} of this clone holds them until git clears it up, after a month or so"
            )
        proposal = plan(proposal.keep, proposal.hours)
    raise ProjectError(f"{branch.TRIES} times somebody pushed meanwhile: nothing was dropped, try again later")


def squash(proposal: Compaction) -> bool:
    """Put the plan's commits in place of the branch, first at origin. False where the branch is another by now."""
    with branch.alone():
        branch.ensure()
        if git("rev-parse", branch.HERE) != proposal.commit:
            return False
        commit = squashed(proposal)
        if has_origin():
            lease = f"--force-with-lease={branch.HERE}:{proposal.commit}"
            know_what_origin_has()
            try:
                transfer("push", "--no-verify", lease, "origin", f"{commit}:{branch.HERE}")
            except GitError as error:
                branch.fetch()
                if branch.tip() != proposal.commit:
                    return False
                raise ProjectError(
                    f"nothing was dropped, for origin refused: {error}. A rule for branches there may forbid it: "
                    f"lift it for {branch.BRANCH}, then `uv run {load_project().name} storage compact`"
                ) from error
            git("update-ref", branch.AT_ORIGIN, commit)
        branch.in_storage("reset", "--hard", "--quiet", commit)
        git("update-ref", branch.JOINED, commit)
    return True


def know_what_origin_has() -> None:
    """Write the bitmap by which git sees that all files are at origin; or a push without history sends each again."""
    git_or_none("repack", "-d", "--quiet")
    git_or_none("multi-pack-index", "write", "--bitmap", "--no-progress")


def squashed(proposal: Compaction) -> str:
    """The commits that come in place of the branch: one of the old files, and one of the recent ones if any."""
    first, now = branch.first_commit(), branch.author()
    who = now.rsplit(" ", 2)[0]
    message = f"Keep {len(proposal.old)} files that are still needed"
    commit = branch.write_commit(tree_with(proposal.old, first), [first], f"{who} {proposal.as_of} +0000", message)
    if proposal.recent:
        tree = tree_with(proposal.recent, commit)
        commit = branch.write_commit(tree, [commit], now, f"Keep {len(proposal.recent)} recent files")
    return commit


def bring_back(proposal: Compaction) -> None:
    """Add again what was dropped and is named by a branch that came to origin in the meantime."""
    with branch.alone():
        needed = needed_keys(proposal.keep, {**branch.contents(), **proposal.dropped})
        again = {name: blob for name, blob in proposal.dropped.items() if name in needed}
        if again:
            tree, message = tree_with(again, branch.HERE), f"Bring {len(again)} files back"
            commit = branch.write_commit(tree, [git("rev-parse", branch.HERE)], branch.author(), message)
            branch.in_storage("reset", "--hard", "--quiet", commit)
            branch.publish()


def needed_keys(keep: Keep, kept: Mapping[str, str]) -> set[str]:
    """What branches, tags and stashes here and at origin need, and the working tree, of the files that are `kept`."""
    references = own_references(branch.BRANCH)
    if has_origin():
        everything = (f"+refs/heads/*:{ORIGINS}/heads/*", f"+refs/tags/*:{ORIGINS}/tags/*")
        transfer("fetch", "--no-tags", "--prune", "origin", *everything)
        references.append(f"--glob={ORIGINS}/*")
    commits = git("rev-list", "--no-walk", *references).split()
    named = named_in_history(*references) if keep == "history" else references_at(champion_commits())
    named |= references_at(commits)
    keys = complete({key(digest) for digest in named} | {file.key for file in dvc.versioned(STORAGE)}, kept)
    for reference in git("for-each-ref", "--format=%(refname)", ORIGINS).split():
        git("update-ref", "-d", reference)
    return keys


def champion_commits() -> set[str]:
    """The commits by which champions came to main, here and at origin, and those that trained them."""
    commits = set()
    for main in ("refs/heads/main", f"{ORIGINS}/heads/main"):
        for champion in champions(main) if git_or_none("rev-parse", "--verify", "--quiet", main) else []:
            trained = commit_of_result(champion.digest, champion.commit) if champion.commit else None
            commits |= {commit for commit in (champion.commit, trained) if commit}
    return commits


def times_added(commit: str) -> dict[str, int]:
    """When each file came to the storage branch, in seconds."""
    added, when = {}, 0
    log = git("log", "--format=time %ct", "--name-only", "--diff-filter=A", "--no-renames", commit)
    for line in log.splitlines():
        if line.startswith("time "):
            when = int(line.removeprefix("time "))
        elif line:
            added[line] = when
    return added


def megabytes(size: int) -> str:
    """`12.3 MB`."""
    return f"{size / 1024**2:.1f} MB"
