"""MLflow's embedded store, when the project moves."""

import shutil
from pathlib import Path

import pytest
from mlops_template.integrations.git import git
from mlops_template.settings import paths
from mlops_template.tracking.last import Tracked, last_tracked, remember
from mlops_template.tracking.runs import duration_of
from mlops_template.tracking.store import Store, open_store


def log(store: Store, text: str) -> str:
    """A run with an artifact; gives the run's id."""
    run = store.client.create_run(store.experiment)
    store.client.log_text(run.info.run_id, text, "note.txt")
    return str(run.info.run_id)


def test_a_project_that_is_moved_or_copied_takes_its_artifacts_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was logged before is read, and what is logged now is written, where the project lies now."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    old, new = tmp_path / "old", tmp_path / "a new place"
    old.mkdir()
    shutil.copy(Path(__file__).parent / "data" / "pyproject.toml", old / "pyproject.toml")
    monkeypatch.chdir(old)
    with open_store() as store:
        first = log(store, "before")
    shutil.copytree(old, new)
    shutil.rmtree(old / paths.TRACKING_ARTIFACTS)
    monkeypatch.chdir(new)
    with open_store() as store:
        kept = store.client.download_artifacts(first, "note.txt")
        second = log(store, "after")
        placed = store.client.get_run(second).info.artifact_uri
    assert Path(kept).read_text() == "before"
    assert placed.startswith((new / paths.TRACKING_ARTIFACTS).as_uri())
    assert not (old / paths.TRACKING_ARTIFACTS).exists()
    with open_store() as store:
        assert store.client.get_run(first).info.artifact_uri.startswith((new / paths.TRACKING_ARTIFACTS).as_uri())


def test_what_was_tracked_last_is_known_until_anything_of_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another result, another database, another server, or half a record: then MLflow is asked again."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    paths.LOCK.write_text("stages: {}\n")
    paths.TRACKING_DATABASE.write_text("a database")
    assert last_tracked() is None
    remember(Tracked("a1b2c3d4e5", new=True, store="mlflow.db", champion=2))
    assert str(last_tracked()) == "MLflow run a1b2c3d4 was there already (mlflow.db), champion is version 2"

    paths.LOCK.write_text("stages: { train: {} }\n")
    assert last_tracked() is None
    paths.LOCK.write_text("stages: {}\n")
    assert last_tracked() is not None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert last_tracked() is None
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    kept = paths.TRACKED.read_text()
    paths.TRACKED.write_text(kept[: len(kept) // 2])
    assert last_tracked() is None
    paths.TRACKED.write_text(kept)
    paths.TRACKING_DATABASE.unlink()
    assert last_tracked() is None


def test_a_run_takes_as_long_as_its_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as the record of the last `train` is of this result."""
    monkeypatch.chdir(tmp_path)
    assert duration_of("lock") == 0
    paths.STAGES.parent.mkdir(parents=True)
    paths.STAGES.write_text('{"lock": "lock", "stages": [{"stage": "train", "seconds": 2.5}, {"stage": "x", "seconds": 1}]}')
    assert duration_of("lock") == 3500
    assert duration_of("another") == 0
