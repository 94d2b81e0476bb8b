"""Measures what the README promises in figures, side by side in one run, and writes `benchmarks/README.md`'s table.

uv run --group benchmarks python benchmarks/measure.py [SECTION …], all of them by default:
birth, pipeline, idle, small, workflows, backtest, search, score, scale, retrain, rows, workers.
"""

import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import workflows

ROOT = Path(__file__).parents[1]
README = ROOT / "benchmarks" / "README.md"
FROM, TO = "<!-- table -->", "<!-- end of table -->"
REPEATS = 3
SCALES = (500_000, 1_000_000, 5_000_000)
MANY = (5_000_000, 50_000_000)
RETRAINED = 5_450_000
"""Rows of which eleven months, five million, are there before the twelfth comes."""
FITTED = 20_000_000
SCORED = 5_000_000
ALL_AT_ONCE = """
import pandas as pd
from pathlib import Path
from mlops_template.training.artifact import load_model
rows = pd.read_parquet("../feed/feed.parquet")
answers = load_model(Path("models/champion")).predict(rows)
answers.assign(flight_id=rows["flight_id"]).to_parquet("../answers.parquet", index=False)
"""
LIGHTGBM = """
from pathlib import Path
from ruamel.yaml import YAML
yaml = YAML()
params = yaml.load(Path("params.yaml"))
params["model"] |= {{"threads": 1, "workers": {workers}}}
fit = {{"n_estimators": 100, "verbose": -1}}
params["model"]["candidates"] = [{{"estimator": "lightgbm.LGBMClassifier", "params": fit}}]
yaml.dump(params, Path("params.yaml"))
"""
HELD_OUT = """
from pathlib import Path
from sklearn.metrics import roc_auc_score
from mlops_template.settings import paths
from mlops_template.training.artifact import load_model
from mlops_template.training.split_rows import every_nth
rows = every_nth(paths.HOLDOUT, 100_000)
found = roc_auc_score(rows["late"], load_model(paths.CHALLENGER).predict(rows).iloc[:, 1])
Path("../auc").write_text(str(found))
"""
SEARCH = "      ranges: { max_iter: [25, 50, 75, 100], learning_rate: [0.05, 0.1] }\n"
STAGES = ("validate", "split", "train", "evaluate")
FOREIGN = ("VIRTUAL_ENV", "UV", "UV_RUN_RECURSION_DEPTH", "PYTHONDONTWRITEBYTECODE")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in FOREIGN}


@dataclass(frozen=True)
class Run:
    """How long a command took and how much memory it and its children held at most, all together."""

    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    measured: str
    compared: str
    result: str
    aim: str


