"""`ci`: the steps that workflows take and a person seldom does."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..console.terminal import STARTED_IN, say

app = typer.Typer(no_args_is_help=True, help="Steps of the workflows, each as it can be repeated on a laptop.")
alert = typer.Typer(no_args_is_help=True, help="Issues that tell of a state, and are closed when it is over.")
retraining = typer.Typer(no_args_is_help=True, help="What `retrain.yml` does once it is decided to retrain.")
app.add_typer(alert, name="alert")
app.add_typer(retraining, name="retraining")
Version = Annotated[str, typer.Option(help="A number, `champion`, `previous`, a commit or a digest, as for `lineage`.")]


@app.command()
def pack(folder: Annotated[Path, typer.Argument(help="To be made, or empty.")]) -> None:
    """Put the result of the pipeline into a folder, for another job or machine at the same commit."""
    from ..storage.bundle import pack

    say(pack(STARTED_IN / folder))


@app.command()
def unpack(folder: Annotated[Path, typer.Argument(help="What `ci pack` filled.")]) -> None:
    """Take over a packed result, if it is one and of the commit that is checked out."""
    from ..storage.bundle import unpack

    say(unpack(STARTED_IN / folder))


@app.command()
def publish(
    branch: Annotated[str, typer.Option(help="The branch at origin that the checked-out commit is the last of.")],
    message: Annotated[str | None, typer.Option(help="The message of the commit.")] = None,
) -> None:
    """Commit the results and push them: data and models first, then the branch, if it did not move meanwhile."""
    from ..champion.publish import publish

    say(publish(branch, message))


@app.command()
def registry() -> None:
    """Say where the image is published, to log in there."""
    from ..deploy.push import registry
    from ..settings.params import load_params

    say(registry(load_params()))


@app.command()
def record(
    what: Annotated[Literal["challenger", "champion", "rollback"], typer.Argument(help="What became of it.")],
    version: Version = "champion",
) -> None:
    """Set version and aliases on the MLflow server, if there is one."""
    from ..deploy import aliases

    outcomes = {"challenger": aliases.under_way, "champion": aliases.in_production, "rollback": aliases.taken_back}
    say(outcomes[what](version))


@app.command()
def release(
    version: Version = "champion",
    image: Annotated[str, typer.Option(help="That was published.")] = "",
) -> None:
    """Make a release on GitHub: the model card, the report, the image."""
    from ..deploy.releases import release
    from ..settings.params import load_params

    say(release(load_params(), version, image))


@app.command()
def update() -> None:
    """Propose the newest version of the template in a pull request, where params.yaml says so."""
    from ..settings.params import load_params
    from ..update.scheduled import propose_update

    say(propose_update(load_params(), say))


@alert.command("open")
def open_alert(
    key: Annotated[str, typer.Argument(help="What it is about: there is one issue for each key.")],
    title: Annotated[str, typer.Option()],
    file: Annotated[list[Path] | None, typer.Option(help="What it tells, if it is there; may be repeated.")] = None,
) -> None:
    """Open the issue, or bring the open one up to date."""
    from ..integrations.issues import open_alert

    say(open_alert(key, title, [STARTED_IN / one for one in file or []]))


@alert.command("close")
def close_alert(key: str, why: Annotated[str, typer.Option(help="What is well again.")]) -> None:
    """Close the issue, if one is open."""
    from ..integrations.issues import close_alert

    say(close_alert(key, why))


@app.command()
def production() -> None:
    """Look at production: an issue for each problem, and a retraining.

    By the log that PREDICTIONS names or, without one, by what `monitor --export` has found beside it.
    """
    from ..monitor.act import act, act_on_export
    from ..monitor.monitor import monitor
    from ..settings.params import load_params

    params, place = load_params(), os.environ.get("PREDICTIONS")
    for line in act(params, monitor(params, place)) if place else act_on_export(params):
        say(line)


@app.command()
def pages(artifact: Annotated[int, typer.Argument(help="The id of the uploaded artifact.")]) -> None:
    """Publish the site at GitHub Pages."""
    from ..site.github_pages import publish

    say(publish(artifact))


@retraining.command()
def begin() -> None:
    """Share the fresh data and the commit that names it, for other jobs to train on."""
    from ..retrain.begin import begin

    say(begin())


@retraining.command("publish")
def publish_retraining() -> None:
    """Commit the result on top of main, and push it: to the branch of the open pull request, or a new one."""
    from ..retrain.deliver import publish

    say(publish())


@retraining.command()
def watch(
    within: Annotated[str, typer.Option(help="How long ago the last run may be that ended well: '14 days'.")],
    workflow: Annotated[str, typer.Option(help="The file of the workflow that is watched.")] = "retrain.yml",
) -> None:
    """Open an issue when the workflow has not ended well for too long, and close it when it does again."""
    from ..retrain.watch import watch

    say(watch(workflow, within))


@retraining.command()
def propose(
    verdict: Annotated[str, typer.Option(help="Of the comparison; empty where the retraining broke down.")],
    branch: Annotated[str, typer.Option(help="Where the result is.")] = "",
    commit: Annotated[str, typer.Option(help="What it is.")] = "",
    tests: Annotated[str, typer.Option(help="What came of the tests of that commit: success or not.")] = "",
    report: Annotated[Path, typer.Option(help="The report in Markdown.")] = Path("report/report.md"),
    starts: Annotated[str, typer.Option(help="The workflow to start once a new champion is merged.")] = "",
) -> None:
    """A report, a pull request or a merge, as `retrain.automation` has it; or an issue, where it went wrong."""
    from ..retrain.propose import RetrainingResult, propose
    from ..settings.params import load_params

    say(propose(load_params(), RetrainingResult(verdict, branch, commit, tests, STARTED_IN / report, starts)))
