"""`retraining`: what comes after the decision to retrain, as `retrain.yml` takes it step by step."""

from pathlib import Path
from typing import Annotated

import typer

from ..console.terminal import STARTED_IN, say

app = typer.Typer(no_args_is_help=True, help="What the workflow `retrain.yml` does once it is decided.")


@app.command()
def begin() -> None:
    """Share the fresh data and the commit that names it, for other jobs to train on."""
    from ..retrain.begin import begin

    say(begin())


@app.command()
def publish() -> None:
    """Commit the result on top of main, and push it: to the branch of the open pull request, or a new one."""
    from ..retrain.deliver import publish

    say(publish())


@app.command()
def watch(
    within: Annotated[str, typer.Option(help="How long ago the last run may be that ended well: '14 days'.")],
    workflow: Annotated[str, typer.Option(help="The file of the workflow that is watched.")] = "retrain.yml",
) -> None:
    """Open an issue when the workflow has not ended well for too long, and close it when it does again."""
    from ..retrain.watch import watch

    say(watch(workflow, within))


@app.command()
def propose(
    verdict: Annotated[str, typer.Option(help="Of the comparison; empty where the retraining broke down.")],
    branch: Annotated[str, typer.Option(help="Where the result is.")] = "",
    commit: Annotated[str, typer.Option(help="What it is.")] = "",
    tests: Annotated[str, typer.Option(help="What came of the tests of that commit: success or not.")] = "",
    report: Annotated[Path, typer.Option(help="The report in Markdown.")] = Path("report/report.md"),
    starts: Annotated[str, typer.Option(help="The workflow to start once a new champion is merged.")] = "",
) -> None:
    """A report, a pull request or a merge, as `retrain.automation` has it; or an issue, where it went wrong."""
    from ..retrain.propose import Result, propose
    from ..settings.params import load_params

    say(propose(load_params(), Result(verdict, branch, commit, tests, STARTED_IN / report, starts)))
