"""Getting ready: a project made alive, shown, and looked over."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..console.terminal import absolute, say


def setup() -> None:
    """Make a fresh project alive: storage, sample data, first model, first champion.

    Safe to repeat and to interrupt: it goes on where it stopped.
    """
    from ..starter import setup

    setup.setup()


def demo(
    months: Annotated[int, typer.Option(min=3, max=9, help="How many to live through after the first three.")] = 4,
    keep: Annotated[Path | None, typer.Option(help="Leave the copy in this new folder, to look round in.")] = None,
    step: Annotated[bool, typer.Option("--step", help="Wait for Enter between the steps.")] = False,
) -> None:
    """See the whole in two minutes, in a copy: fresh months, drift, a broken batch, retraining, a way back.

    Example: `demo --keep ../demo`
    """
    from ..starter.demo import demo

    demo(months, absolute(keep), say, wait_for_enter if step else lambda: None)


def wait_for_enter() -> None:
    """On a terminal; where there is none, not at all."""
    if sys.stdin.isatty():
        input("\n   Enter goes on, Ctrl-C ends: ")


def check(
    settings: Annotated[bool, typer.Option("--settings", help="Only the settings.")] = False,
    staged: Annotated[bool, typer.Option("--staged", help="Only what is about to be committed, as git asks.")] = False,
) -> None:
    """Run what `test.yml` runs: settings, format, lint, types, workflows, tests."""
    if staged:
        from ..doctor.staged import refuse_secrets, settings_are_staged

        refuse_secrets()
        if not settings_are_staged():
            return
    from ..champion.preflight import refuse_unknown_names
    from ..data.contract import load_contract
    from ..doctor.check import check
    from ..settings.params import load_params

    load_contract()
    refuse_unknown_names(load_params())
    if not settings and not staged:
        say(check(say))


def doctor() -> None:
    """Look at what must be right outside the code, here and on GitHub; say what fixes it."""
    from ..doctor.doctor import doctor
    from ..integrations.checks import WRONG

    results = doctor()
    for result in results:
        say(result)
    if any(result.status == WRONG for result in results):
        raise typer.Exit(1)


def checklist() -> None:
    """The ML Test Score: 28 things that keep a model from failing in production, each with what shows it."""
    from datetime import date

    from ..doctor import checklist as rubric

    lines = rubric.checklist(date.today())
    say(rubric.written(lines))
    if rubric.write_badge(lines):
        say(f"written: {rubric.IMAGE.as_posix()}, which the README shows; commit it")
