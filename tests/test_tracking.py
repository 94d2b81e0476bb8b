"""MLflow is a view of git: each result once, the champions in order, whatever happens to the store meanwhile."""

import json
import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from browser import browse
from pages import blocks
from support import cli, commit, environment, git, run, uv_run

pytestmark = pytest.mark.slow

SEARCH = """candidates:
    - estimator: sklearn.ensemble.HistGradientBoostingClassifier
      params: { max_iter: 5 }
      ranges: { learning_rate: [0.05, 0.2] }
"""

STATE = """
import json
from mlflow import MlflowClient

client = MlflowClient()
name = "flight-delays"
experiment = client.get_experiment_by_name(name).experiment_id
runs = client.search_runs([experiment], "attributes.status = 'FINISHED'", order_by=["attributes.start_time"])
try:
    aliases = client.get_registered_model(name).aliases
except Exception:
    aliases = {}
versions = sorted(client.search_model_versions(f"name = '{name}'"), key=lambda v: int(v.version))
def files(run, path=None):
    for found in client.list_artifacts(run, path):
        yield from files(run, found.path) if found.is_dir else [found.path]
print(json.dumps({
    "runs": [
        {"id": r.info.run_id, "time": r.info.start_time, "tags": r.data.tags, "params": r.data.params,
         "metrics": r.data.metrics, "files": sorted(files(r.info.run_id)),
         "inputs": {d.dataset.name: [d.dataset.digest, d.dataset.source, d.dataset.profile]
                    for d in (r.inputs.dataset_inputs if r.inputs else [])}}
        for r in runs],
    "versions": [{"number": int(v.version), "tags": v.tags, "run": v.run_id} for v in versions],
    "aliases": {alias: int(number) for alias, number in aliases.items()},
}))
"""

ANSWERS = """
import json
import mlflow
import numpy as np
import pandas as pd

model = mlflow.pyfunc.load_model("models:/flight-delays@champion")
golden = json.load(open("models/champion/golden.json"))
numeric = json.load(open("models/champion/card.json"))["features"]["numeric"]
rows = pd.DataFrame(golden["rows"]).astype(dict.fromkeys(numeric, "float64"))
answers = model.predict(rows)
assert list(answers) == model.metadata.get_output_schema().input_names() == list(golden["predictions"][0])
assert np.allclose(answers, pd.DataFrame(golden["predictions"]))
assert model.input_example.equals(rows)
assert model.predict(rows.iloc[:1].assign(wind_gust=np.nan, carrier=None)).shape == (1, 2)
print("same answers")
"""


def store(project: Path) -> str:
    """The address of the embedded store."""
    return f"sqlite:///{(project / 'mlflow.db').as_posix()}"


def state(project: Path, uri: str | None = None) -> dict[str, Any]:
    """What the store holds: finished runs, registered versions, aliases."""
    said = uv_run(
        project, "python", "-c", STATE, MLFLOW_TRACKING_URI=uri or store(project), MLFLOW_LOGGING_LEVEL="ERROR"
    )
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def results(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs of the pipeline, without those of the candidates."""
    return [run for run in found["runs"] if "dvc.lock" in run["tags"]]


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(command: list[str], cwd: Path, log: Path, url: str, **changes: str) -> Iterator[None]:
    """A process that answers at a URL, ended as by Ctrl-C."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment(**changes),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_until(lambda: answers(url), process, log)
            yield
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=60)


