"""Jobs that die: their runner is gone in the middle of a command, and nothing that they still try has an effect."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .state import State, folder, state

MORTAL = "mortal"
"""A file that is there while any job is to die, so that the programs of other jobs lose no time."""


def dying(words: list[str]) -> Callable[[], None] | None:
    """What ends the job when a command is done, if it is to die after it; before it, it ends here."""
    if not (folder() / MORTAL).exists():
        return None
    job = os.environ["GITHUB_JOB"]
    key = f"{os.environ['GITHUB_RUN_ID']} {job}"
    with state(folder()) as held:
        gone, found = key in held["dead"], due(held["deaths"], job, words)
        if found:
            held["deaths"].remove(found)
        if found and found["when"] == "before":
            held["dead"].append(key)
    if gone or (found and found["when"] == "before"):
        sys.exit("the runner is gone")
    return (lambda: end(key)) if found else None


def end(key: str) -> None:
    """The runner is gone from here on."""
    with state(folder()) as held:
        held["dead"].append(key)
    sys.exit("the runner is gone")


def due(deaths: list[State], job: str, words: list[str]) -> State | None:
    """The death that this command of a job meets."""
    for death in deaths:
        asked = death["command"].split()
        if death["job"] in (None, job) and spoken(words)[: len(asked)] == asked:
            return death
    return None


def spoken(words: list[str]) -> list[str]:
    """A command as the tests name it: of `uv run`, what the project's own program is told."""
    if words[0] != "uv":
        return words
    project = os.environ["GITHUB_REPOSITORY"].partition("/")[2]
    return words[words.index(project) + 1 :] if words[1:2] == ["run"] and project in words else words


def main() -> None:
    """`mortal NAME FILE …`: the program of a name, while jobs die."""
    name, file, *arguments = sys.argv[1:]
    finish = dying([name, *arguments])
    if finish is None:
        os.execv(file, [name, *arguments])
    subprocess.run([Path(file), *arguments])
    finish()
