"""`deploy`: from a champion to production, step by step, as `deploy.yml` takes them."""

from pathlib import Path
from typing import Annotated

import typer

from ..console.terminal import absolute, say

app = typer.Typer(no_args_is_help=True, help="From a champion to production: image, verification, rollout.")
Version = Annotated[str, typer.Option(help="A number, `champion`, `previous`, a commit or a digest, as for `lineage`.")]
Place = Annotated[str, typer.Argument(help="staging or production")]


@app.command()
def package(
    folder: Annotated[Path | None, typer.Argument(help="To be made, or an earlier package; build/model.")] = None,
) -> None:
    """Put what serves the champion into a folder: ONNX or pipeline, card, schema, golden rows."""
    from ..deploy.package import package
    from ..settings.params import load_params
    from ..settings.paths import PACKAGE

    say(package(load_params(), absolute(folder) or PACKAGE))


@app.command()
def verify(
    url: Annotated[str, typer.Argument(help="Of the running service.")],
    version: Version = "champion",
    wait: Annotated[float, typer.Option(min=0, help="Seconds until it has to be ready.")] = 60,
) -> None:
    """Hold a running service against the champion: golden and holdout rows, then a short load."""
    from ..deploy.verify import verify
    from ..settings.params import load_params

    say(verify(load_params(), url, version, wait))


@app.command()
def image(
    tag: Annotated[str, typer.Option(help="Its name; by default that which `publish` pushes.")] = "",
    base: Annotated[str, typer.Option(help="In place of the image that the Dockerfile starts from.")] = "",
) -> None:
    """Build the image of what `deploy package` made."""
    from ..deploy.image import build
    from ..settings.params import load_params

    say(build(load_params(), tag, base))


@app.command("try")
def try_image(version: Version = "champion") -> None:
    """Run the image that was built here, as production does, and verify it."""
    from ..deploy.trial import trial
    from ..settings.params import load_params

    say(trial(load_params(), version))


@app.command()
def publish(
    version: Version = "champion",
    built: Annotated[bool, typer.Option("--built/--find", help="Push what was built here, or find it there.")] = True,
) -> None:
    """Push the image to the registry; or find that of an earlier champion there, without a build."""
    from ..deploy.push import find_published, publish
    from ..settings.params import load_params

    say((publish if built else find_published)(load_params(), version))


@app.command()
def rollout(
    environment: Place,
    version: Version = "champion",
    image: Annotated[str, typer.Option(help="The published image; that of the champion if not given.")] = "",
    unless_newer: Annotated[
        bool, typer.Option("--unless-newer/--again", help="Pass it over where main has a newer champion by now.")
    ] = False,
) -> None:
    """Roll a champion out, verify it, and take it back where that fails."""
    from ..deploy.rollout import rollout
    from ..settings.params import load_params

    say(rollout(load_params(), environment, version, image, unless_newer))


@app.command()
def rollback(environment: Place) -> None:
    """Bring back the image that ran there before, and verify it."""
    from ..deploy.rollout import rollback
    from ..settings.params import load_params

    say(rollback(load_params(), environment))
