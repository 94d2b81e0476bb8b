"""What GitHub knows beyond git, in a JSON file that the tests, the actions' stand-ins and `gh` share."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

FOLDER = "STAND_IN_FOLDER"
LEVELS = ("none", "read", "write")
BOT, APP = "github-actions[bot]", "the-app[bot]"
PREFIX, BY_APP = "token-of-", "-by-the-app"
LISTS = """
issues pulls releases comments statuses checks dispatches runs calls pushes would_start
await_approval deaths dead artifacts sites
""".split()
SETTINGS: dict[str, Any] = {
    "actions_open_pull_requests": True,
    "allow_merge_commit": True,
    "has_issues": True,
    "pages": False,
    "required_reviews": 0,
    "required_contexts": [],
}

State = dict[str, Any]


class Refused(Exception):
    """GitHub would refuse this: with a status, and what it says of the fields."""

    def __init__(self, message: str, status: int = 422, *errors: State) -> None:
        super().__init__(message)
        self.message, self.status, self.errors = message, status, list(errors)


@dataclass(frozen=True)
class Caller:
    """Who asks: a job with its own token, or with one of the App."""

    job: str
    app: bool = False

    @property
    def token(self) -> str:
        """What it proves that with."""
        return PREFIX + self.job + (BY_APP if self.app else "")

    @property
    def actor(self) -> str:
        """As whom GitHub shows it."""
        return APP if self.app else BOT


def caller(token: str) -> Caller | None:
    """Whose token it is, if it is one."""
    if not token.startswith(PREFIX):
        return None
    return Caller(token.removeprefix(PREFIX).removesuffix(BY_APP), token.endswith(BY_APP))


def empty() -> State:
    """Of a repository in which nothing has happened."""
    settings = {"settings": SETTINGS, "workflows": {}, "created_at": moment()}
    return {name: [] for name in LISTS} | {"permissions": {}, "tokens": {}} | settings


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


def require(held: State, caller: Caller, *allowed: tuple[str, str]) -> None:
    """Raises Refused unless the token has one of these permissions, such as ("contents", "write")."""
    own = held["tokens" if caller.app else "permissions"].get(caller.job, {})
    if not any(LEVELS.index(own.get(scope, "none")) >= LEVELS.index(level) for scope, level in allowed):
        wanted = " or ".join(f"{scope}: {level}" for scope, level in allowed)
        who = f"the job {caller.job}" + (" as the App" if caller.app else "")
        raise Refused(f"Resource not accessible by integration: {who} needs {wanted} and has {own}", 403)


def one(entries: list[State], **keys: int) -> State:
    """The entry with these values. Raises Refused where there is none."""
    for entry in entries:
        if keys.items() <= entry.items():
            return entry
    raise Refused("Not Found", 404, keys)


def next_number(held: State) -> int:
    """Issues and pull requests are numbered together."""
    return len(held["issues"]) + len(held["pulls"]) + 1


def moment(days_ago: float = 0) -> str:
    """A point in time as GitHub writes it."""
    return f"{datetime.now(UTC) - timedelta(days=days_ago):%Y-%m-%dT%H:%M:%SZ}"
