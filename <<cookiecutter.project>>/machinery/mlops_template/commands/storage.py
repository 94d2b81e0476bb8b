"""`storage`: what is kept there, and what need not be."""

from typing import Annotated, Literal

import typer

from ..console.terminal import say

app = typer.Typer(no_args_is_help=True, help="Look after the place where data and models are kept.")


@app.command()
def check() -> None:
    """Look whether the storage has everything that this commit names; else say which command fixes it."""
    from ..storage import storage

    say(storage.check())


@app.command()
def compact(
    keep: Annotated[
        Literal["history", "champions"],
        typer.Option(help="All that any commit names, or only their last commits and the champions of main."),
    ] = "history",
    hours: Annotated[float, typer.Option(help="Keep what is newer: the branch that names it may be on its way.")] = 24,
    yes: Annotated[bool, typer.Option(help="Do not ask.")] = False,
) -> None:
    """Squash the storage branch to what branches and tags still need, after showing what would go."""
    from ..storage.compact import compact, plan

    proposal = plan(keep, hours)
    say(proposal)
    if proposal.dropped and (yes or typer.confirm("Drop them?")):
        say(compact(proposal))