def answers(url: str) -> bool:
    """Whether anything good comes from a URL."""
    try:
        with urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for a condition, as long as the process lives and at most five minutes."""
    end = time.monotonic() + 300
    while not condition():
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.2)


@pytest.fixture
def clone(champions: Path, tmp_path: Path) -> Path:
    """A fresh clone of a project with three champions, without data and models."""
    clone = tmp_path / "flight-delays"
    run("git", "clone", "--quiet", str(champions), str(clone), cwd=tmp_path)
    run("uv", "sync", "--quiet", cwd=clone)
    return clone


def test_a_result_is_one_run_with_all_that_made_it(project: Path) -> None:
    found = state(project)
    (tracked,) = results(found)
    lock = (project / "dvc.lock").read_text(encoding="utf-8")
    measured = json.loads((project / "reports" / "metrics.json").read_text(encoding="utf-8"))
    card = json.loads((project / "models" / "challenger" / "card.json").read_text(encoding="utf-8"))

    assert tracked["params"]["model.candidates.0.params.max_iter"] == "150"
    assert tracked["params"]["split.holdout"] == "28 days"
    for end, name in (("value", "roc_auc"), ("low", "roc_auc.low"), ("high", "roc_auc.high")):
        assert tracked["metrics"][name] == measured["model"]["roc_auc"][end]
    assert tracked["metrics"]["baseline.roc_auc"] == measured["baseline"]["roc_auc"]["value"]
    assert tracked["tags"]["git.commit"] == git(project, "rev-parse", "HEAD")
    assert tracked["tags"]["git.dirty"] == "false"
    assert (tracked["tags"]["git.branch"], tracked["tags"]["trigger"]) == ("main", "local")
    assert tracked["tags"]["data/raw"] in (project / "data" / "raw.dvc").read_text(encoding="utf-8")
    assert tracked["tags"]["models/challenger"] in (project / "models" / "champion.dvc").read_text(encoding="utf-8")
    for name, rows in (("train", card["training"]["rows"]), ("holdout", measured["rows"])):
        digest, source, profile = tracked["inputs"][name]
        assert f"- path: data/split/{name}.parquet\n      hash: md5\n      md5: {digest}\n" in lock
        assert json.loads(source) == {"uri": f"data/split/{name}.parquet"}
        assert json.loads(profile) == {"num_rows": rows}
    assert {"reports/comparison.json", "reports/model_card.md", "reports/slices.json"} <= {*tracked["files"]}
    assert any(file.startswith("reports/plots/") for file in tracked["files"])
    assert not any("predictions" in file for file in tracked["files"])

    assert [version["run"] for version in found["versions"]] == [tracked["id"]]
    assert found["aliases"] == {"champion": 1}
    assert "same answers" in uv_run(project, "python", "-c", ANSWERS, MLFLOW_TRACKING_URI=store(project))


def test_tracking_again_changes_nothing(project_copy: Path) -> None:
    before = state(project_copy)
    for arguments in (["track"], ["track", "--history"]):
        cli(project_copy, *arguments)
        assert state(project_copy) == before
    assert git(project_copy, "status", "--porcelain") == ""


def test_a_server_that_was_down_is_caught_up_with(project_copy: Path, tmp_path: Path) -> None:
    """`run` ends well without it; then one `track` brings run, candidates and model, one promotion a version."""
    params = project_copy / "params.yaml"
    text = params.read_text(encoding="utf-8")
    start, end = text.index("candidates:"), text.index("  search: {")
    params.write_text(text[:start] + SEARCH + text[end:], encoding="utf-8")
    port = free_port()
    server = f"http://127.0.0.1:{port}"
    embedded = state(project_copy)

    said = cli(project_copy, "run", MLFLOW_TRACKING_URI=server)
    assert f"not yet tracked: MLflow at {server}" in said

    began = time.monotonic()
    refused = cli(project_copy, "track", check=False, MLFLOW_TRACKING_URI=server)
    assert refused.startswith("error: MLflow at ") and "Traceback" not in refused
    said = cli(project_copy, "ci", "record", "champion", MLFLOW_TRACKING_URI=server)
    assert said.startswith("not recorded: MLflow at "), "no deployment fails for that"
    assert time.monotonic() - began < 60, "a server that is down is noticed at once"

    server_block, laptop, _ = blocks(project_copy / "docs" / "tracking.md")
    [command] = (shlex.split(one.replace("5000", str(port))) for one in server_block.commands)
    exported, *followed = laptop.commands
    assert exported == "export MLFLOW_TRACKING_URI=http://127.0.0.1:5000"
    with started(
        command, project_copy, tmp_path / "log", f"{server}/health", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"
    ):
        cli(project_copy, "track", MLFLOW_TRACKING_URI=server)
        found = state(project_copy, server)
        (tracked,) = results(found)
        children = [run for run in found["runs"] if run["tags"].get("mlflow.parentRunId") == tracked["id"]]
        assert sorted(child["params"]["learning_rate"] for child in children) == ["0.05", "0.2"]
        assert [child["tags"]["chosen"] for child in children].count("true") == 1
        assert all({"fold_score", "mean_score"} <= child["metrics"].keys() for child in children)
        assert tracked["tags"]["git.dirty"] == "true"
        assert found["versions"] == [], "the old champion's run is not on this server"

        cli(project_copy, "promote", "--force", "--why", "to see it", MLFLOW_TRACKING_URI=server)
        commit(project_copy, "Search")
        cli(project_copy, "track", MLFLOW_TRACKING_URI=server)
        found = state(project_copy, server)
        (tracked,) = results(found)
        head = git(project_copy, "rev-parse", "HEAD")
        assert (tracked["tags"]["git.commit"], tracked["tags"]["git.dirty"]) == (head, "false")
        assert [version["tags"]["git.commit"] for version in found["versions"]] == [head]
        assert found["aliases"] == {}, "on a server they say what production runs"

        for record, aliases in (
            ("challenger", {"challenger": 1}),
            ("rollback", {}),
            ("challenger", {"challenger": 1}),
            ("champion", {"champion": 1}),
            ("rollback", {"champion": 1}),
        ):
            said = cli(project_copy, "ci", "record", record, MLFLOW_TRACKING_URI=server)
            assert said.startswith("version 1 of flight-delays "), said
            assert state(project_copy, server)["aliases"] == aliases, record
        found = state(project_copy, server)
        assert "same answers" in uv_run(project_copy, "python", "-c", ANSWERS, MLFLOW_TRACKING_URI=server)

        cli(project_copy, "track", MLFLOW_TRACKING_URI=server)
        assert state(project_copy, server) == found

        told = [run(*shlex.split(one), cwd=project_copy, MLFLOW_TRACKING_URI=server) for one in followed]
        for said, expected in zip(told, ("1 of 2 results of main logged", "was there already", server), strict=True):
            assert expected in said
    assert state(project_copy) == embedded


def test_a_fresh_clone_shows_the_whole_history(clone: Path) -> None:
    said = cli(clone, "track", "--history")

    assert "3 of 3 results of main logged, 3 champions registered" in said
    found = state(clone)
    commits = git(clone, "log", "--first-parent", "--reverse", "--format=%H %ct", "--", "dvc.lock").splitlines()
    assert [f"{run['tags']['git.commit']} {run['time'] // 1000}" for run in results(found)] == commits
    assert [run["params"]["model.candidates.0.params.max_iter"] for run in results(found)] == ["150", "5", "6"]
    assert all(run["files"] and "roc_auc" in run["metrics"] for run in results(found))
    promoted = git(clone, "log", "--first-parent", "--reverse", "--format=%H", "--", "models/champion.dvc").split()
    assert [version["tags"]["git.commit"] for version in found["versions"]] == promoted
    assert [version["run"] for version in found["versions"]] == [run["id"] for run in results(found)]
    assert found["aliases"] == {"champion": 3, "previous": 2}

    again = cli(clone, "track", "--history")
    assert "0 of 3 results of main logged, 0 champions registered" in again
    assert state(clone) == found

    cli(clone, "pull")
    assert "same answers" in uv_run(clone, "python", "-c", ANSWERS, MLFLOW_TRACKING_URI=store(clone))


def test_a_champion_that_comes_back_is_a_version_of_its_own(clone: Path) -> None:
    git(clone, "checkout", "--quiet", "HEAD~1", "--", "models/champion.dvc")
    commit(clone, "Roll back")

    cli(clone, "track", "--history")

    found = state(clone)
    digests = [version["tags"]["models/champion"] for version in found["versions"]]
    assert len(digests) == 4 and digests[3] == digests[1] and len({*digests}) == 3
    assert found["aliases"] == {"champion": 4, "previous": 3}
    assert found["versions"][3]["run"] == found["versions"][1]["run"]


def test_history_without_the_storage_has_the_figures_and_gets_the_models_later(clone: Path, champions: Path) -> None:
    git(clone, "remote", "set-url", "origin", str(champions.with_name("nowhere.git")))
    git(clone, "update-ref", "-d", "refs/remotes/origin/dvc-storage")

    said = cli(clone, "track", "--history")

    assert "3 of 3 results" in said and "3 without their model" in said
    found = state(clone)
    assert [run["tags"]["model"] for run in results(found)] == ["unavailable"] * 3
    assert all("roc_auc" in run["metrics"] for run in results(found))

    git(clone, "remote", "set-url", "origin", str(champions))
    cli(clone, "track", "--history")
    caught_up = state(clone)
    assert [run["id"] for run in results(caught_up)] == [run["id"] for run in results(found)]
    assert caught_up["aliases"] == {"champion": 3, "previous": 2}


def test_an_interrupted_run_is_made_anew(project_copy: Path) -> None:
    (done,) = results(state(project_copy))
    interrupt = f"""
