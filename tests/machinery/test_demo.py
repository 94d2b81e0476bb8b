"""The parts of the demo; that it can be lived through, the template's own tests show."""

import os
from pathlib import Path

import pandas as pd
import pytest
from mlops_template.errors import ProjectError
from mlops_template.integrations.git import git
from mlops_template.settings.params import load_params
from mlops_template.starter.chart import Month, chart
from mlops_template.starter.demo import Story, demo
from mlops_template.starter.scratch import Scratch, fitted, scratch


@pytest.fixture
def committed(project: Path) -> Path:
    """A project in git, with results of its own."""
    about = '[project]\nname = "x"\ndescription = ""\nauthors = [{name = "", email = ""}]\n'
    (project / "pyproject.toml").write_text(about)
    (project / ".gitignore").write_text("/secret\n")
    results = ("data/raw.dvc", "models/champion.dvc", "dvc.lock", "reports/metrics.json")
    for name in (*results, "reports/.gitignore", ".dvc/.gitignore", "secret"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("")
    git("init", "--quiet")
    git("add", "--all")
    (project / "new.py").write_text("")
    return project


def test_the_copy_holds_the_files_but_no_results_and_no_secrets(committed: Path) -> None:
    with scratch(None, print) as there:
        found = {path.relative_to(there.project).as_posix() for path in there.project.rglob("*") if path.is_file()}
        assert {name for name in found if not name.startswith(".git/")} == {
            *(".dvc/.gitignore", ".dvc/config", ".gitignore", "reports/.gitignore"),
            *("contract.yaml", "new.py", "params.yaml", "pyproject.toml"),
            *("src/shop/__init__.py", "src/shop/pipeline.py"),
        }
        source = load_params(there.project / "params.yaml").data
        assert source.files and source.files.paths == [(there.feed / "*.parquet").as_posix()]
    assert not there.feed.parent.exists()


def test_the_copy_is_gone_when_something_went_wrong(committed: Path) -> None:
    with pytest.raises(KeyboardInterrupt), scratch(None, print) as there:
        raise KeyboardInterrupt
    assert not there.feed.parent.exists()


def test_commands_of_the_copy_reach_no_server_and_no_job(committed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "GITHUB_OUTPUT", "DASK_SCHEDULER_ADDRESS", "DVC_STUDIO_TOKEN", "GIT_DIR"):
        monkeypatch.setenv(name, "somewhere")
    with scratch(None, print) as there:
        assert "somewhere" not in there.environment().values()
        assert there.environment()["PATH"] == os.environ["PATH"]


def test_a_kept_copy_lies_in_a_new_folder_outside(committed: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(ProjectError, match="lies in the project"), scratch(committed / "demo", print):
        pass
    filled = tmp_path_factory.mktemp("filled")
    (filled / "file").touch()
    with pytest.raises(ProjectError, match="name a folder that does not"), scratch(filled, print):
        pass
    with scratch(filled / "new", print) as there:
        pass
    assert there.feed == filled / "new" / "feed"
    assert there.feed.is_dir()


def test_it_is_about_the_sample_feed(project: Path) -> None:
    with pytest.raises(ProjectError, match="source is files here"):
        demo(4, None, print)


def test_the_chart_has_both_models_in_their_places() -> None:
    months = [Month("April", 0.6, 0.6), Month("May", 0.8, 0.7), Month("June", 0.65, 0.75)]
    title, april, may, june, mean = chart(months, "roc_auc", higher_is_better=True)
    assert "more is better" in title
    assert "◉" in april and "the same" in april
    drawn = [line[20:68] for line in (april, may, june)]
    assert drawn[0].index("◉") == 0
    assert drawn[1].index("●") == 47 and drawn[1].index("○") == 23
    assert drawn[2].index("●") < drawn[2].index("○")
    assert [line.split()[-1] for line in (may, june)] == ["+0.1000", "-0.1000"]
    assert mean.split()[0] == "mean" and mean.endswith("+0.0000")


def test_a_long_line_is_folded_and_loses_nothing() -> None:
    told = "✓ drift    " + "temperature 7.43, " * 20
    assert "".join(part.strip() + " " for part in fitted(told)).split() == told.split()
    assert all(len(part) <= 120 for part in fitted(told))
    assert fitted("short") == ["short"]


def test_between_steps_it_waits(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before the first."""
    said, waits = list[str](), list[int]()
    story = Story(Scratch(project, project, said.append), load_params(), pd.DataFrame(), lambda: waits.append(len(said)))
    for title in ("one", "two", "three"):
        story.step(title, "why")
    assert waits == [1, 2] and said[2].startswith("\n3. three")
