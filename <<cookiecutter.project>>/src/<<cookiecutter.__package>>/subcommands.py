"""The commands that come in groups: seldom typed, mostly called by the workflows."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .terminal import STARTED_IN, absolute, say

retraining = typer.Typer(no_args_is_help=True, help="What the workflow `retrain.yml` does once it is decided.")


@retraining.command()
def begin() -> None:
    """Share the fresh data and the commit that names it, for other jobs to train on."""
    from .retrain.begin import begin

    say(begin())


@retraining.command("publish")
def publish_retraining() -> None:
    """Commit the result on top of main, and push it: to the branch of the open pull request, or a new one."""
    from .retrain.publish import publish

    say(publish())


@retraining.command()
def watch(
    within: Annotated[str, typer.Option(help="How long ago the last run may be that ended well: '14 days'.")],
    workflow: Annotated[str, typer.Option(help="The file of the workflow that is watched.")] = "retrain.yml",
) -> None:
    """Open an issue when the workflow has not ended well for too long, and close it when it does again."""
    from .retrain.watch import watch

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
    from .params import load_params
    from .retrain.propose import Result, propose

    say(propose(load_params(), Result(verdict, branch, commit, tests, STARTED_IN / report, starts)))


notices = typer.Typer(no_args_is_help=True, help="Issues that tell of a state, and are closed when it is over.")


@notices.command("open")
def open_notice(
    key: Annotated[str, typer.Argument(help="What it is about: there is one issue for each key.")],
    title: Annotated[str, typer.Option()],
    file: Annotated[list[Path] | None, typer.Option(help="What it tells, if it is there; may be repeated.")] = None,
) -> None:
    """Open the issue, or bring the open one up to date."""
    from .ops.notice import open_notice

    say(open_notice(key, title, [STARTED_IN / one for one in file or []]))


@notices.command("close")
def close_notice(key: str, why: Annotated[str, typer.Option(help="What is well again.")]) -> None:
    """Close the issue, if one is open."""
    from .ops.notice import close_notice

    say(close_notice(key, why))


storage_commands = typer.Typer(no_args_is_help=True, help="Look after the place where data and models are kept.")


@storage_commands.command()
def check() -> None:
    """Look whether the storage has everything that this commit names; else say which command mends it."""
    from .ops import storage

    say(storage.check())


@storage_commands.command()
def compact(
    keep: Annotated[
        Literal["history", "champions"],
        typer.Option(help="All that any commit names, or only their last commits and the champions of main."),
    ] = "history",
    hours: Annotated[float, typer.Option(help="Keep what is newer: the branch that names it may be on its way.")] = 24,
    yes: Annotated[bool, typer.Option(help="Do not ask.")] = False,
) -> None:
    """Squash the storage branch to what branches and tags still need, after showing what would go."""
    from .ops.compact import compact, plan

    found = plan(keep, hours)
    say(found)
    if found.dropped and (yes or typer.confirm("Drop them?")):
        say(compact(found))


deployment = typer.Typer(no_args_is_help=True, help="From a champion to production: image, verification, rollout.")
Version = Annotated[str, typer.Option(help="A number, `champion`, `previous`, a commit or a digest, as for `lineage`.")]
Place = Annotated[str, typer.Argument(help="staging or production")]


@deployment.command()
def package(
    folder: Annotated[Path | None, typer.Argument(help="To be made, or an earlier package; build/model.")] = None,
) -> None:
    """Put what serves the champion into a folder: ONNX or pipeline, card, schema, golden rows."""
    from .deploy.package import package
    from .params import load_params
    from .paths import PACKAGE

    say(package(load_params(), absolute(folder) or PACKAGE))


@deployment.command()
def verify(
    url: Annotated[str, typer.Argument(help="Of the running service.")],
    version: Version = "champion",
    wait: Annotated[float, typer.Option(min=0, help="Seconds until it has to be ready.")] = 60,
) -> None:
    """Hold a running service against the champion: golden and holdout rows, then a short load."""
    from .deploy.verify import verify
    from .params import load_params

    say(verify(load_params(), url, version, wait))


@deployment.command()
def image(
    tag: Annotated[str, typer.Option(help="Its name; by default that which `publish` pushes.")] = "",
    base: Annotated[str, typer.Option(help="In place of the image that the Dockerfile starts from.")] = "",
) -> None:
    """Build the image of what `deploy package` made."""
    from .deploy.image import build
    from .params import load_params

    say(build(load_params(), tag, base))


@deployment.command("try")
def try_image(version: Version = "champion") -> None:
    """Run the image that was built here, as production does, and verify it."""
    from .deploy.trial import trial
    from .params import load_params

    say(trial(load_params(), version))


@deployment.command()
def registry() -> None:
    """Say where the image is published, to log in there."""
    from .deploy.publish import registry
    from .params import load_params

    say(registry(load_params()))


@deployment.command("publish")
def publish_image(
    version: Version = "champion",
    built: Annotated[bool, typer.Option("--built/--find", help="Push what was built here, or find it there.")] = True,
) -> None:
    """Push the image to the registry; or find that of an earlier champion there, without a build."""
    from .deploy.publish import find_published, publish
    from .params import load_params

    say((publish if built else find_published)(load_params(), version))


@deployment.command()
def rollout(
    environment: Place,
    version: Version = "champion",
    image: Annotated[str, typer.Option(help="The published image; that of the champion if not given.")] = "",
    unless_newer: Annotated[
        bool, typer.Option("--unless-newer/--again", help="Pass it over where main has a newer champion by now.")
    ] = False,
) -> None:
    """Roll a champion out, verify it, and take it back where that fails."""
    from .deploy.rollout import rollout
    from .params import load_params

    say(rollout(load_params(), environment, version, image, unless_newer))


@deployment.command()
def rollback(environment: Place) -> None:
    """Bring back the image that ran there before, and verify it."""
    from .deploy.rollout import rollback
    from .params import load_params

    say(rollback(load_params(), environment))


@deployment.command("record")
def record_deployment(
    what: Annotated[Literal["challenger", "champion", "rollback"], typer.Argument(help="What became of it.")],
    version: Version = "champion",
) -> None:
    """Tell the MLflow server, if there is one: version and aliases."""
    from .deploy import record

    told = {"challenger": record.under_way, "champion": record.in_production, "rollback": record.taken_back}
    say(told[what](version))


@deployment.command()
def release(
    version: Version = "champion",
    image: Annotated[str, typer.Option(help="That was published.")] = "",
) -> None:
    """Have a release at GitHub: the model card, the report, the image."""
    from .deploy.releases import release
    from .params import load_params

    say(release(load_params(), version, image))
