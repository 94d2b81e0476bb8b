"""Model: the champion's predictions, for files and over HTTP."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..console.terminal import STARTED_IN, console, located, say
from .options import LOG, required_place


def score(
    source: Annotated[str, typer.Argument(metavar="IN", help="A Parquet or CSV file, a glob, or a URL.")],
    out: Annotated[str, typer.Argument(help="A .parquet or .csv file for all predictions, or a folder for one each.")],
) -> None:
    """The champion's predictions for files of any size, with the id of each row or, without one, its number.

    Example: `score "s3://bucket/2026-*.parquet" predictions.parquet`
    """
    from ..champion.lineage import find_champion
    from ..champion.opponent import model_directory
    from ..data.contract import load_contract
    from ..scoring.score import score
    from ..settings.params import load_params

    champion, _ = find_champion("champion")
    with model_directory(champion.digest, "HEAD") as directory:
        say(score(load_params(), load_contract(), directory, located(source), located(out)))


def serve(
    port: Annotated[int, typer.Option(help="On this machine only.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the requests.")] = 1,
    log: Annotated[str | None, LOG] = None,
) -> None:
    """Answer requests by the champion, as the image does: try it at `/docs`."""
    from ..deploy.local import ready_package
    from ..serving.environment import from_environment
    from ..serving.run import run
    from ..settings.params import load_params

    settings = from_environment()
    package, place = ready_package(load_params()), located(log or "") or None
    run(replace(settings, model_dir=package, port=port, workers=workers, drain_seconds=0, predictions=place))


def monitor(
    log: Annotated[str | None, LOG] = None,
    out: Annotated[Path | None, typer.Option(help="Write a report in Markdown into this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Draw the page with all charts into this file.")] = None,
    export: Annotated[bool, typer.Option("--export", help="Keep what was found, without rows, in storage.")] = False,
) -> None:
    """How the champion does in production: what changed, real and estimated performance, the service itself.

    Example: `monitor --log predictions.db`
    """
    from ..monitor import monitoring_page, show
    from ..monitor.monitor import monitor
    from ..report import report
    from ..settings.params import load_params
    from ..settings.project import load_project

    monitoring = monitor(load_params(), required_place(log))
    for part in show.terminal(monitoring):
        say(part) if isinstance(part, str) else console.print(part)
    if out:
        report.write(STARTED_IN / out, show.markdown(monitoring))
    if html:
        report.write(STARTED_IN / html, monitoring_page.html(monitoring, load_project().name))
    if export:
        from ..monitor.exported import export as keep

        say(f"exported to {keep(monitoring)}")


def site(
    log: Annotated[str | None, LOG] = None,
    out: Annotated[Path, typer.Option(help="The folder to write it into.")] = Path("site"),
    tar: Annotated[Path | None, typer.Option(help="Write it as one archive too, as GitHub Pages take it.")] = None,
    exported: Annotated[bool, typer.Option("--exported", help="Take production from the storage instead.")] = False,
) -> None:
    """The project's life as a static site: what is wrong now, every champion, production, the last backtest.

    Example: `site --log predictions.db`, then open `site/index.html`
    """
    from ..site.site import site

    say(site(STARTED_IN / out, located(log) if log else "", exported, STARTED_IN / tar if tar else None))


def feedback(
    source: Annotated[str, typer.Argument(metavar="FILE-OR-SQL", help="A CSV or Parquet file, or URL::query.")] = "",
    log: Annotated[str | None, LOG] = None,
) -> None:
    """Tell the log of predictions what truly happened: a table with an id and the target, or the rows held here.

    The id is that of a prediction, as `id`, or the contract's. Example: `feedback outcomes.csv`
    """
    from ..monitor.outcomes import record
    from ..settings.params import load_params

    say(record(load_params(), required_place(log), located(source)))


def forget(
    row_ids: Annotated[list[str], typer.Option("--id", help="Of the contract, or of a prediction; may be repeated.")],
    log: Annotated[str | None, LOG] = None,
) -> None:
    """Delete all that the log of predictions holds of a person or thing."""
    from ..monitor.outcomes import forget_rows
    from ..settings.params import load_params

    say(forget_rows(load_params(), required_place(log), row_ids))
