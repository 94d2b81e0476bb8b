"""Takes the tour of docs/tour.md, and writes what terminal and GitHub showed into the page.

uv run python benchmarks/tour.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from measure import ROOT, around

sys.path += [str(ROOT), str(ROOT / "tests")]

from tour_page import PAGE, marks, posted, terminal

from act.github import github
from support import cli, environment
from test_workflows_run import BETTER, comment, propose


def put(name: str, part: str) -> None:
    """Write a part of the page."""
    before, after = around(PAGE, *marks(name))
    PAGE.write_text(f"{before}{part}{after}", encoding="utf-8")


def main() -> None:
    """From `cookiecutter` to the comment."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        command = ["uvx", "cookiecutter", str(ROOT), "--no-input"]
        made = subprocess.run(
            command,
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=True,
        )
        put("cookiecutter", terminal("uvx cookiecutter gh:org/mlops-template", made.stdout))
        project = folder / "flight-delays"
        program, (name, before, after) = f"uv run {project.name}", BETTER
        put("status", terminal(f"{program} status", cli(project, "status")))
        place = folder / "hub"
        place.mkdir()
        with github(place, project, folder / "environments") as hub:
            number = propose(hub, BETTER)
            put("comment", posted(comment(hub, hub.pull_request(number, action="opened"))))
        settings = project / name
        settings.write_text(settings.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
        for verb in ("run", "promote"):
            put(verb, terminal(f"{program} {verb}", cli(project, verb)))


if __name__ == "__main__":
    main()
