"""The repository itself, asked and changed beside its server."""

import fnmatch
import subprocess
from pathlib import Path
from typing import Any

import yaml

from .state import BOT, Refused, State
from .workflow import triggers

ORIGIN = "origin.git"
WORKFLOWS = ".github/workflows"
TYPES = ["opened", "synchronize", "reopened"]
"""Of a pull request's events, where a workflow names none."""


def in_origin(folder: Path, *arguments: str) -> str:
    """Ask git at origin. Raises Refused where it does not know."""
    done = subprocess.run(["git", *arguments], cwd=folder / ORIGIN, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise Refused(done.stderr.strip() or done.stdout.strip() or f"git {arguments[0]} failed")
    return done.stdout.strip()


def head(folder: Path, branch: str) -> str | None:
    """The commit a branch is at, if there is one."""
    try:
        return in_origin(folder, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
    except Refused:
        return None


def merged(folder: Path, base: str, head: str, message: str, author: str, squash: bool = False) -> str:
    """The commit that merging makes. Raises Refused on a conflict."""
    tree = in_origin(folder, "merge-tree", "--write-tree", base, head)
    who = ("-c", f"user.name={author}", "-c", "user.email=noreply@github.com")
    parents = ("-p", base, *(() if squash else ("-p", head)))
    return in_origin(folder, *who, "commit-tree", tree, *parents, "-m", message)


def start(held: State, folder: Path, actor: str, event: str, branch: str, commit: str, **about: Any) -> None:
    """Note the workflows that an event starts. What a job does with its own token starts none.

    Since June 2026 its pull requests and their commits do raise events, whose runs wait for a person's approval and
    stand as completed with `action_required` (orgs/community discussion 199292, cuttlefisch/mae#676).

    `branch` is what the workflow's filter is held against, `commit` where its file is read; `about` may give the
    `action` and the commit `before`.
    """
    if actor == BOT and event != "pull_request":
        return
    for path in in_origin(folder, "ls-tree", "--name-only", commit, f"{WORKFLOWS}/").splitlines():
        started = triggers(yaml.safe_load(in_origin(folder, "show", f"{commit}:{path}")))
        if event in started and wanted(started[event], event, branch, commit, folder, **about):
            found = {"workflow": Path(path).name, "event": event, "actor": actor, "branch": branch, "sha": commit}
            held["await_approval" if actor == BOT else "would_start"].append(found | about)


def wanted(
    filters: State, event: str, branch: str, commit: str, folder: Path, action: str = "", before: str | None = None
) -> bool:
    """Whether a trigger's filters let the event through."""
    if event == "pull_request" and action not in filters.get("types", TYPES):
        return False
    if event == "push" and "tags" in filters and "branches" not in filters:
        return False
    if before and "paths" in filters:
        changed = in_origin(folder, "diff", "--name-only", before, commit).splitlines()
        if not any(fnmatch.fnmatch(name, pattern) for name in changed for pattern in filters["paths"]):
            return False
    return any(fnmatch.fnmatch(branch, pattern) for pattern in filters.get("branches", ["*"]))


def dispatched(folder: Path, workflow: str, branch: str, inputs: dict[str, str]) -> State:
    """A workflow that is started by hand. Raises Refused where that cannot be, or not so."""
    content = yaml.safe_load(in_origin(folder, "show", f"refs/heads/{branch}:{WORKFLOWS}/{workflow}"))
    may_dispatch(workflow, content, inputs)
    return {"workflow": workflow, "ref": branch, "sha": head(folder, branch), "inputs": inputs}


def may_dispatch(name: str, content: State, inputs: dict[str, str]) -> State:
    """The inputs with their defaults. Raises Refused where the workflow cannot be started so."""
    started = triggers(content)
    if "workflow_dispatch" not in started:
        raise Refused(f"Workflow {name} does not have 'workflow_dispatch' trigger")
    known = started["workflow_dispatch"].get("inputs", {})
    unexpected = inputs.keys() - known.keys()
    if unexpected:
        raise Refused(f"Unexpected inputs provided: {sorted(unexpected)}")
    return {name: str(about.get("default", "")) for name, about in known.items()} | inputs