from mlflow import MlflowClient
client = MlflowClient()
client.update_run("{done["id"]}", status="RUNNING")
"""
    uv_run(project_copy, "python", "-c", interrupt, MLFLOW_TRACKING_URI=store(project_copy))
    assert results(state(project_copy)) == []

    cli(project_copy, "track")
    (again,) = results(state(project_copy))
    assert again["id"] != done["id"]
    assert {**again["tags"], "model": ""} == {**done["tags"], "model": ""}


def test_two_processes_may_be_the_first_to_use_a_store(project_copy: Path) -> None:
    (project_copy / "mlflow.db").unlink()
    command = ["uv", "run", "--no-sync", "flight-delays", "track"]
    both = [
        subprocess.Popen(
            command, cwd=project_copy, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert sorted("written" in text for text in said) == [False, True]
    assert len(results(state(project_copy))) == 1


def query(database: Path, statement: str) -> list[tuple[str, ...]]:
    """The rows of a query."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(statement).fetchall()


MAKE_OLD = """
import sqlite3
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.initial_models import Base

config = utils._get_alembic_config("sqlite:///mlflow.db")
newest_first = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
old = newest_first[20]
engine = utils.create_sqlalchemy_engine("sqlite:///mlflow.db")
Base.metadata.create_all(engine)
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, old)
with sqlite3.connect("mlflow.db") as connection:
    connection.execute("INSERT INTO experiments (name, lifecycle_stage) VALUES ('of old', 'active')")
print(old)
"""


