"""The programs that do the work at the servers: run them, and say in one line what they refuse."""

import json
import os
import shutil
import subprocess
from typing import Any

from ..errors import ProjectError

WHERE = {
    "docker": "https://docs.docker.com/get-docker",
    "kubectl": "https://kubernetes.io/docs/tasks/tools",
    "uv": "https://docs.astral.sh/uv",
}


class CommandFailed(ProjectError):
    """A program ended with an error."""


def run(*command: str, seconds: float | None = None, both: bool = False, **variables: str) -> str:
    """What a program prints, to standard error too if `both` is wanted. Raises CommandFailed with its reason."""
    program = find(command[0])
    try:
        done = subprocess.run(
            [program, *command[1:]],
            env=os.environ | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"`{' '.join(command[:3])}` gave no answer within {seconds:g} seconds") from None
    if done.returncode:
        raise CommandFailed(f"`{' '.join(command[:3])}` failed: {reason(done.stderr or done.stdout)}")
    return (done.stdout + done.stderr if both else done.stdout).strip()


def watch(*command: str, **variables: str) -> None:
    """Run a program whose output goes straight to the terminal. Raises CommandFailed when it fails."""
    if subprocess.run([find(command[0]), *command[1:]], env=os.environ | variables).returncode:
        raise CommandFailed(f"`{' '.join(command[:2])}` failed: the reason stands above")


def find(program: str) -> str:
    """Where a program is. Raises ProjectError where it is not installed."""
    place = shutil.which(program)
    if place is None:
        raise ProjectError(f"{program} was not found: install it ({WHERE[program]})")
    return place


def reason(text: str) -> str:
    """The last line, which tells why."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:400] if lines else "it gave no reason"


def lines_of_json(text: str) -> list[dict[str, Any]]:
    """What `--format json` gave: an object on each line."""
    return [json.loads(line) for line in text.splitlines() if line.strip()]
