"""Model: from a change to its verdict and a new champion, and what is said about both."""

from pathlib import Path
from typing import Annotated

import typer

from ..console.terminal import STARTED_IN, absolute, console, located, say
from ..errors import ProjectError
from ..integrations import actions
from .options import LOG, required_place


def run() -> None:
    """`train`, `compare` and `track`: from a change to its verdict."""
    from ..tracking.track import track_if_possible

    train()
    compare()
    say(track_if_possible())


NEXT = {
    "promote": "next: `promote` makes it the champion",
    "keep": "next: `report --html report.html` shows where the two differ; try another change, "
    'or `promote --force --why "…"` against the verdict',
    "fail": "next: mend what the reasons name and `run` again; `report --html report.html` shows where the two differ",
}
"""What one does after each verdict."""


def train(
    base: Annotated[str, typer.Option(help="The revision that the result is held against.")] = "HEAD",
) -> None:
    """Run the stages whose inputs changed, and say whether the model differs from that of a revision."""
    from ..champion.stages import train

    say(train(base))
    name_uncommitted()


def compare(
    base: Annotated[str, typer.Option(help="The revision whose champion is the opponent.")] = "HEAD",
    live: Annotated[bool, typer.Option("--live", help="The shadow (`serving.shadow`) on live rows instead.")] = False,
    log: Annotated[str | None, LOG] = None,
) -> None:
    """Champion against challenger on the same unseen rows: differences, gates, verdict.

    With --live, champion against shadow on the rows of the log whose outcome is known.
    """
    if live:
        if base != "HEAD":
            raise ProjectError(
                "--live compares with the champion of this commit, whose service it was: leave out --base"
            )
        compare_live(required_place(log))
        return
    from ..champion.opponent import compare_with_champion
    from ..doctor.checklist import renew_badge
    from ..evaluation.comparison import load_comparison
    from ..report.metric_table import metric_table
    from ..settings.params import load_params

    params = load_params()
    comparison = compare_with_champion(params, base)
    renew_badge()
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
    say(NEXT[comparison.verdict])


def compare_live(place: str) -> None:
    """Show the comparison of the shadow."""
    from ..monitor.live import compare_live
    from ..report.metric_table import metric_table
    from ..settings.params import load_params

    params = load_params()
    comparison = compare_live(params, place)
    console.print(metric_table(comparison, params, "live rows"))
    primary = comparison.metrics[params.gates.primary]
    worse = primary.difference.sign(primary.higher_is_better) == "▼"
    standing = "may be promoted" if comparison.verdict == "promote" else "is worse" if worse else "is not decided yet"
    say(f"the shadow {params.serving.shadow} {standing}")
    for reason in comparison.reasons:
        say(f"  {reason}")


def promote(
    force: Annotated[bool, typer.Option(help="Promote against the verdict.")] = False,
    why: Annotated[str | None, typer.Option(help="The reason for --force, kept with the model.")] = None,
) -> None:
    """Make the challenger the champion, if the verdict allows it. Commit to make it real."""
    from ..champion.promote import promote
    from ..champion.stages import changed_since_training
    from ..settings.params import load_params
    from ..storage import hooks
    from ..tracking.track import track_if_possible

    hooks.install_outside_jobs()
    stale = changed_since_training()
    say(promote(load_params(), force=force, why=why))
    say(track_if_possible())
    if stale:
        say(f"changed since this model was trained, so not in it: {', '.join(stale)}; `run` trains with it")
    name_uncommitted()


def name_uncommitted() -> None:
    """Say which new files of the pipeline would be missing in a commit that adds no file."""
    from ..champion.stages import uncommitted_inputs

    files = [path for path, state in uncommitted_inputs().items() if state == "not in git yet"]
    if files:
        say(f"not in git yet, though the pipeline imports it: {', '.join(files)}: `git add` before you commit")


def report(
    base: Annotated[str, typer.Option(help="The revision that everything is held against.")] = "HEAD",
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of the terminal.")] = None,
    html: Annotated[Path | None, typer.Option(help="Draw the page with all plots into this file as well.")] = None,
    accept: Annotated[str | None, typer.Option(help="Why it is accepted in spite of the verdict.")] = None,
    failure: Annotated[Path | None, typer.Option(help="The log of a pipeline that failed: report that.")] = None,
) -> None:
    """The last comparison in Markdown, for a reviewer with one minute: verdict, metrics, what changed."""
    from ..report.report import report

    text = report(base, accept, absolute(failure), absolute(html))
    actions.summary(text)
    if out:
        (STARTED_IN / out).parent.mkdir(parents=True, exist_ok=True)
        (STARTED_IN / out).write_text(text, encoding="utf-8", newline="\n")
    else:
        typer.echo(text, nl=False)


def diff(
    revision: Annotated[str, typer.Argument(help="A branch, tag or commit.")],
) -> None:
    """The challenger of the working tree against the champion of any revision, and what changed since."""
    from ..report.on_terminal import differences

    for part in differences(revision):
        say(part) if isinstance(part, str) else console.print(part)


def retrain(
    only_decide: Annotated[
        bool, typer.Option("--decide", help="Say whether there is reason to retrain on the rows held, and stop.")
    ] = False,
    force: Annotated[str, typer.Option(help="Retrain whatever speaks against it, for this reason.")] = "",
    production: Annotated[str, typer.Option(help="What monitoring has found: one more reason to retrain.")] = "",
    log: Annotated[str | None, LOG] = None,
) -> None:
    """Fresh rows in, a better model out, if there is reason: ingests, decides, trains, compares, promotes."""
    from ..champion.decision import Signal
    from ..monitor.evidence import evidence
    from ..retrain.decide import decide, record
    from ..retrain.retrain import retrain
    from ..settings.params import load_params

    params = load_params()
    live = evidence(params, located(log or ""))
    signals = [
        *([live] if live else []),
        *([Signal("production", True, production.strip())] if production.strip() else []),
    ]
    if only_decide:
        decision = decide(params, force.strip(), signals)
        say(decision)
        record(decision, params)
    else:
        retrain(params, force.strip(), signals, say)


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
    from ..backtest import views
    from ..backtest.backtest import backtest

    result = backtest(cadence or [], window or [], begin, whole, margin)
    for part in views.terminal(result):
        say(part) if isinstance(part, str) else console.print(part)
    views.write(result, absolute(out), absolute(html))


def status() -> None:
    """Data window, champion, challenger, what is out of date, and the level of automation."""
    from ..champion.status import status

    console.print(status())
