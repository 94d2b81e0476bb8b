"""What a GitHub workflow learns from a command: outputs of the step, the job's summary, what failed.

Elsewhere nothing happens.
"""

import json
import os
import urllib.request
from pathlib import Path

from ..errors import ProjectError

SECONDS = 20


def output(name: str, value: str) -> None:
    """Set an output of the step, for `steps.ID.outputs.NAME`. `value` is one line."""
    append("GITHUB_OUTPUT", f"{name}={value}\n")


def summary(markdown: str) -> None:
    """Add to the page of the run."""
    append("GITHUB_STEP_SUMMARY", f"{markdown}\n")


def running() -> bool:
    """Whether this is a job."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def error(message: str) -> None:
    """Show an error on the page of the run, where a log would first have to be opened."""
    if running():
        escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        print(f"::error::{escaped}", flush=True)


def append(variable: str, text: str) -> None:
    """Write to the end of the file that a variable of the environment names, if it names one."""
    name = os.environ.get(variable)
    if name:
        with Path(name).open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)


def identity() -> str:
    """A token that proves which run this is. Raises ProjectError where the job has no `id-token: write`."""
    url, secret = (os.environ.get(f"ACTIONS_ID_TOKEN_REQUEST_{name}") for name in ("URL", "TOKEN"))
    if not url or not secret:
        raise ProjectError("GitHub gives no token of identity here: the job needs `id-token: write`")
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {secret}"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return str(json.load(answer)["value"])
    except (OSError, ValueError) as error:
        raise ProjectError(f"GitHub gives no token of identity: {error}") from None


def run_address() -> str | None:
    """Where a browser finds this run, None outside Actions."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (os.environ.get(name) for name in names)
    return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None
