"""Where a command was started and how it prints: what all commands share."""

from pathlib import Path

import typer
from rich.console import Console

console = Console()
STARTED_IN = Path.cwd()


def say(what: object) -> None:
    """Print a result as the text it is."""
    typer.echo(str(what))


def absolute(path: Path | None) -> Path | None:
    """A path as it was meant where the command was started."""
    return STARTED_IN / path if path else None
