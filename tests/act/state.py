"""What GitHub knows beyond git, in a JSON file that the tests, the actions' stand-ins and `gh` share."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FOLDER = "STAND_IN_FOLDER"
LEVELS = ("none", "read", "write")

State = dict[str, Any]


class Refused(Exception):
    """GitHub would refuse this."""


def folder() -> Path:
    """Where this GitHub lies, for a program that a workflow started."""
    return Path(os.environ[FOLDER])


@contextmanager
def state(folder: Path) -> Iterator[State]:
    """Read the state, and write what the caller made of it, one at a time."""
    file = folder / "state.json"
    with (folder / "state.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = json.loads(file.read_text(encoding="utf-8"))
        yield held
        file.write_text(json.dumps(held, indent=1), encoding="utf-8")


def record(folder: Path, what: str, **entry: Any) -> None:
    """Add a line to a list of what happened."""
    with state(folder) as held:
        held[what].append(entry)


def require(held: State, job: str, *allowed: tuple[str, str]) -> None:
    """Raises Refused unless the job's token has one of these permissions, such as ("contents", "write")."""
    own = held["permissions"].get(job, {})
    if not any(LEVELS.index(own.get(scope, "none")) >= LEVELS.index(level) for scope, level in allowed):
        wanted = " or ".join(f"{scope}: {level}" for scope, level in allowed)
        raise Refused(f"Resource not accessible by integration: the job {job} needs {wanted} and has {own}")
