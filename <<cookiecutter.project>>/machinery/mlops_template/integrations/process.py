"""Other programs: the one place that starts them, and that says in one line what they refuse."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ProjectError

WHERE = {
    "gh": "https://cli.github.com",
    "git": "https://git-scm.com",
    "docker": "https://docs.docker.com/get-docker",
    "kubectl": "https://kubernetes.io/docs/tasks/tools",
    "uv": "https://docs.astral.sh/uv",
}


class CommandFailed(ProjectError):
    """A program ended with an error."""


class Ended(NamedTuple):
    """How a program ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


def capture(
    command: Sequence[str],
    stdin: str = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float | None = None,
    apart: bool = False,
    errors: str = "replace",
) -> Ended:
    """Run a program and take what it writes, in UTF-8 with `errors` for what is none.

    `apart` keeps from it the signals that are sent to the terminal's process group. Raises TimeoutError after so many
    seconds, OSError where there is no such program.
    """
    try:
        done = subprocess.run(
            command,
            input=stdin.encode(),  # as bytes, or Windows would turn line feeds into two characters
            cwd=cwd,
            env=env,
            capture_output=True,
            timeout=seconds,
            process_group=0 if apart and os.name == "posix" else None,
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"no answer within {seconds:g} seconds") from None
    return Ended(done.returncode, done.stdout.decode(errors=errors), done.stderr.decode(errors=errors))


def attached(command: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> int:
    """The exit code of a program that has the terminal to itself."""
    return subprocess.run(command, cwd=cwd, env=env).returncode


def followed(
    command: Sequence[str],
    tell: Callable[[str], object],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """The exit code of a program whose lines are told as they come, errors among them; it ends when `tell` raises."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,  # where carriage returns end a line too
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                tell(line)
        except BaseException:
            process.terminate()
            raise
    return process.returncode


def run(*command: str, seconds: float | None = None, both: bool = False, **variables: str) -> str:
    """What a program prints, to standard error too if `both` is wanted. Raises CommandFailed with its reason."""
    try:
        done = capture([find(command[0]), *command[1:]], env=os.environ | variables, seconds=seconds)
    except TimeoutError as error:
        raise CommandFailed(f"`{' '.join(command[:3])}` gave {error}") from None
    if done.code:
        raise CommandFailed(f"`{' '.join(command[:3])}` failed: {reason(done.err or done.out)}")
    return (done.out + done.err if both else done.out).strip()


def watch(*command: str, **variables: str) -> None:
    """Run a program whose output goes straight to the terminal. Raises CommandFailed when it fails."""
    if attached([find(command[0]), *command[1:]], env=os.environ | variables):
        raise CommandFailed(f"`{' '.join(command[:2])}` failed: the reason stands above")


def find(program: str) -> str:
    """Where a program is. Raises ProjectError where it is not installed."""
    place = shutil.which(program)
    if place is None:
        raise ProjectError(f"{program} was not found: install it ({WHERE[program]}) and open a new terminal")
    return place


def reason(text: str) -> str:
    """The last line, which tells why."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:400] if lines else "it gave no reason"


def lines_of_json(text: str) -> list[dict[str, Any]]:
    """What `--format json` gave: an object on each line."""
    return [json.loads(line) for line in text.splitlines() if line.strip()]
