"""The sample year replayed: on a real Dask cluster, killed and taken up again, and with the same result at home."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from support import cli, environment, git, run
from test_pipeline import cluster

pytestmark = pytest.mark.slow

ASKED = ("backtest", "--all", "--cadence", "monthly", "--window", "all", "--out", "backtest.md")
TRAININGS = 9


def cards(project: Path) -> list[Path]:
    """One for each training that is kept."""
    return sorted(project.glob(".dvc/tmp/backtest/*/*.json"))


def results(project: Path) -> list[str]:
    """What the report says but for seconds, which are those of the machine."""
    lines = (project / "backtest.md").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if " s |" not in line]


def test_the_year_on_a_cluster_killed_and_taken_up_again(project_copy: Path) -> None:
    params = project_copy / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("  threads: 2", "  threads: 1"), encoding="utf-8")
    run("uv", "sync", "--quiet", "--group", "dask", cwd=project_copy)
    before = git(project_copy, "status", "--porcelain")
    folder = "Scripts" if os.name == "nt" else "bin"
    command = [str(project_copy / ".venv" / folder / project_copy.name), *ASKED]

    with cluster(project_copy, workers=2) as (address, _):
        variables = environment(DASK_SCHEDULER_ADDRESS=address)
        with subprocess.Popen(command, cwd=project_copy, env=variables, stdout=subprocess.DEVNULL) as first:
            while len(cards(project_copy)) < 2 and first.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    first.wait(0.1)
            first.kill()
        survived = len(cards(project_copy))
        said = cli(project_copy, *ASKED, DASK_SCHEDULER_ADDRESS=address)

    assert 2 <= survived < TRAININGS
    assert f"{survived} of {TRAININGS} trainings are kept from before" in said
    assert "recommended: retrain monthly on all data: roc_auc +0.0" in said
    assert len(cards(project_copy)) == TRAININGS
    remote = results(project_copy)

    for card in cards(project_copy)[:2]:
        card.unlink()
    assert f"{TRAININGS - 2} of {TRAININGS} trainings are kept" in cli(project_copy, *ASKED)
    assert results(project_copy) == remote
    (project_copy / "backtest.md").unlink()
    (project_copy / "dask.log").unlink()
    assert git(project_copy, "status", "--porcelain") == before


def test_a_new_project_says_how_to_replay_more(project_copy: Path) -> None:
    """It holds three months: a month of them can be scored, and the command says what would show more."""
    said = cli(project_copy, "backtest", "--cadence", "weekly", "--window", "all")
    assert "never 0, weekly on all data 4" in said
    assert "`backtest --all`" in said
    assert "no retraining fits" in cli(project_copy, "backtest", "--cadence", "monthly", check=False)
