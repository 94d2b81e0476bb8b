"""Data: fresh rows, and a table of your own in the place of the sample."""

from typing import Annotated

import typer

from ..console.terminal import located, say


def ingest() -> None:
    """Take in the rows that are newer than the newest held, or refuse the batch as a whole."""
    from ..champion.ingestion import ingest
    from ..storage import hooks

    hooks.install_outside_jobs()
    taken = ingest()
    say(taken)
    if taken.rows:
        say("next: `run` trains on it")


def adopt(
    table: Annotated[str, typer.Argument(help="A CSV or Parquet file, a glob, a URL, or DATABASE-URL::TABLE.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    time: Annotated[str | None, typer.Option(help="When a row came to be; the newest are held out.")] = None,
    id: Annotated[str | None, typer.Option(help="What names a row; made from its content if not given.")] = None,
    format: Annotated[
        list[str] | None, typer.Option(help="How the texts of a column are written: day=%d.%m.%Y, price=1.234,5.")
    ] = None,
) -> None:
    """Make the project about your own table: infers the task, the features and the contract.

    Example: `adopt ../sales.csv --target revenue --time day`
    """
    from ..integrations import dvc
    from ..settings.paths import RAW
    from ..starter.adopt import adopt

    adopted = adopt(located(table), target, time, id, format or [])
    dvc.add(RAW)
    say(adopted)
    say("next: look through params.yaml and contract.yaml, set the description in pyproject.toml, then `run`")


def from_notebook(
    notebook: Annotated[str, typer.Argument(help="A .ipynb file, or a script.")],
) -> None:
    """Say what of a notebook belongs where in the project. Reads its code; runs and changes nothing."""
    from pathlib import Path

    from ..notebook.placing import findings, told

    found = findings(Path(located(notebook)))
    if not found:
        say(f"nothing in {notebook} has a place in the project: no rows read, no column derived, no estimator")
        return
    told(found, say)
