"""The pipeline on the real sample: the same bytes everywhere, the same winner on a cluster, and no stray imports."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import cli, environment, git, run, uv_run

pytestmark = pytest.mark.slow

SEARCH = """
    - estimator: sklearn.linear_model.LogisticRegression
      ranges: { C: { low: 0.01, high: 10, log: true } }
    - estimator: sklearn.ensemble.HistGradientBoostingClassifier
      params: { max_iter: 30 }
      ranges: { learning_rate: [0.05, 0.2] }
  search: { folds: 3, n_iter: 2 }

evaluate:
"""


WAIT = """
from distributed import Client
Client("{address}", timeout="60s").wait_for_workers({workers}, timeout=60)
"""

DONE = """
from distributed import Client
client = Client("{address}", timeout="60s")
log = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.transition_log))
print(*(key for key, before, now, *_ in log if now == "memory"))
"""


def digest(project: Path) -> str:
    """The lines of `dvc.lock` that name the model and what it came from."""
    lock = (project / "dvc.lock").read_text(encoding="utf-8")
    return lock[lock.index("  train:") :]


def test_the_same_inputs_give_the_same_bytes_in_another_directory(project: Path, tmp_path: Path) -> None:
    """Not from a cache: the second project trains with an empty one."""
    other = tmp_path / "somewhere else" / project.name
    shutil.copytree(project, other, ignore=shutil.ignore_patterns(".venv", ".git", "cache", "tmp", ".storage"))
    shutil.rmtree(other / "models" / "challenger")
    run("uv", "sync", "--quiet", cwd=other)
    run("git", "init", "--quiet", cwd=other)
    uv_run(other, "dvc", "repro", "--force", "--no-run-cache")
    assert digest(other) == digest(project)


def test_no_stage_imports_mlflow_and_only_the_contract_needs_pandera(project: Path) -> None:
    for stage in ("data.validate", "data.split", "training.train", "evaluation.evaluate"):
        code = f"import sys, mlops_template.{stage}; print(sorted({{name.partition('.')[0] for name in sys.modules}}))"
        imported = uv_run(project, "python", "-c", code)
        assert "'mlflow'" not in imported
        assert "'dvc'" not in imported
        assert stage == "data.validate" or "'pandera'" not in imported


def test_a_dask_cluster_finds_the_same_winner(project_copy: Path) -> None:
    """A real scheduler with two workers on loopback."""
    params = project_copy / "params.yaml"
    text = params.read_text(encoding="utf-8")
    before, after = text.index("    - estimator: sklearn.ensemble"), text.index("evaluate:\n") + len("evaluate:\n")
    params.write_text(text[:before] + SEARCH.lstrip("\n") + text[after:], encoding="utf-8")
    train = ("python", "-m", "mlops_template.training.train")
    card = project_copy / "models" / "challenger" / "card.json"

    local = uv_run(project_copy, *train)
    expected = json.loads(card.read_text(encoding="utf-8"))
    card.unlink()
    run("uv", "sync", "--quiet", "--group", "dask", cwd=project_copy)
    with cluster(project_copy, workers=2) as (address, log):
        uv_run(project_copy, *train, DASK_SCHEDULER_ADDRESS=address)
        worked = log.read_text(encoding="utf-8")

    assert "searching: 12 of 12" in local
    assert len(expected["search"]) == 4
    assert json.loads(card.read_text(encoding="utf-8")) == expected
    assert worked.count("Registered to") == 2


def test_a_dask_cluster_gives_the_same_answers(project_copy: Path) -> None:
    """Two files, so that each is a part of its own, and rows enough that the order could be lost."""
    score = ("score", "data/split/*.parquet")
    cli(project_copy, *score, "here.csv")
    run("uv", "sync", "--quiet", "--group", "dask", cwd=project_copy)
    with cluster(project_copy, workers=2) as (address, _):
        said = cli(project_copy, *score, "there.csv", DASK_SCHEDULER_ADDRESS=address)
        done = uv_run(project_copy, "python", "-c", DONE.format(address=address))

    here, there = (project_copy / name for name in ("here.csv", "there.csv"))
    assert "rows predicted by" in said
    assert len(here.read_text(encoding="utf-8").splitlines()) > 10_000
    assert here.read_bytes() == there.read_bytes()
    assert done.count("score_part") == 2


def test_an_absent_cluster_is_named(project_copy: Path) -> None:
    run("uv", "sync", "--quiet", "--group", "dask", cwd=project_copy)
    address = f"tcp://127.0.0.1:{free_port()}"
    said = uv_run(
        project_copy, "python", "-m", "mlops_template.training.train", check=False, DASK_SCHEDULER_ADDRESS=address
    )
    assert said.strip().splitlines()[-1].startswith(f"no Dask scheduler answers at {address}")


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        ("params.yaml", "distance", "distanse", "names distanse, which neither the data nor"),
        ("contract.yaml", "max: 6000", "max: 100", "distance max is 100"),
        ("params.yaml", "holdout: 28 days", "holdout: 2800 days", "which leaves no training rows"),
        (
            "src/{package}/pipeline.py",
            "    return ",
            "    1 / 0\n    return ",
            "pipeline.py, line 47: ZeroDivisionError",
        ),
        ("src/{package}/metrics.py", "    return ", "    1 / 0\n    return ", "metrics.py, line 25: ZeroDivisionError"),
    ],
    ids=["column", "contract", "split", "pipeline", "metric"],
)
def test_a_failed_stage_loses_nothing_that_git_keeps(
    project: Path, file: str, before: str, after: str, said: str
) -> None:
    """One line says why; what git keeps is there, and with the mistake undone everything is as it was."""
    path = project / file.format(package=project.name.replace("-", "_"))
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    try:
        failed = cli(project, "run", check=False).strip().splitlines()[-1]
        changed = run("git", "status", "--porcelain", cwd=project).splitlines()
    finally:
        path.write_text(text, encoding="utf-8")
    assert said in failed
    assert f"then `uv run {project.name} run`" in failed
    assert not [line for line in changed if line.split()[0] == "D"]
    assert not [line for line in changed if "reports/" in line and "validation.json" not in line]
    cli(project, "run")
    assert run("git", "status", "--porcelain", cwd=project) == ""


def test_a_killed_run_is_completed_by_the_next(project_copy: Path) -> None:
    """Whenever the machine goes down no tracked file is missing; with all as before, so is every byte."""
    contract, params = project_copy / "contract.yaml", project_copy / "params.yaml"
    before = {path: path.read_text(encoding="utf-8") for path in (contract, params)}
    contract.write_text(before[contract] + "# another\n", encoding="utf-8")
    params.write_text(before[params].replace("n_bootstrap: 1000", "n_bootstrap: 2000"), encoding="utf-8")
    command = [str(project_copy / ".venv" / ("Scripts" if os.name == "nt" else "bin") / project_copy.name), "run"]
    for stage in ("data.validate", "evaluation.evaluate"):
        process = subprocess.Popen(command, cwd=project_copy, stdout=subprocess.PIPE, text=True, env=environment())
        assert process.stdout is not None
        for line in process.stdout:
            if stage in line:
                break
        else:
            pytest.fail(f"{stage} never ran")
        process.kill()
        process.wait()
        assert not [line for line in git(project_copy, "status", "--porcelain").splitlines() if line.split()[0] == "D"]
    cli(project_copy, "run")
    assert "reports/metrics.json" in git(project_copy, "status", "--porcelain")
    for path, text in before.items():
        path.write_text(text, encoding="utf-8")
    cli(project_copy, "run")
    assert git(project_copy, "status", "--porcelain") == ""


def test_run_with_nothing_to_do_changes_nothing(project: Path) -> None:
    said = cli(project, "run")
    assert "unchanged" in said
    assert run("git", "status", "--porcelain", cwd=project) == ""


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def cluster(project: Path, workers: int) -> Iterator[tuple[str, Path]]:
    """A Dask scheduler and its workers on loopback; gives its address and the workers' log."""
    folder = "Scripts" if os.name == "nt" else "bin"
    dask = str(project / ".venv" / folder / "dask")
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    log = project / "dask.log"
    scheduler = [dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = [
        dask,
        "worker",
        address,
        "--host",
        "127.0.0.1",
        "--nthreads",
        "1",
        "--no-dashboard",
        "--death-timeout",
        "60",
    ]
    with log.open("w", encoding="utf-8") as output:
        started = [
            subprocess.Popen(command, cwd=project, env=environment(), stdout=output, stderr=subprocess.STDOUT)
            for command in [scheduler, *[worker] * workers]
        ]
        try:
            uv_run(project, "python", "-c", WAIT.format(address=address, workers=workers))
            yield address, log
        finally:
            for process in reversed(started):
                process.terminate()
            for process in started:
                process.wait(timeout=30)
