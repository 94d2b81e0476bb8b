"""`update`: a newer version of the template on a branch of its own, with what the owner changed kept."""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ProjectError
from ..integrations.git import GitError, environment, git, git_or_none, head, is_dirty, switch
from ..integrations.process import capture
from ..settings import paths
from ..settings.record import FILE, Answers, Record, load_record
from .merge import MACHINERY, Merged, commit, entry, merge, with_file
from .message import changelog, summary
from .questions import Ask, answered
from .template import Template, cloned

LOCK = "uv.lock"


@dataclass(frozen=True)
class Updated:
    """What came of it; `branch` is None where the version changes nothing here."""

    version: str
    branch: str | None
    text: str
    conflicts: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return self.text


def update(template: str | None, to: str | None, changed: Answers, ask: Ask, say: Callable[[str], None]) -> Updated:
    """Merge a version of the template into the project, on a new branch with one commit, or with conflicts to resolve.

    `template` is a URL or a directory, by default the address that is recorded; `changed` are answers to be other than
    recorded; `ask` is asked what is new. Until the last step, which switches to the branch, nothing of the project is
    touched. Raises ProjectError when the working tree has changes, or when a version does not render.
    """
    start = head()
    if start is None or is_dirty():
        raise ProjectError(
            "the working tree has changes, and an update would mix with them: commit or stash them first"
        )
    record = load_record(git_or_none("show", f"HEAD:{FILE}"))
    address = template or record.template
    if address is None:
        raise ProjectError("the project was made from a directory: name the template with --template URL-OR-DIRECTORY")
    say(f"fetching {address}")
    with cloned(address) as source:
        old, new = source.old(record), source.newest(to, local=Path(address).is_dir())
        version = source.version(new)
        if old == new and not changed:
            return Updated(version, None, f"the project is at version {version} of the template already")
        branch = f"update-{version}"
        if git_or_none("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}"):
            raise ProjectError(f"there is a branch {branch} already: merge it, or `git branch -D {branch}`")
        given = answered(source.questions(new), source.questions(old), record.answers, changed, ask)
        say(f"rendering version {record.version} and version {version}")
        base, theirs = source.render(old, record.answers), source.render(new, given.answers)
        return merged_into(start, base, theirs, source, (old, new), given.lines, record, branch, version)


def merged_into(
    start: str,
    base: str,
    theirs: str,
    source: Template,
    commits: tuple[str, str],
    lines: list[str],
    record: Record,
    branch: str,
    version: str,
) -> Updated:
    """The merge of two renderings into the commit that is checked out, on the branch."""
    before = git("rev-parse", f"{start}^{{tree}}")
    base, theirs = (git("rev-parse", f"{one}^{{tree}}") for one in (base, theirs))
    ours, migrated = migrations(before, theirs, record.version, version)
    # All three, so that they are written in one way and only what somebody changed differs.
    base, theirs = (migrations(tree, theirs, record.version, version)[0] for tree in (base, theirs))
    written = record_text(theirs, record)
    merged = merge(*(with_file(tree, FILE.as_posix(), written) for tree in (base, theirs, ours)))
    if merged.tree == with_file(before, FILE.as_posix(), written) and not merged.conflicts:
        return Updated(version, None, f"version {version} of the template changes nothing here")
    locked = merged.tree if merged.conflicts else with_lock(merged.tree)
    news = changelog(source.file(commits[1], "CHANGELOG.md") or "", record.version, version)
    text = summary(version, git_changes(before, merged.tree), merged, lines, migrated, news)
    if not merged.conflicts:
        result = commit(locked or merged.tree, start)
        if locked is None:
            text += f"\n\n{LOCK} could not be brought up to date: `uv lock`, then `git commit --amend -a --no-edit`"
        message = git("commit-tree", f"{result}^{{tree}}", "-p", start, "-F", "-", stdin=text)
        switch(branch, message)
        return Updated(version, branch, f"{text}\n\nnext: look at it, `run`, then merge the branch {branch}")
    leave_conflicts(start, branch, merged, text)
    names = "\n".join(f"  {name}" for name in merged.conflicts)
    return Updated(
        version,
        branch,
        f"{text}\n\nconflicts, with git's markers, on the branch {branch}:\n{names}\n"
        f"next: resolve them, `git add` each, `uv lock`, `git add {LOCK}`, `git commit`. "
        f"Back as it was: `git reset --hard && git switch - && git branch -D {branch}`",
        merged.conflicts,
    )


def record_text(theirs: str, record: Record) -> str:
    """The record of the new version, with the address that the project knows."""
    content = json.loads(git("show", f"{theirs}:{FILE}"))
    return json.dumps(content | {"template": record.template}, indent=2, ensure_ascii=False) + "\n"


def leave_conflicts(start: str, branch: str, merged: Merged, text: str) -> None:
    """The merged tree in index and working tree, conflicts with their stages, on the new branch."""
    switch(branch, start)
    git("read-tree", "-m", "-u", start, merged.tree)
    git("update-index", "-z", "--index-info", stdin=merged.stages)
    place = Path(git("rev-parse", "--git-path", "MERGE_MSG"))
    place.write_text(f"{text}\n", encoding="utf-8")


def git_changes(before: str, after: str) -> list[str]:
    """The owner's files that differ, each with how: `M README.md`."""
    options = ("--name-status", "--find-renames", "--no-color")
    listed = git("diff-tree", "-r", *options, before, after, "--", ".", f":(exclude){MACHINERY}")
    return [line.replace("\t", " ") for line in listed.splitlines()]


def migrations(tree: str, theirs: str, since: str, to: str) -> tuple[str, list[str]]:
    """(a tree whose params.yaml is as the new version has it, what was done), by the new version's own code."""
    text = git_or_none("show", f"{tree}:{paths.PARAMS}")
    module = "mlops_template.update.migrations"
    if text is None or entry(theirs, f"{MACHINERY}/mlops_template/update/migrations.py") is None:
        return tree, []
    with tempfile.TemporaryDirectory() as scratch:
        index = Path(scratch) / "index"
        git("read-tree", f"{theirs}:{MACHINERY}", index=index)
        git("checkout-index", "--all", f"--prefix={scratch}/new/", index=index)
        done = capture(
            [sys.executable, "-m", module, since, to],
            text + "\n",
            Path(scratch) / "new",
            environment() | {"PYTHONPATH": f"{scratch}/new"},
        )
    if done.code:
        reason = (done.err.strip().splitlines() or ["no reason given"])[-1]
        raise ProjectError(f"{paths.PARAMS} could not be migrated to version {to}: {reason}")
    lines = [line for line in done.err.splitlines() if line]
    return (with_file(tree, paths.PARAMS.as_posix(), done.out), lines) if lines else (tree, [])


def with_lock(tree: str) -> str | None:
    """The tree with the lock file that fits it; None where uv could not make it."""
    if entry(tree, LOCK) is None:
        return tree
    with tempfile.TemporaryDirectory() as scratch:
        index, folder = Path(scratch) / "index", Path(scratch) / "project"
        git("read-tree", tree, index=index)
        git("checkout-index", "--all", f"--prefix={folder}/", index=index)
        try:
            done = capture(["uv", "lock", "--quiet"], cwd=folder)
        except OSError:
            return None
        if done.code:
            return None
        try:
            return with_file(tree, LOCK, (folder / LOCK).read_text(encoding="utf-8"))
        except (OSError, GitError):
            return None
