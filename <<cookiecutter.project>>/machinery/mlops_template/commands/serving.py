"""Model: the champion's predictions, for files and over HTTP."""

from typing import Annotated

import typer

from ..console.terminal import STARTED_IN, say


def score(
    source: Annotated[str, typer.Argument(metavar="IN", help="A Parquet or CSV file, a glob, or a URL.")],
    out: Annotated[str, typer.Argument(help="A .parquet or .csv file for all predictions, or a folder for one each.")],
) -> None:
    """The champion's predictions for files of any size, with the id of each row or, without one, its number.

    Example: `score "s3://bucket/2026-*.parquet" predictions.parquet`
    """
    from ..champion.lineage import find_champion
    from ..champion.opponent import champion_directory
    from ..data.contract import load_contract
    from ..scoring.score import score
    from ..settings.params import load_params

    champion, _ = find_champion("champion")
    places = [place if "://" in place else str(STARTED_IN / place) for place in (source, out)]
    with champion_directory(champion.digest, "HEAD") as directory:
        say(score(load_params(), load_contract(), directory, *places))


def serve(
    port: Annotated[int, typer.Option(help="On this machine only.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the requests.")] = 1,
) -> None:
    """Answer requests by the champion, as the image does: try it at `/docs`."""
    from ..deploy.local import ready_package
    from ..serving.environment import Settings
    from ..serving.run import run
    from ..settings.params import load_params

    run(Settings(model_dir=ready_package(load_params()), port=port, workers=workers, drain_seconds=0))
