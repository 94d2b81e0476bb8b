"""The log of decisions: a branch of its own, `retrain-log`, to which lines are only ever added.

On `main` it would stand in the way of everybody's pull requests, and a decision not to retrain changes nothing there.
"""

import json
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..integrations.git import (
    GitError,
    branch_at_origin,
    git,
    git_or_none,
    has_origin,
    identity,
    move_at_origin,
    run,
    tree_with,
)
from ..render.cells import Table
from ..render.markdown import table

BRANCH = "retrain-log"
HERE = f"refs/heads/{BRANCH}"
FILE, PAGE = "decisions.jsonl", "README.md"
SHOWN = 200
TRIES = 8

Entry = dict[str, Any]
"""A decision (`retrain` true or false, `why`, `against`, `signals`, `data`, `inputs`) or an `outcome` of one."""


@dataclass(frozen=True)
class Log:
    """What was decided so far, and what came of it, the oldest first."""

    entries: list[Entry]

    def attempts(self, since: datetime) -> list[datetime]:
        """When it was decided to retrain, from a moment on."""
        times = [datetime.fromisoformat(entry["at"]) for entry in self.entries if entry.get("retrain")]
        return [at for at in times if at >= since]

    def outcome(self, data: str, inputs: str) -> Entry | None:
        """What came last of training on this data with these inputs, None where nobody tried or it died."""
        for entry in reversed(self.entries):
            if "outcome" in entry and (entry["data"], entry["inputs"]) == (data, inputs):
                return entry
        return None

    def last_outcome(self) -> datetime | None:
        """When a retraining came to its end."""
        times = [datetime.fromisoformat(entry["at"]) for entry in self.entries if "outcome" in entry]
        return max(times, default=None)


def load() -> Log:
    """The log at origin; without an origin, the one here."""
    text = git_or_none("show", f"{tip()}:{FILE}") if tip() else None
    return Log([json.loads(line) for line in (text or "").splitlines()])


def add(entry: Entry) -> None:
    """Add a line, and share it. Raises GitError where origin cannot be reached or refuses."""
    for _ in range(TRIES):
        there = tip()
        text = (run("show", f"{there}:{FILE}") if there else "") + json.dumps(entry, ensure_ascii=False) + "\n"
        written = {FILE: text, PAGE: page([json.loads(line) for line in text.splitlines()])}
        blobs: dict[str, str | None] = {
            name: git("hash-object", "-w", "--stdin", stdin=content) for name, content in written.items()
        }
        tree = tree_with(blobs, there or git("hash-object", "-t", "tree", "-w", "--stdin"))
        on = ["-p", there] if there else []
        commit = git(*identity(), "commit-tree", tree, *on, "-m", title(entry))
        if not has_origin():
            git("update-ref", HERE, commit)
            return
        try:
            move_at_origin(BRANCH, there or "", commit)
            return
        except GitError:
            if tip() == there:
                raise
        time.sleep(random.uniform(0, 1))
    raise GitError(f"the log of decisions was not written: {TRIES} times somebody else was faster")


def tip() -> str | None:
    """The last commit of the branch: at origin, where there is one."""
    if not has_origin():
        return git_or_none("rev-parse", "--verify", "--quiet", HERE)
    if not branch_at_origin(BRANCH):
        return None
    git("fetch", "--quiet", "--no-tags", "--depth=1", "origin", HERE)
    return git("rev-parse", "FETCH_HEAD")


def now() -> datetime:
    """The time of an entry."""
    return datetime.now(UTC).replace(microsecond=0)


def title(entry: Entry) -> str:
    """A line that says what was added."""
    if "outcome" in entry:
        return f"Outcome: {entry['outcome']}"
    return f"Decision: {'retrain' if entry['retrain'] else 'do not retrain'}"


def page(entries: list[Entry]) -> str:
    """The last entries as a table, the newest first."""
    rows = []
    for entry in reversed(entries[-SHOWN:]):
        said = entry.get("outcome") or ("retrain" if entry["retrain"] else "do not")
        why = entry.get("detail") or "; ".join([*entry.get("why", []), *entry.get("against", [])])
        rows.append([entry["at"][:16].replace("T", " "), entry.get("newest") or "", said, why])
    lines = table(Table(["when", "data to", "", "why"], rows))
    return "\n".join(["# What `retrain` decided, and what came of it", "", *lines]) + "\n"
