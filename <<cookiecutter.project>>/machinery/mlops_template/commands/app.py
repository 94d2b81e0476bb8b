"""The command line: the commands in the order of `--help`, where they run, and how they end."""

import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated, NoReturn

import typer

from ..champion.resolve import refuse_unmerged
from ..console.terminal import STARTED_IN
from ..errors import ProjectError
from ..integrations import actions
from ..settings.paths import project_root
from . import ci, data, deploy, model, ready, serving, storage, update, versions

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Data, model and their versions, from fresh rows to a promoted champion. "
    "The daily round: edit `params.yaml`, `run`, `promote`, `git commit`, `git push`.",
)
PANELS: dict[str, list[Callable[..., None]]] = {
    "Getting ready": [
        ready.setup,
        ready.demo,
        ready.doctor,
        ready.check,
        ready.checklist,
        update.update,
    ],
    "Data": [
        data.ingest,
        data.adopt,
        data.from_notebook,
    ],
    "Model": [
        model.run,
        model.train,
        model.compare,
        model.promote,
        model.report,
        model.diff,
        model.retrain,
        model.backtest,
        serving.score,
        serving.monitor,
        serving.feedback,
        serving.forget,
        serving.site,
        model.status,
        serving.serve,
    ],
    "Versions": [
        versions.track,
        versions.ui,
        versions.releases,
        versions.lineage,
        versions.reproduce,
        versions.push,
        versions.pull,
        versions.resolve,
    ],
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)

app.add_typer(deploy.app, name="deploy", rich_help_panel="Versions")
app.add_typer(storage.app, name="storage", rich_help_panel="Versions")
app.add_typer(ci.app, name="ci", rich_help_panel="Workflows")


def tell_version(asked: bool) -> None:
    """Print the version of the machinery, and end."""
    if asked:
        print(f"mlops-template {version('mlops-template')}")
        raise typer.Exit


@app.callback()
def every_command(
    context: typer.Context,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=tell_version, is_eager=True, help="Show it.")] = False,
) -> None:
    os.chdir(project_root(STARTED_IN))
    if context.invoked_subcommand != "resolve":
        refuse_unmerged()


def main() -> None:
    """Run a command; an error is one line that names the way out. `--debug` may stand anywhere."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a pipe on Windows may know no ✓
    debug = "--debug" in sys.argv[1:]
    sys.argv[1:] = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app()
    except ProjectError as error:
        if debug:
            raise
        fail(str(error))
    except Exception as error:
        if debug:
            raise
        fail(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''} (see `--debug`)")


def fail(message: str) -> NoReturn:
    """End with an error, on the terminal and on the page of a workflow's run."""
    actions.error(message)
    sys.exit(f"error: {message}")
