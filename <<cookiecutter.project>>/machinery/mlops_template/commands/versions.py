"""Versions: of data, code and model together; logged, listed, traced back, sent, fetched and handed over."""

from pathlib import Path
from typing import Annotated

import typer

from ..console.terminal import STARTED_IN, console, say


def track(
    history: Annotated[bool, typer.Option(help="Log every result in the history of main, oldest first.")] = False,
) -> None:
    """Log the pipeline's result to MLflow, once: again, it changes nothing."""
    from ..tracking.track import track

    say(track(history=history))


def ui(port: Annotated[int, typer.Option(help="On this machine only.")] = 5000) -> None:
    """Log the history of main to the embedded MLflow store and open MLflow on it."""
    from ..tracking.track import ui

    ui(port)


def releases() -> None:
    """The champions of main: date, commit, metric, image, and where each is live."""
    from ..deploy.releases import releases
    from ..settings.params import load_params

    table, lines = releases(load_params())
    console.print(table)
    for line in lines:
        say(line)


def lineage(
    version: Annotated[str, typer.Argument(help="A number, `champion`, `previous`, a commit or a digest.")],
) -> None:
    """Where a champion came from: data, code, parameters, metrics, comparison."""
    from ..champion.lineage import lineage

    say(lineage(version))


def reproduce(version: Annotated[str, typer.Argument(help="As for `lineage`.")]) -> None:
    """Train a champion again from its commit, and show that the same bytes come out."""
    from ..champion.reproduce import reproduce

    say(reproduce(version))


def push(
    commits: Annotated[
        list[str] | None, typer.Argument(help="Also what these commits name, as far as it is here.")
    ] = None,
) -> None:
    """Send data and models to the project's storage. `git push` does it by itself."""
    from ..storage import storage

    say(storage.push(*commits or ()))


def pull() -> None:
    """Fetch the data and models that the checked-out commit points to."""
    from ..storage import storage

    say(storage.pull())


def publish(
    branch: Annotated[str, typer.Option(help="The branch at origin that the checked-out commit is the last of.")],
    message: Annotated[str | None, typer.Option(help="The message of the commit.")] = None,
) -> None:
    """Commit the results and push them: data and models first, then the branch, if it did not move meanwhile."""
    from ..champion.publish import publish

    say(publish(branch, message))


def pack(folder: Annotated[Path, typer.Argument(help="To be made, or empty.")]) -> None:
    """Put the result of the pipeline into a folder, for another job or machine at the same commit."""
    from ..storage.bundle import pack

    say(pack(STARTED_IN / folder))


def unpack(folder: Annotated[Path, typer.Argument(help="What `pack` filled.")]) -> None:
    """Take over a packed result, if it is one and of the commit that is checked out."""
    from ..storage.bundle import unpack

    say(unpack(STARTED_IN / folder))
