"""Versions: of data, code and model together; logged, listed, traced back, sent and fetched."""

from typing import Annotated

import typer

from ..console.terminal import console, say


def track(
    history: Annotated[bool, typer.Option(help="Log every result in the history of main, oldest first.")] = False,
) -> None:
    """Log the pipeline's result to MLflow; idempotent."""
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
    version: Annotated[
        str, typer.Argument(help="A number, `champion`, `previous`, a commit or a digest.")
    ] = "champion",
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
    first: Annotated[bool, typer.Option(help="Push `main` and its data to an origin that has no branch yet.")] = False,
) -> None:
    """Send data and models to the project's storage. `git push` does it by itself."""
    from ..champion.stages import uncommitted_inputs
    from ..integrations import git
    from ..storage import storage

    say(storage.push_first() if first else storage.push(*commits or ()))
    inputs = uncommitted_inputs()
    if inputs and (first or git.head() in (commits or ())):
        listed = ", ".join(f"{path} ({state})" for path, state in inputs.items())
        say(f"not in the commit that is pushed, though the pipeline reads it: {listed}")


def resolve() -> None:
    """After a merge with conflicts: results are taken from `main`'s side and made again by `run`; the rest is yours."""
    from ..champion.resolve import resolve

    say(resolve())


def pull() -> None:
    """Fetch the data and models that the checked-out commit points to."""
    from ..storage import storage

    say(storage.pull())
