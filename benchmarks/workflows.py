"""The workflows of a pull request, run under act: how long each takes, and what of it is the project's own."""

import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from act.github import GitHub, github
from act.runs import Run

CHANGES = {
    "that changes nothing of the model": ("README.md", "# flight-delays", "# Flight delays"),
    "that changes a parameter": ("params.yaml", "max_iter: 150", "max_iter: 140"),
}
COMMANDS = ("Train", "Pack", "Report", "Unpack", "Compare", "Promote", "Publish", "uv run flight-delays")
"""How the steps begin that run the project's own commands; the others check out, install, and carry files about."""


@dataclass(frozen=True)
class Timed:
    """Median seconds of a workflow, and of the project's own commands in it."""

    workflow: str
    change: str
    seconds: float
    own: float


def timed(project: Path, folder: Path, repeats: int) -> Iterator[Timed]:
    """Each workflow on each kind of pull request; every repetition on a GitHub of its own."""
    for kind, (change, (name, before, after)) in enumerate(CHANGES.items()):
        found: dict[str, list[Run]] = {}
        for number in range(repeats):
            place = folder / f"github{kind}-{number}"
            place.mkdir()
            with github(place, project) as hub:
                for run in runs(hub, name, before, after):
                    found.setdefault(run.workflow, []).append(run)
        for workflow, several in found.items():
            yield Timed(
                workflow,
                change,
                statistics.median(run.seconds for run in several),
                statistics.median(own(run) for run in several),
            )


def runs(hub: GitHub, name: str, before: str, after: str) -> Iterator[Run]:
    """What GitHub starts for a pull request that replaces a text in a file."""
    with hub.working_on("idea", "An idea") as clone:
        file = clone / name
        file.write_text(file.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    number = hub.open_pull_request("idea")
    for workflow in ("pull-request.yml", "test.yml"):
        run = hub.pull_request(number, workflow)
        if run.conclusion != "success":
            sys.exit(f"{workflow} failed:\n{run.log}")
        yield run
        if workflow == "pull-request.yml":
            yield hub.workflow_run(run)


def own(run: Run) -> float:
    """Seconds in the project's own commands, the training among them."""
    return sum(seconds for job in run.jobs.values() for step, seconds in job.steps.items() if step.startswith(COMMANDS))
