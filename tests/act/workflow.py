"""What a workflow file says of its start, and of what each job's token may do, which act does not ask."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from .state import LEVELS

Permissions = dict[str, str]

UNSAID: Permissions = {"contents": "read", "packages": "read"}
"""Of a new repository's token where a workflow says nothing."""


def load(workflow: Path) -> dict[str, Any]:
    """A workflow's content."""
    content: dict[str, Any] = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    return content


def triggers(workflow: dict[str, Any]) -> dict[str, Any]:
    """What starts a workflow, by the name of the event. YAML takes a bare `on` for a truth."""
    said = workflow.get("on", workflow.get(True))  # type: ignore[call-overload]
    names = [said] if isinstance(said, str) else said
    return {name: (said[name] if isinstance(said, dict) else None) or {} for name in names}


def granted(workflow: Path, fork: bool) -> dict[str, Permissions]:
    """The permissions of every job that runs steps, by its id, also of those in workflows that are called.

    A fork's pull request only reads. Raises AssertionError where a called workflow asks for more than its
    caller has, which GitHub does not start.
    """
    jobs = dict(_jobs(workflow, None))
    return {job: {scope: "read" if fork else level for scope, level in own.items()} for job, own in jobs.items()}


def _jobs(workflow: Path, ceiling: Permissions | None) -> Iterator[tuple[str, Permissions]]:
    content = load(workflow)
    for name, job in content["jobs"].items():
        asked = job.get("permissions", content.get("permissions"))
        own = (UNSAID if ceiling is None else ceiling) if asked is None else asked
        assert isinstance(own, dict), f"{workflow.name}: the job {name} has permissions: {own}, not a list of its own"
        for scope, level in own.items():
            most = level if ceiling is None else ceiling.get(scope, "none")
            assert LEVELS.index(level) <= LEVELS.index(most), (
                f"{workflow.name}: the job {name} asks for {scope}: {level}, its caller has {most}"
            )
        if "uses" in job:
            yield from _jobs(workflow.parents[2] / job["uses"], own)
        else:
            yield name, own