def run(command: list[str], folder: Path, **variables: str) -> Run:
    """Run a command to its end, with `variables` in its environment; its output is shown only when it fails."""
    peak = 0
    ended = threading.Event()
    path = os.pathsep.join([str(Path(command[0]).parent), ENVIRONMENT["PATH"]])  # a stage's `python` is the project's
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**ENVIRONMENT, "PATH": path, **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
        )

        def watch() -> None:
            nonlocal peak
            while not ended.wait(0.2):
                peak = max(peak, memory(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        status = process.wait()
        seconds = time.perf_counter() - start
        ended.set()
        watcher.join()
        if status:
            output.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{output.read()}")
    return Run(seconds, peak / 1e6)


def memory(pid: int) -> int:
    """Bytes that a process and its children hold, what they share counted once."""
    total = 0
    try:
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            total += process.memory_full_info().pss
    except psutil.NoSuchProcess:
        pass
    return total


def medians(
    commands: dict[str, list[str]], folder: Path, before: dict[str, list[Path]] | None = None
) -> dict[str, float]:
    """Median seconds of each command, taken in turns; `before` names what is removed before each turn."""
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(REPEATS):
        for name, command in commands.items():
            for path in (before or {}).get(name, []):
                shutil.rmtree(path, ignore_errors=True)
                path.unlink(missing_ok=True)
            found[name].append(run(command, folder).seconds)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def generate(folder: Path, setup: bool) -> Path:
    """A project with the default answers."""
    command = ["uvx", "cookiecutter>=2.6", str(ROOT), "--no-input", "--output-dir", str(folder), f"setup={setup}"]
    run(command, folder)
    project = folder / "flight-delays"
    if not (project / "models" / "champion.dvc").exists() and setup:
        sys.exit(f"{project} was not set up: generate one by hand to see why")
    return project


def python(project: Path) -> str:
    """The Python of a project."""
    return str(project / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def birth(folder: Path) -> list[Row]:
    """From `cookiecutter` to the first champion, the package cache warm."""
    seconds = []
    for number in range(REPEATS + 1):  # the first one warms the cache
        place = folder / f"birth{number}"
        place.mkdir()
        start = time.perf_counter()
        generate(place, setup=True)
        seconds.append(time.perf_counter() - start)
    found = statistics.median(seconds[1:])
    return [Row("cookiecutter to first champion, warm package cache", f"{found:.0f} s", "", "", "under 60 s")]


def pipeline(project: Path) -> list[Row]:
    """The pipeline from nothing against the plain script."""
    package = [python(project), "-m", "mlops_template.cli"]
    nothing = [project / name for name in ("dvc.lock", ".dvc/cache/runs", "data/split", "models/challenger")]
    commands = {
        "plain": [python(project), str(ROOT / "benchmarks" / "plain.py")],
        "repro": [python(project), "-m", "dvc", "repro"],
        "run": [*package, "run"],
    }
    found = medians(commands, project, {"repro": nothing, "run": nothing})
    return [
        Row(
            "pipeline from nothing, first quarter: `dvc repro`",
            f"{found['repro']:.1f} s",
            f"plain script {found['plain']:.1f} s",
            f"{found['repro'] / found['plain']:.1f} ×",
            "at most 3 ×",
        ),
        Row(
            "the same with comparison and tracking: `run`",
            f"{found['run']:.1f} s",
            f"plain script {found['plain']:.1f} s",
            f"{found['run'] / found['plain']:.1f} ×",
            "",
        ),
    ]


def idle(project: Path) -> list[Row]:
    """The commands that find nothing to do, beside DVC's own."""
    dvc, own = [python(project), "-m", "dvc"], [python(project), "-m", "mlops_template.cli"]
    pairs = [
        ("`--help`", [*own, "--help"], "`dvc --help`", [*dvc, "--help"], ""),
        ("`status`", [*own, "status"], "`dvc status`", [*dvc, "status"], "under 1 s"),
        ("`dvc repro` with nothing to do", [*dvc, "repro"], "`dvc status`", [*dvc, "status"], "at most 2 ×"),
        ("`run` with nothing to do", [*own, "run"], "`dvc repro`", [*dvc, "repro"], "under 2 s"),
    ]
    commands = {mine: command for mine, command, *_ in pairs} | {other: command for *_, other, command, _ in pairs}
    found = medians(commands, project)
    return [
        Row(mine, f"{found[mine]:.1f} s", f"{other} {found[other]:.1f} s", f"{found[mine] / found[other]:.1f} ×", aim)
        for mine, _, other, _, aim in pairs
    ]


IRIS = """
from sklearn.datasets import load_iris
table = load_iris(as_frame=True)
names = table.frame["target"].map(dict(enumerate(table.target_names)))
table.frame.assign(target=names).to_csv("iris.csv", index=False)
"""
FIT_IRIS = """
import pandas
from sklearn.ensemble import HistGradientBoostingClassifier
rows = pandas.read_csv("iris.csv")
HistGradientBoostingClassifier(max_iter=150).fit(rows.drop(columns="target"), rows["target"])
"""


def small(folder: Path) -> list[Row]:
    """A changed parameter on the 150 rows of iris: `run`, and `promote` of what it made."""
    project = generate(folder, setup=False)
    for command in (["uv", "sync", "--quiet"], [python(project), "-c", IRIS]):
        run(command, project)
    own = [python(project), "-m", "mlops_template.cli"]
    for words in (["adopt", "iris.csv", "--target", "target"], ["run"]):
        run([*own, *words], project)
    found: dict[str, list[float]] = {"run": [], "promote": [], "plain": []}
    params = project / "params.yaml"
    text = params.read_text(encoding="utf-8")
    for number in range(REPEATS):
        params.write_text(text.replace("learning_rate: 0.05", f"learning_rate: 0.05{number + 1}"), encoding="utf-8")
        found["plain"].append(run([python(project), "-c", FIT_IRIS], project).seconds)
        found["run"].append(run([*own, "run"], project).seconds)
        found["promote"].append(run([*own, "promote", "--force", "--why", "to measure it"], project).seconds)
    seconds = {name: statistics.median(several) for name, several in found.items()}
    beside = f"a script that fits it {seconds['plain']:.1f} s"
    return [
        Row(
            f"iris, a changed parameter: `{name}`",
            f"{seconds[name]:.1f} s",
            beside,
            f"{seconds[name] / seconds['plain']:.1f} ×",
            f"under {aim} s",
        )
        for name, aim in (("run", 8), ("promote", 3))
    ]


def pull_requests(project: Path, folder: Path) -> list[Row]:
    """Each workflow of a pull request beside the plain script, the only work in it that is not overhead."""
    plain = medians({"plain": [python(project), str(ROOT / "benchmarks" / "plain.py")]}, project)["plain"]
    rows = []
    for found in workflows.timed(project, folder, REPEATS):
        trains = found.workflow == "pull-request.yml" and "parameter" in found.change
        overhead = max(found.own - (plain if trains else 0), 0)
        rows.append(
            Row(
                f"`{found.workflow}`, pull request {found.change}",
                f"{found.seconds:.0f} s, {found.own:.0f} s of it in the project's commands",
                f"plain script {plain:.1f} s" if trains else "",
                f"own overhead {overhead / found.seconds:.0%}",
                "",
            )
        )
    return rows


def scale(folder: Path) -> list[Row]:
    """The sample, repeated with noise to millions of rows, through the whole pipeline."""
    rows = []
    first: dict[str, float] = {}
    for count in SCALES:
        place = folder / f"scale{count}"
        project = enlarged(place, count)
        steps = {"ingest": run([python(project), "-m", "mlops_template.cli", "ingest"], project)}
        steps |= {
            stage: run([python(project), "-m", "dvc", "repro", "--single-item", stage], project) for stage in STAGES
        }
        total = sum(step.seconds for step in steps.values())
        peak = max(step.megabytes for step in steps.values())
        first = first or {"rows": count, "seconds": total}
        growth = (total / first["seconds"]) / (count / first["rows"])
        rows.append(
            Row(
                f"{count / 1e6:g} million rows ({told(steps)})",
                f"{total:.0f} s, peak {peak / 1000:.1f} GB",
                "",
                f"time per row {growth:.2f} × that of {SCALES[0] / 1e6:g} million",
                "under 4 GB, at most 1 ×",
            )
        )
        shutil.rmtree(place)
    return rows


def many_rows(folder: Path) -> list[Row]:
    """Millions of rows in one file, in no order, taken in, validated and split; then the file is there, unchanged."""
    found = []
    first = 0.0
    for count in MANY:
        place = folder / f"rows{count}"
        project = enlarged(place, count)
        ingest = [python(project), "-m", "mlops_template.cli", "ingest"]
        steps = {"ingest": run(ingest, project)}
        steps |= {
            stage: run([python(project), "-m", "dvc", "repro", "--single-item", stage], project)
            for stage in ("validate", "split")
        }
        again = run(ingest, project)
        total = sum(step.seconds for step in steps.values())
        peak = max(step.megabytes for step in steps.values())
        first = first or total / count
        found.append(
            Row(
                f"{count / 1e6:g} million rows in a Parquet file, taken in and split ({told(steps)})",
                f"{total:.0f} s, peak {peak / 1000:.1f} GB",
                f"`ingest` again, the file unchanged: {again.seconds:.1f} s, {again.megabytes / 1000:.1f} GB",
                f"time per row {total / count / first:.2f} × that of {MANY[0] / 1e6:g} million",
                "under 2 GB, about 1 ×",
            )
        )
        shutil.rmtree(place)
    return found


def enlarged(place: Path, count: int) -> Path:
    """A project in a new folder, installed but not set up, whose feed has so many rows."""
    place.mkdir()
    project = generate(place, setup=False)
    run(["uv", "sync"], project)
    run([python(project), str(ROOT / "benchmarks" / "enlarge.py"), str(count)], project)
    return project


def fitted_together(folder: Path) -> list[Row]:
    """The stage `train` with LightGBM on millions of rows: as one process, and on one and two workers of one thread.

    What is held out is scored by each model, for 100,000 rows of it.
    """
    project = enlarged(folder / "workers", FITTED)
    run(["uv", "add", "--quiet", "lightgbm", "distributed"], project)
    run([python(project), "-m", "mlops_template.cli", "ingest"], project)
    for stage in ("validate", "split"):
        run([python(project), "-m", "dvc", "repro", "--single-item", stage], project)
    rows = pq.read_metadata(project / "data" / "split" / "train.parquet").num_rows
    found: dict[int, tuple[Run, float]] = {}
    for workers in (0, 1, 2):
        run([python(project), "-c", LIGHTGBM.format(workers=workers or None)], project)
        one = run([python(project), "-m", "mlops_template.training.train"], project)
        run([python(project), "-c", HELD_OUT], project)
        found[workers] = one, float((folder / "workers" / "auc").read_text(encoding="utf-8"))
    (plain, auc), (alone, _), (both, of_both) = (found[workers] for workers in (0, 1, 2))
    return [
        Row(
            f"`train` of LightGBM on {rows / 1e6:.1f} million rows by two workers of one thread",
            f"{both.seconds:.0f} s, peak {both.megabytes / 1000:.1f} GB in all, ROC AUC {of_both:.4f}",
            f"one worker {alone.seconds:.0f} s, {alone.megabytes / 1000:.1f} GB; in one process with one thread "
            f"{plain.seconds:.0f} s, {plain.megabytes / 1000:.1f} GB, ROC AUC {auc:.4f}",
            f"{alone.seconds / both.seconds:.2f} × as fast as one worker",
            "the same ROC AUC",
        )
    ]


def told(steps: dict[str, Run]) -> str:
    """What each step took."""
    return ", ".join(f"{name} {step.seconds:.0f} s {step.megabytes / 1000:.1f} GB" for name, step in steps.items())


def retrain(folder: Path) -> list[Row]:
    """What continuous training does with a fresh month when five million rows are held and a champion serves."""
    place = folder / "retrain"
    place.mkdir()
    project = generate(place, setup=False)
    package, dvc = [python(project), "-m", "mlops_template.cli"], [python(project), "-m", "dvc"]
    run(["uv", "sync"], project)
    run([*dvc, "remote", "modify", "storage", "url", str(place / "bucket")], project)  # too large for a branch
    run([python(project), str(ROOT / "benchmarks" / "enlarge.py"), str(RETRAINED), "december"], project)
    run([*package, "setup"], project)
    (place / "december.parquet").rename(place / "feed" / "december.parquet")
    steps = {"ingest": run([*package, "ingest"], project)}
    steps["decide"] = run([*package, "retrain", "--decide"], project)
    steps |= {stage: run([*dvc, "repro", "--single-item", stage], project) for stage in STAGES}
    reported = ["report", "--out", str(place / "report.md"), "--html", str(place / "report.html")]
    for command in (["compare"], reported, ["promote"], ["push"]):
        steps[command[0]] = run([*package, *command], project)
    shutil.rmtree(place)
    return [
        Row(
            f"retraining with 5 million rows held, 0.4 million fresh ({told(steps)})",
            f"{sum(step.seconds for step in steps.values()):.0f} s, "
            f"peak {max(step.megabytes for step in steps.values()) / 1000:.1f} GB",
            "",
            "",
            "under 6 GB",
        )
    ]


def backtest(project: Path) -> list[Row]:
    """The trainings of a backtest of the sample year on two Dask workers, and on one.

    What one worker of one thread would do, joblib does in the process of the command: it is as fast.
    """
    command = [python(project), "-m", "mlops_template.cli", "backtest", "--all", "--cadence", "14d", "--window", "all"]
    what = "backtest of the sample year, every 14 days on all data: 20 trainings"
    return [on_dask(project, what, command, project / ".dvc" / "tmp" / "backtest")]


def search(project: Path) -> list[Row]:
    """The stage `train` on the sample year with a search, on two Dask workers and on one."""
    params = project / "params.yaml"
    params.write_text(
        params.read_text(encoding="utf-8").replace("  search: {", f"{SEARCH}  search: {{"), encoding="utf-8"
    )
    for _ in range(9):
        run([python(project), "-m", "mlops_template.cli", "ingest"], project)
    run([python(project), "-m", "dvc", "repro", "split"], project)
    command = [python(project), "-m", "mlops_template.training.train"]
    what = "`train` on the sample year, a search of 8 settings on 3 folds: 24 fits"
    return [on_dask(project, what, command, project / "models" / "challenger")]


def score(project: Path) -> list[Row]:
    """The champion's answers to a large file, beside reading and answering it all at once with pandas."""
    run([python(project), str(ROOT / "benchmarks" / "enlarge.py"), str(SCORED)], project)
    command = [python(project), "-m", "mlops_template.cli", "score", "../feed/feed.parquet", "../answers.parquet"]
    found: dict[str, list[Run]] = {"score": [], "pandas": []}
    for _ in range(REPEATS):
        found["score"].append(run(command, project))
        found["pandas"].append(run([python(project), "-c", ALL_AT_ONCE], project))
    seconds = {name: statistics.median(one.seconds for one in runs) for name, runs in found.items()}
    peak = {name: max(one.megabytes for one in runs) / 1000 for name, runs in found.items()}
    return [
        Row(
            f"`score` of {SCORED / 1e6:g} million rows in a Parquet file, {SCORED / seconds['score']:,.0f} rows/s",
            f"{seconds['score']:.0f} s, peak {peak['score']:.1f} GB",
            f"pandas all at once {seconds['pandas']:.0f} s, {peak['pandas']:.1f} GB",
            f"{seconds['pandas'] / seconds['score']:.1f} × as fast",
            "under 1 GB",
        )
    ]


def on_dask(project: Path, what: str, command: list[str], made: Path) -> Row:
    """A command on a cluster of two workers of one thread, and of one, in turns; what it made goes before each."""
    run(["uv", "sync", "--group", "dask"], project)
    params = project / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("  threads: 2", "  threads: 1"), encoding="utf-8")
    found: dict[int, list[Run]] = {1: [], 2: []}
    for _ in range(REPEATS):
        for workers, runs in found.items():
            shutil.rmtree(made, ignore_errors=True)
            with cluster(project, workers) as address:
                runs.append(run(command, project, DASK_SCHEDULER_ADDRESS=address))
    seconds = {workers: statistics.median(one.seconds for one in runs) for workers, runs in found.items()}
    peak = max(one.megabytes for one in found[2])
    return Row(
        f"{what}, on Dask with two workers of one thread",
        f"{seconds[2]:.0f} s, {peak / 1000:.1f} GB beside the workers",
        f"one worker {seconds[1]:.0f} s",
        f"{seconds[1] / seconds[2]:.2f} × as fast",
        "",
    )


@contextmanager
def cluster(project: Path, workers: int) -> Iterator[str]:
    """A Dask scheduler with its workers on loopback; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"
    dask, here = [python(project), "-m", "dask"], ["--host", "127.0.0.1", "--no-dashboard"]
    commands = [[*dask, "scheduler", *here, "--port", port]]
    commands += [[*dask, "worker", address, *here, "--nthreads", "1", "--death-timeout", "60"]] * workers
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen(command, cwd=project, env=ENVIRONMENT, **quiet) for command in commands]
    try:
        wait = f"import distributed as d; d.Client('{address}', timeout='60s').wait_for_workers({workers}, timeout=60)"
        run([python(project), "-c", wait], project)
        yield address
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(timeout=30)


def around(page: Path, begin: str, end: str) -> tuple[str, str]:
    """What a page has up to a mark and from the next one on; it ends the program where they are missing."""
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        sys.exit(f"{page} lacks {begin} … {end}")
    return f"{before}{begin}\n", f"\n{end}{after}"


def machine() -> str:
    """What it was measured on."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def main(chosen: list[str]) -> None:
    """Measure what was asked for, all by default, and rewrite the table."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if not chosen or "birth" in chosen:
            rows += birth(folder)
        if not chosen or {"pipeline", "idle", "workflows", "backtest", "search", "score"} & set(chosen):
            project = generate(folder, setup=True)
            rows += pipeline(project) if not chosen or "pipeline" in chosen else []
            rows += idle(project) if not chosen or "idle" in chosen else []
            rows += pull_requests(project, folder) if not chosen or "workflows" in chosen else []
            rows += backtest(project) if not chosen or "backtest" in chosen else []
            rows += search(project) if not chosen or "search" in chosen else []
            rows += score(project) if not chosen or "score" in chosen else []
        if not chosen or "small" in chosen:
            place = folder / "small"
            place.mkdir()
            rows += small(place)
        if not chosen or "scale" in chosen:
            rows += scale(folder)
        if not chosen or "retrain" in chosen:
            rows += retrain(folder)
        if not chosen or "rows" in chosen:
            rows += many_rows(folder)
        if not chosen or "workers" in chosen:
            rows += fitted_together(folder)
    lines = [f"Measured on {machine()}, {time.strftime('%Y-%m-%d')}; medians of {REPEATS}.", ""]
    lines += ["| what | measured | beside it | result | aim |", "|---|---|---|---|---|"]
    lines += [f"| {row.what} | {row.measured} | {row.compared} | {row.result} | {row.aim} |" for row in rows]
    table = "\n".join(lines)
    print(table)
    if not chosen:
        before, after = around(README, FROM, TO)
        README.write_text(f"{before}{table}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
