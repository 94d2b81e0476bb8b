"""The repository at GitHub, asked and told through `gh`, which knows who we are."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import ProjectError
from .checks import CheckSkipped
from .git import git_or_none
from .process import capture, find

ADDRESS = re.compile(
    r"(?:\w+://)?(?:[^@/]+@)?([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)(?::\d+)?[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?"
)
SECONDS = 20
QUIET = {"GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1", "NO_COLOR": "1"}


class GitHubError(CheckSkipped):
    """GitHub answered with an error."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Repository:
    """The repository at GitHub that is `origin` here."""

    host: str
    name: str

    def get(self, path: str = "") -> Any:
        """What GitHub says of a part of it. Raises GitHubError, or CheckSkipped where it cannot be asked."""
        return ask(self.host, f"repos/{self.name}{path}")

    def tell(self, method: str, path: str, **fields: Any) -> Any:
        """Have GitHub change something, and give its answer. Raises as `get` does."""
        return ask(self.host, f"repos/{self.name}{path}", method, fields)

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"https://{self.host}/{self.name}"

    def set_by_admin(self, path: str) -> Any:
        """The same for settings that GitHub shows to administrators alone."""
        try:
            return self.get(path)
        except GitHubError as error:
            if error.status in (403, 404):
                raise CheckSkipped("only an administrator of the repository sees it") from None
            raise


def ask(host: str, path: str, method: str = "GET", fields: dict[str, Any] | None = None) -> Any:
    """GitHub's answer."""
    try:
        gh = find("gh")
    except ProjectError as error:
        raise CheckSkipped(f"{error}, then `gh auth login`") from None
    sent = [] if method == "GET" else ["--method", method, "--input", "-"]
    try:
        command = [gh, "api", "--hostname", host, path, *sent]
        done = capture(command, json.dumps(fields) if sent else "", env=os.environ | QUIET, seconds=SECONDS)
    except TimeoutError as error:
        raise CheckSkipped(str(error)) from None
    if done.code == 0:
        return json.loads(done.out) if done.out.strip() else None
    reason = next(iter(done.err.strip().splitlines()), f"gh ended with {done.code}")
    status = re.search(r"\(HTTP (\d+)\)", done.err)
    if status:
        raise GitHubError(reason, int(status[1]))
    raise CheckSkipped(f"{reason} (`gh auth status` says more)" if done.code == 4 else reason)


def at_origin() -> Repository:
    """The repository that `origin` names."""
    url = git_or_none("remote", "get-url", "origin")
    if url is None:
        raise CheckSkipped("there is no origin")
    address = ADDRESS.fullmatch(url)
    if address is None:
        raise CheckSkipped("origin is not on GitHub")
    return Repository(address[1], address[2])


@contextmanager
def required() -> Iterator[Repository]:
    """The repository, for what cannot be done without it: what GitHub refuses becomes a ProjectError."""
    try:
        yield at_origin()
    except CheckSkipped as reason:
        raise ProjectError(f"GitHub: {reason}") from reason