def test_the_store_of_an_older_mlflow_is_upgraded_after_a_backup(project_copy: Path) -> None:
    (project_copy / "mlflow.db").unlink()
    old = uv_run(project_copy, "python", "-c", MAKE_OLD).splitlines()[-1]

    said = cli(project_copy, "track")

    assert f"mlflow.db is of an older MLflow: upgrading it, the old one is kept as mlflow.db.backup-{old}" in said
    backup = project_copy / f"mlflow.db.backup-{old}"
    assert query(backup, "SELECT version_num FROM alembic_version") == [(old,)]
    assert ("of old",) in query(project_copy / "mlflow.db", "SELECT name FROM experiments")
    assert len(results(state(project_copy))) == 1
    assert "backup" not in cli(project_copy, "track")
    assert git(project_copy, "status", "--porcelain") == ""


@pytest.mark.parametrize("case", ["newer", "damaged"])
def test_a_store_that_cannot_be_read_is_named_and_left_alone(project_copy: Path, case: str) -> None:
    database = project_copy / "mlflow.db"
    if case == "newer":
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = 'f00'")
    else:
        database.write_bytes(b"not a database" * 100)
    before = database.read_bytes()

    said = cli(project_copy, "track", check=False)

    assert said.startswith("error: mlflow.db ") and len(said.splitlines()) == 1
    assert ("newer MLflow (schema f00)" if case == "newer" else "no MLflow database") in said
    assert "track --history" in said
    assert database.read_bytes() == before


def test_ui_logs_the_history_and_opens_mlflow(project_copy: Path, tmp_path: Path) -> None:
    """Also where MLflow's server is not installed yet; what is installed stays as it is. A browser shows the runs."""
    (project_copy / "mlflow.db").unlink()
    port = free_port()
    command = ["uv", "run", "--no-sync", "flight-delays", "ui", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"

    with started(command, project_copy, tmp_path / "log", f"{url}/health"):
        found = state(project_copy, url)
        assert cli(project_copy, "ui", "--port", str(port), check=False).startswith(f"error: port {port} is taken")
        address = re.search(r"http://127\S+/#\S+", (tmp_path / "log").read_text())
        assert address
        page = browse(tmp_path, "--window-size=1500,900", "--dump-dom", address[0])
        digest = re.search(r"md5: (\w{8})", (project_copy / "models/champion.dvc").read_text())
        assert digest and f"{digest[1]} HistGradient" in page
        assert all(f">{column}<" in page for column in ("roc_auc", "roc_auc.low", "roc_auc.high"))
    assert "1 of 1 results of main logged, 1 champions registered" in (tmp_path / "log").read_text()
    assert len(results(found)) == 1 and found["aliases"] == {"champion": 1}
    run("uv", "sync", "--quiet", cwd=project_copy)
    assert "was there already" in cli(project_copy, "track")


def test_ui_names_a_server_of_ones_own(project: Path) -> None:
    said = cli(project, "ui", MLFLOW_TRACKING_URI="https://mlflow.example.com")
    assert "https://mlflow.example.com" in said
