"""Options that several commands share."""

import typer

from ..console.terminal import located
from ..errors import ProjectError

LOG = typer.Option("--log", envvar="PREDICTIONS", help="The log of predictions: a SQLite file, or a PostgreSQL URL.")


def required_place(log: str | None) -> str:
    """The log. Raises ProjectError where none is named."""
    place = located(log or "")
    if not place:
        raise ProjectError("no log of predictions is named: give --log, or set PREDICTIONS, to its file or URL")
    return place
