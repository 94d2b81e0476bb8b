"""Tables that have nothing to do with flights become the project: adopted, trained, promoted, without an edit."""

from pathlib import Path

import pytest

from support import cli, commit, git, uv_run

pytestmark = pytest.mark.slow

EXPORT = "from sklearn.datasets import {name}; {name}(as_frame=True).frame.to_csv('table.csv', index=False)"


@pytest.mark.parametrize(
    ("name", "metric", "features"),
    [("load_breast_cancer", "roc_auc", 30), ("load_wine", "log_loss", 13), ("load_diabetes", "mae", 10)],
)
def test_a_real_table_becomes_the_project(name: str, metric: str, features: int, project_copy: Path) -> None:
    flights = git(project_copy, "show", "HEAD:models/champion.dvc")
    uv_run(project_copy, "python", "-c", EXPORT.format(name=name))
    assert f"from {features} features" in cli(project_copy, "adopt", "table.csv", "--target", "target")

    said = cli(project_copy, "run")
    assert "the champion answers another question" in said
    assert f"  {metric} " in said.split("verdict: promote")[1]
    assert "in place of" in cli(project_copy, "promote")
    commit(project_copy, f"Another question: {name}")

    assert git(project_copy, "show", "HEAD:models/champion.dvc") != flights
    assert "unchanged" in cli(project_copy, "run")
    assert git(project_copy, "status", "--porcelain") == ""
    assert "target" in (project_copy / "reports" / "model_card.md").read_text(encoding="utf-8")
