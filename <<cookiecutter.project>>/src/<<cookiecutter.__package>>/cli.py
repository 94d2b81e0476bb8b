"""The commands, one for each verb, and nothing else: what they do is in the modules they call.

Libraries are imported by the command that needs them, so that `--help` is instant.
"""

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from .errors import ProjectError
from .ops import actions
from .paths import project_root
from .subcommands import deployment, notices, retraining, storage_commands
from .terminal import STARTED_IN, absolute, console, say

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Data, model and their versions, from fresh rows to a promoted champion. "
    "The daily round: edit `params.yaml`, `run`, `promote`, `git commit`, `git push`.",
)
INTERRUPTED = 130
"""What Typer ends with where Ctrl-C was pressed."""

GETTING_READY, DATA, MODEL, VERSIONS = "Getting ready", "Data", "Model", "Versions"

app.add_typer(deployment, name="deploy", rich_help_panel=VERSIONS)
app.add_typer(retraining, name="retraining", rich_help_panel=VERSIONS)
app.add_typer(notices, name="notice", rich_help_panel=VERSIONS)
app.add_typer(storage_commands, name="storage", rich_help_panel=VERSIONS)


@app.callback()
def every_command(
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    os.chdir(project_root(STARTED_IN))


@app.command(rich_help_panel=GETTING_READY)
def setup() -> None:
    """Make a fresh project alive: storage, sample data, first model, first champion.

    Safe to repeat and to interrupt: it goes on where it stopped.
    """
    from .ops import setup

    setup.setup()


@app.command(rich_help_panel=GETTING_READY)
def demo(
    months: Annotated[int, typer.Option(min=3, max=9, help="How many to live through after the first three.")] = 4,
    keep: Annotated[Path | None, typer.Option(help="Leave the copy in this new folder, to look round in.")] = None,
) -> None:
    """See the whole in two minutes, in a copy: fresh months, drift, a broken batch, retraining, a way back.

    Example: `demo --keep ../demo`
    """
    from .demo.story import demo

    demo(months, absolute(keep), say)


@app.command(rich_help_panel=GETTING_READY)
def doctor() -> None:
    """Look at what must be right outside the code, here and on GitHub; say what mends it."""
    from .ops.doctor import doctor
    from .ops.findings import WRONG

    found = doctor()
    for finding in found:
        say(finding)
    if any(finding.mark == WRONG for finding in found):
        raise typer.Exit(1)


@app.command(rich_help_panel=DATA)
def ingest() -> None:
    """Take in the rows that are newer than the newest held, or refuse the batch as a whole."""
    from .ops.ingest import ingest

    taken = ingest()
    say(taken)
    if taken.rows:
        say("next: `run` trains on it")


@app.command(rich_help_panel=DATA)
def adopt(
    table: Annotated[str, typer.Argument(help="A CSV or Parquet file, a glob, a URL, or DATABASE-URL::TABLE.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    time: Annotated[str | None, typer.Option(help="When a row came to be; the newest are held out.")] = None,
    id: Annotated[str | None, typer.Option(help="What names a row; made from its content if not given.")] = None,
) -> None:
    """Make the project about your own table: infers the task, the features and the contract.

    Example: `adopt ../sales.csv --target revenue --time day`
    """
    from .data.adopt import adopt
    from .ops import dvc
    from .paths import RAW

    adopted = adopt(table if "::" in table or "://" in table else str(STARTED_IN / table), target, time, id)
    dvc.add(RAW)
    say(adopted)
    say("next: look through params.yaml and contract.yaml, set the description in pyproject.toml, then `run`")


@app.command(rich_help_panel=MODEL)
def run() -> None:
    """`train`, `compare` and `track`: from a change to its verdict."""
    from .ops.tracking import track_if_possible

    train()
    compare()
    say(track_if_possible())


@app.command(rich_help_panel=MODEL)
def train(
    base: Annotated[str, typer.Option(help="The revision that the result is held against.")] = "HEAD",
) -> None:
    """Run the stages whose inputs changed, and say whether the model differs from that of a revision."""
    from .ops.train import train

    say(train(base))


@app.command(rich_help_panel=MODEL)
def compare(
    base: Annotated[str, typer.Option(help="The revision whose champion is the opponent.")] = "HEAD",
) -> None:
    """Champion against challenger on the same unseen rows: differences, gates, verdict."""
    from .model.compare import load_comparison
    from .ops.champion import compare_with_champion
    from .params import load_params
    from .report.terminal import metric_table

    params = load_params()
    comparison = compare_with_champion(params, base)
    actions.output("verdict", comparison.verdict if comparison else "unchanged")
    if comparison is None:
        say(f"unchanged: the challenger is the champion of {base}")
        comparison = load_comparison()
        if comparison:
            console.print(metric_table(comparison, params))
        return
    console.print(metric_table(comparison, params))
    say(f"verdict: {comparison.verdict}")
    for reason in comparison.reasons:
        say(f"  {reason}")
    if comparison.verdict == "promote":
        say("next: `promote` makes it the champion")


@app.command(rich_help_panel=MODEL)
def promote(
    force: Annotated[bool, typer.Option(help="Promote against the verdict.")] = False,
    why: Annotated[str | None, typer.Option(help="The reason for --force, kept with the model.")] = None,
) -> None:
    """Make the challenger the champion, if the verdict allows it. Commit to make it real."""
    from .ops.promote import promote
    from .ops.tracking import track_if_possible
    from .params import load_params

    say(promote(load_params(), force=force, why=why))
    say(track_if_possible())


@app.command(rich_help_panel=MODEL)
def report(
    base: Annotated[str, typer.Option(help="The revision that everything is held against.")] = "HEAD",
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of the terminal.")] = None,
    html: Annotated[Path | None, typer.Option(help="Draw the page with all plots into this file as well.")] = None,
    accept: Annotated[str | None, typer.Option(help="Why it is accepted in spite of the verdict.")] = None,
    failure: Annotated[Path | None, typer.Option(help="The log of a pipeline that failed: report that.")] = None,
) -> None:
    """The last comparison in Markdown, for a reviewer with one minute: verdict, metrics, what changed."""
    from .report.report import report

    text = report(base, accept, absolute(failure), absolute(html))
    actions.summary(text)
    if out:
        (STARTED_IN / out).parent.mkdir(parents=True, exist_ok=True)
        (STARTED_IN / out).write_text(text, encoding="utf-8", newline="\n")
    else:
        typer.echo(text, nl=False)


@app.command(rich_help_panel=MODEL)
def diff(
    revision: Annotated[str, typer.Argument(help="A branch, tag or commit.")],
) -> None:
    """The challenger of the working tree against the champion of any revision, and what changed since."""
    from .report.terminal import differences

    for part in differences(revision):
        say(part) if isinstance(part, str) else console.print(part)


@app.command(rich_help_panel=MODEL)
def retrain(
    only_decide: Annotated[
        bool, typer.Option("--decide", help="Say whether there is reason to retrain on the rows held, and stop.")
    ] = False,
    force: Annotated[str, typer.Option(help="Retrain whatever speaks against it, for this reason.")] = "",
) -> None:
    """Fresh rows in, a better model out, if there is reason: ingests, decides, trains, compares, promotes."""
    from .params import load_params
    from .retrain.decide import decide, record
    from .retrain.retrain import retrain

    params = load_params()
    if only_decide:
        decision = decide(params, force.strip())
        say(decision)
        record(decision, params)
    else:
        retrain(params, force.strip(), say)


@app.command(rich_help_panel=MODEL)
def backtest(
    cadence: Annotated[
        list[str] | None,
        typer.Option(help="daily, weekly, monthly … or a stretch such as '10 days'; may be repeated."),
    ] = None,
    window: Annotated[
        list[str] | None, typer.Option(help="Train on `all` data or the last '90 days'; may be repeated.")
    ] = None,
    begin: Annotated[str | None, typer.Option("--from", help="The first day that is scored: 2013-04-01.")] = None,
    whole: Annotated[
        bool, typer.Option("--all", help="Replay all that the source has; nothing of it is taken in.")
    ] = False,
    margin: Annotated[
        float | None, typer.Option(min=0, help="A gain of less is not worth a retraining; else that of the gates.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write a report in Markdown into this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Draw the page with all charts into this file.")] = None,
) -> None:
    """How often to retrain, and on which data: replays history with each policy and recommends one.

    Example: `backtest --all --cadence monthly --cadence weekly --window all --window 90d`
    """
    from .backtest import show
    from .backtest.backtest import backtest

    found = backtest(cadence or [], window or [], begin, whole, margin)
    for part in show.terminal(found):
        say(part) if isinstance(part, str) else console.print(part)
    show.write(found, absolute(out), absolute(html))


@app.command(rich_help_panel=MODEL)
def score(
    source: Annotated[str, typer.Argument(metavar="IN", help="A Parquet or CSV file, a glob, or a URL.")],
    out: Annotated[str, typer.Argument(help="A .parquet or .csv file for all answers, or a folder for one each.")],
) -> None:
    """The champion's answers to files of any size, with the id of each row.

    Example: `score "s3://bucket/2026-*.parquet" answers.parquet`
    """
    from .data.contract import load_contract
    from .model.score import score
    from .ops.champion import champion_directory
    from .ops.lineage import find_champion
    from .params import load_params

    champion, _ = find_champion("champion")
    places = [place if "://" in place else str(STARTED_IN / place) for place in (source, out)]
    with champion_directory(champion.digest, "HEAD") as directory:
        say(score(load_params(), load_contract(), directory, *places))


@app.command(rich_help_panel=MODEL)
def status() -> None:
    """Data window, champion, challenger, and what is out of date."""
    from .ops.status import status

    console.print(status())


@app.command(rich_help_panel=MODEL)
def serve(
    port: Annotated[int, typer.Option(help="On this machine only.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the requests.")] = 1,
) -> None:
    """Answer requests by the champion, as the image does: try it at `/docs`."""
    from .deploy.local import ready_package
    from .params import load_params
    from .serving.run import run
    from .serving.settings import Settings

    run(Settings(model_dir=ready_package(load_params()), port=port, workers=workers, drain_seconds=0))


@app.command(rich_help_panel=VERSIONS)
def track(
    history: Annotated[bool, typer.Option(help="Log every result in the history of main, oldest first.")] = False,
) -> None:
    """Log the pipeline's result to MLflow, once: again, it changes nothing."""
    from .ops.tracking import track

    say(track(history=history))


@app.command(rich_help_panel=VERSIONS)
def ui(port: Annotated[int, typer.Option(help="On this machine only.")] = 5000) -> None:
    """Log the history of main to the embedded MLflow store and open MLflow on it."""
    from .ops.tracking import ui

    ui(port)


@app.command(rich_help_panel=VERSIONS)
def releases() -> None:
    """The champions of main: date, commit, metric, image, and where each is live."""
    from .deploy.releases import releases
    from .params import load_params

    table, lines = releases(load_params())
    console.print(table)
    for line in lines:
        say(line)


@app.command(rich_help_panel=VERSIONS)
def lineage(
    version: Annotated[str, typer.Argument(help="A number, `champion`, `previous`, a commit or a digest.")],
) -> None:
    """Where a champion came from: data, code, parameters, metrics, comparison."""
    from .ops.lineage import lineage

    say(lineage(version))


@app.command(rich_help_panel=VERSIONS)
def reproduce(version: Annotated[str, typer.Argument(help="As for `lineage`.")]) -> None:
    """Train a champion again from its commit, and show that the same bytes come out."""
    from .ops.reproduce import reproduce

    say(reproduce(version))


@app.command(rich_help_panel=VERSIONS)
def push(
    commits: Annotated[
        list[str] | None, typer.Argument(help="Also what these commits name, as far as it is here.")
    ] = None,
) -> None:
    """Send data and models to the project's storage. `git push` does it by itself."""
    from .ops import storage

    say(storage.push(*commits or ()))


@app.command(rich_help_panel=VERSIONS)
def pull() -> None:
    """Fetch the data and models that the checked-out commit points to."""
    from .ops import storage

    say(storage.pull())


@app.command(rich_help_panel=VERSIONS)
def publish(
    branch: Annotated[str, typer.Option(help="The branch at origin that the checked-out commit is the last of.")],
    message: Annotated[str | None, typer.Option(help="The message of the commit.")] = None,
) -> None:
    """Commit the results and push them: data and models first, then the branch, if it did not move meanwhile."""
    from .ops.publish import publish

    say(publish(branch, message))


@app.command(rich_help_panel=VERSIONS)
def pack(folder: Annotated[Path, typer.Argument(help="To be made, or empty.")]) -> None:
    """Put the result of the pipeline into a folder, for another job or machine at the same commit."""
    from .ops.handover import pack

    say(pack(STARTED_IN / folder))


@app.command(rich_help_panel=VERSIONS)
def unpack(folder: Annotated[Path, typer.Argument(help="What `pack` filled.")]) -> None:
    """Take over a packed result, if it is one and of the commit that is checked out."""
    from .ops.handover import unpack

    say(unpack(STARTED_IN / folder))


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
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            print("interrupted: the command can be repeated", file=sys.stderr)
        raise
    except Exception as error:
        if debug:
            raise
        fail(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''} (see `--debug`)")


def fail(message: str) -> NoReturn:
    """End with an error, on the terminal and on the page of a workflow's run."""
    actions.error(message)
    sys.exit(f"error: {message}")


if __name__ == "__main__":
    main()
