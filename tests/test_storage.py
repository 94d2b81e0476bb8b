"""Data and models travel with plain git, and a setup that was cut short goes on."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import Bake
from support import cli, environment, git, run


@pytest.mark.slow
def test_git_push_carries_data_and_models(project_copy: Path, tmp_path: Path) -> None:
    """The hook runs in the user's own shell; a clone of `main` alone finds the storage all the same."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    git(project_copy, "remote", "add", "origin", str(tmp_path / "origin.git"))
    said = git(project_copy, "push", "--set-upstream", "origin", "main")
    assert "the branch is at origin" in said
    assert git(tmp_path / "origin.git", "rev-parse", "dvc-storage") == git(project_copy, "rev-parse", "dvc-storage")

    git(tmp_path, "clone", "--quiet", "--single-branch", "origin.git", project_copy.name)
    clone = tmp_path / project_copy.name
    run("uv", "sync", "--quiet", cwd=clone)
    cli(clone, "pull")
    for data in ("data/raw", "data/split", "models/challenger", "models/champion", "reports/predictions.parquet"):
        assert (clone / data).exists(), data
    assert git(clone, "status", "--porcelain") == ""


@pytest.mark.slow
def test_a_setup_that_was_interrupted_goes_on(bake: Bake) -> None:
    """Ctrl-C in the middle of the training: the data is not taken twice, and there is one commit."""
    project = bake()
    process = subprocess.Popen(
        ["uv", "run", project.name, "setup"],
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    )
    assert process.stdout
    said = []
    for line in process.stdout:
        said.append(line)
        if line.endswith(".model.train\n"):
            os.killpg(process.pid, signal.SIGINT)
    assert process.wait() != 0, said
    assert "Traceback" not in "".join(said)
    cli(project, "setup")
    assert [path.name for path in (project / "data" / "raw").iterdir()] == ["2013-01-01_2013-03-31.parquet"]
    assert git(project, "rev-list", "--count", "main") == "1"
    assert git(project, "status", "--porcelain") == ""
