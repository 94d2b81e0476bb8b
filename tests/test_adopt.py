"""Tables that have nothing to do with flights become the project: adopted, trained, promoted, without an edit."""

import subprocess
from pathlib import Path

import pytest

from support import cli, commit, environment, git, uv_run

pytestmark = pytest.mark.slow

EXPORT = "from sklearn.datasets import {name}; {name}(as_frame=True).frame.to_csv('table.csv', index=False)"

DAMAGED = """
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
rows = 1_000_000
random = np.random.default_rng(0)
columns = {f"c{number}": random.random(rows) for number in range(12)}
pq.write_table(pa.table(columns), "damaged.parquet", row_group_size=rows // 20)
with open("damaged.parquet", "r+b") as file:
    file.seek(4)
    file.write(bytes(3_000_000))
"""


@pytest.mark.parametrize(
    ("name", "metric", "features"),
    [("load_breast_cancer", "roc_auc", 30), ("load_wine", "log_loss", 13), ("load_diabetes", "mae", 10)],
)
def test_a_real_table_becomes_the_project(name: str, metric: str, features: int, project_copy: Path) -> None:
    flights = git(project_copy, "show", "HEAD:models/champion.dvc")
    uv_run(project_copy, "python", "-c", EXPORT.format(name=name))
    assert f"from {features} features" in cli(project_copy, "adopt", "table.csv", "--target", "target")

    said = cli(project_copy, "run")
    assert "the champion predicts another target" in said
    assert f"  {metric} " in said.split("verdict: promote")[1]
    assert "in place of" in cli(project_copy, "promote")
    commit(project_copy, f"Another question: {name}")

    assert git(project_copy, "show", "HEAD:models/champion.dvc") != flights
    assert "unchanged" in cli(project_copy, "run")
    assert git(project_copy, "status", "--porcelain") == ""
    assert "target" in (project_copy / "reports" / "model_card.md").read_text(encoding="utf-8")
    assert "18 passed" in uv_run(project_copy, "pytest")


def test_a_large_damaged_file_is_named_and_the_command_ends(project_copy: Path) -> None:
    """Arrow's threads are still reading then, and must not wait for a Python that has ended."""
    uv_run(project_copy, "python", "-c", DAMAGED)
    command = ["uv", "run", "--no-sync", project_copy.name, "adopt", "damaged.parquet", "--target", "c0"]
    done = subprocess.run(
        command,
        cwd=project_copy,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=180,
    )
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("error: ")
    assert "damaged.parquet cannot be read, it may be half written" in done.stdout
