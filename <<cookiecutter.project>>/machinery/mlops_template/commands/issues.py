"""`notice`: issues that a workflow opens and closes."""

from pathlib import Path
from typing import Annotated

import typer

from ..console.terminal import STARTED_IN, say

app = typer.Typer(no_args_is_help=True, help="Issues that tell of a state, and are closed when it is over.")


@app.command("open")
def open_notice(
    key: Annotated[str, typer.Argument(help="What it is about: there is one issue for each key.")],
    title: Annotated[str, typer.Option()],
    file: Annotated[list[Path] | None, typer.Option(help="What it tells, if it is there; may be repeated.")] = None,
) -> None:
    """Open the issue, or bring the open one up to date."""
    from ..integrations.issues import open_notice

    say(open_notice(key, title, [STARTED_IN / one for one in file or []]))


@app.command("close")
def close_notice(key: str, why: Annotated[str, typer.Option(help="What is well again.")]) -> None:
    """Close the issue, if one is open."""
    from ..integrations.issues import close_notice

    say(close_notice(key, why))
