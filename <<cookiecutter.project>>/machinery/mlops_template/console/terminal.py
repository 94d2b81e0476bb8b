"""Where a command was started and how it prints: what all commands share."""

from pathlib import Path

import typer
from rich.console import Console

console = Console()
STARTED_IN = Path.cwd()


def say(what: object) -> None:
    """Print a result as the text it is."""
    typer.echo(str(what))


def located(source: str) -> str:
    """A file as it was meant where the command was started; a URL, or a table or query of a database, as it is."""
    return source if not source or "::" in source or "://" in source else str(STARTED_IN / source)


def absolute(path: Path | None) -> Path | None:
    """A path as it was meant where the command was started."""
    return STARTED_IN / path if path else None
