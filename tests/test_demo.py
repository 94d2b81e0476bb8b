"""The demo, lived through in the default project: a newcomer's two minutes, and what they must not cost."""

import hashlib
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from support import cli, environment, files, git, uv_run

pytestmark = pytest.mark.slow

MADE_BY_RUNNING = {".venv", "__pycache__"}

FIGURE = """
import sys, pandas as pd
from mlops_template.data import sample
from mlops_template.training.artifact import load_model
from sklearn.metrics import roc_auc_score
from pathlib import Path
rows = sample.year("late")
rows = rows[rows["departure"].dt.month == 7]
answers = load_model(Path(sys.argv[1])).predict(rows)
print(f"{roc_auc_score(rows['late'], answers['probability_1']):.4f}")
"""


def contents(project: Path) -> dict[str, str]:
    """Every file of a project, git's own and what is ignored among them, by its digest."""
    found = [*files(project), *(path for path in (project / ".git").rglob("*") if path.is_file())]
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
        if not MADE_BY_RUNNING & set(path.relative_to(project).parts)
    }


@pytest.fixture(scope="module")
def lived(project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the demo said, and the copy that it left."""
    keep = tmp_path_factory.mktemp("demo") / "kept"
    outputs = keep.with_name("outputs")
    before = contents(project)
    foreign = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "GITHUB_OUTPUT": str(outputs)}
    said = cli(project, "demo", "--keep", str(keep), **foreign)
    assert contents(project) == before, "the project was touched"
    assert git(project, "status", "--porcelain") == ""
    assert not outputs.exists()
    return said, keep / project.name


def test_the_whole_is_told_in_order(lived: tuple[str, Path]) -> None:
    """Fresh months, drift, a retraining, a promotion, a broken batch, a way back, a chart, and how long it took."""
    said, _ = lived
    told = [
        "1. The first day",
        "took 27,564 rows, 2013-04-01 to 2013-04-30",
        "✓ drift",
        "verdict: promote",
        "$ uv run flight-delays promote",
        "took 28,128 rows, 2013-05-01 to 2013-05-31",
        "7. June comes broken",
        "error: the batch of 27,100 rows was refused: flight_id is unique (50 rows) and 1 more",
        "| distance | max is 6000 | 60 |",
        "(nothing: the data is as it was)",
        "took 27,075 rows, 2013-06-01 to 2013-06-30",
        "took 28,293 rows, 2013-07-01 to 2013-07-31",
        "A way back",
        "no fresh data",
        "do not retrain",
        "roc_auc on each new month",
    ]
    places = [said.find(text) for text in told]
    assert -1 not in places, told[places.index(-1)]
    assert places == sorted(places)
    assert re.search(r"It took \d+ min \d+ s\. To look round", said)
    assert "Traceback" not in said


def test_the_way_back_restores_the_champion_before(lived: tuple[str, Path]) -> None:
    said, copy = lived
    last, *_ = git(copy, "log", "--format=%h", "--", "models/champion.dvc").split()
    promoted = git(copy, "log", "--format=%h", f"{last}^", "--", "models/champion.dvc").split()[0]
    restored = git(copy, "show", "HEAD:models/champion.dvc")
    assert restored == git(copy, "show", f"{promoted}^:models/champion.dvc")
    assert restored != git(copy, "show", f"{promoted}:models/champion.dvc")
    assert f"and is {re.search('md5: ([0-9a-f]{8})', restored)[1]}" in said
    trained = json.loads((copy / "models" / "champion" / "card.json").read_text(encoding="utf-8"))["training"]["rows"]
    assert trained == 108_371


def test_the_chart_shows_what_the_models_reached(project: Path, lived: tuple[str, Path]) -> None:
    """July by the first model, which is the project's own, and a rise over it in every month but the first."""
    said, _ = lived
    found = re.findall(r"^   (\w+) +○ (0\.\d{4}) (\S+) ● (0\.\d{4}) ", said, flags=re.MULTILINE)
    assert [month for month, *_ in found] == ["April", "May", "June", "July"]
    first, champion = ({month: float(line[place]) for month, *line in found} for place in (0, 2))
    assert first["July"] == float(uv_run(project, "python", "-c", FIGURE, "models/champion"))
    assert first["April"] == champion["April"]
    assert all(champion[month] > first[month] for month in ("May", "June", "July"))
    assert all(drawn.count("●") == drawn.count("○") == 1 for month, _, drawn, _ in found if month != "April")


@pytest.mark.skipif(os.name == "nt", reason="a terminal's Ctrl-C is sent to a process group")
def test_an_interrupted_demo_leaves_nothing(project: Path, tmp_path: Path) -> None:
    command = ["uv", "run", "--no-sync", project.name, "demo"]
    with subprocess.Popen(
        command,
        cwd=project,
        env=environment(TMPDIR=str(tmp_path)),
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    ) as demo:
        said = ""
        while "trained" not in said and "validated" not in said:
            line = demo.stdout.readline()
            assert line, f"it ended by itself:\n{said}"
            said += line
        assert list(tmp_path.glob("demo-*"))
        os.killpg(demo.pid, signal.SIGINT)
        said += demo.stdout.read()
    assert demo.returncode
    assert "Traceback" not in said
    assert list(tmp_path.glob("demo-*")) == [], said


def test_a_project_with_data_of_its_own_is_told_where_to_see_it(project_copy: Path) -> None:
    params = project_copy / "params.yaml"
    text = params.read_text(encoding="utf-8")
    files_of_its_own = "source: files\n  files: { paths: [incoming/*.csv] }"
    params.write_text(text.replace("source: sample", files_of_its_own), encoding="utf-8")
    said = cli(project_copy, "demo", check=False).strip()
    assert said == (
        "error: the demo tells of the sample feed, but data.source is files here: "
        "generate a fresh project from the template to see it"
    )
