"""`update`: a newer version of the template."""

import sys
from typing import Annotated, Any

import typer

from ..console.terminal import say
from ..errors import ProjectError


def update(
    to: Annotated[str | None, typer.Option(help="A version of the template, such as 1.2.0; the newest.")] = None,
    template: Annotated[str | None, typer.Option(help="URL or directory, if not the one it was made from.")] = None,
    answer: Annotated[list[str] | None, typer.Option(help="Another answer, as NAME=VALUE; may be repeated.")] = None,
) -> None:
    """Merge a newer version of the template into the project, on a branch of its own.

    The machinery is replaced whole where you left it as it was; in your files git merges, and marks conflicts.
    """
    from ..update.update import update

    done = update(template, to, answers_of(answer or []), ask, say)
    say(done)
    if done.conflicts:
        raise typer.Exit(1)


def answers_of(given: list[str]) -> dict[str, str]:
    """What `--answer NAME=VALUE` gave. Raises ProjectError when one has another form."""
    for one in given:
        if "=" not in one:
            raise ProjectError(f"--answer {one}: give it as NAME=VALUE, such as deploy=swarm")
    return {name: value for name, _, value in (one.partition("=") for one in given)}


def ask(question: str, default: Any) -> str | None:
    """Ask on a terminal; None where there is none."""
    if not sys.stdin.isatty():
        return None
    if isinstance(default, list):
        return str(typer.prompt(f"{question} ({', '.join(default)})", default=default[0]))
    return str(typer.prompt(question, default=default))
