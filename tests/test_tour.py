"""The tour shows what the commands print today; the comment is compared where the workflows run."""

import subprocess
from pathlib import Path

import pytest
from tour_page import shown, steady, terminal

from support import cli
from test_workflows_run import BETTER

pytestmark = pytest.mark.slow


def test_the_tour_shows_what_the_terminal_says(generated: subprocess.CompletedProcess[str], project_copy: Path) -> None:
    """To renew the page: `uv run python benchmarks/tour.py`."""
    assert steady(shown("cookiecutter")) == steady(terminal("uvx cookiecutter gh:org/mlops-template", generated.stdout))
    program, (name, before, after) = f"uv run {project_copy.name}", BETTER
    assert before in shown("change") and after in shown("change")
    settings = project_copy / name
    assert steady(shown("status")) == steady(terminal(f"{program} status", cli(project_copy, "status")))
    settings.write_text(settings.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    for command in ("run", "promote"):
        assert steady(shown(command)) == steady(terminal(f"{program} {command}", cli(project_copy, command)))
