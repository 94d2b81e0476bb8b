"""Measures the service beside others on the same champion and rows, and writes its block of `benchmarks/README.md`.

uv run --group benchmarks python benchmarks/serving.py [--project DIR] [SECTION …], all of them by default:
servers, ways, batch, log, shadow, derived, pieces, image, soak. Needs `wrk` and `taskset`, two cores at least: the
server has one, the load another; and for the image what the tests of it need, as root.
`--project` takes a generated project that was set up, instead of making one.
"""

import argparse
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from measure import ENVIRONMENT, README, Row, around, generate, machine, memory, python

SERVERS = Path(__file__).parent / "servers"
SECTIONS = ("servers", "ways", "batch", "log", "shadow", "derived", "pieces", "image", "soak")
FROM, TO = "<!-- serving -->", "<!-- end of serving -->"
SERVER_CORE, LOAD_CORE = "1", "0"
SECONDS = int(os.environ.get("SECONDS_EACH", "10"))
CLIENTS = 16
RIVALS = ["mlflow>=3.17,<3.18", "bentoml>=1.4", "fastapi", "uvicorn", "uvloop", "httptools", "granian", "joblib"]
SOAK = int(os.environ.get("SOAK_SECONDS", "600"))
"""Seconds."""
SHARE = 0.8
"""Of the capacity, in the soak."""
LOADS = (0.1, 0.4)
"""Of the capacity, beside a shadow."""


class Bench:
    """A project with its package, its rows, and environments to serve it from."""

    def __init__(self, project: Path, folder: Path) -> None:
        self.project, self.folder = project, folder
        self.cli = str(Path(python(project)).with_name("flight-delays"))
        subprocess.run([self.cli, "deploy", "package"], cwd=project, check=True, stdout=subprocess.DEVNULL)
        self.package, self.champion = project / "build/model", project / "models/champion"
        code = (
            "import pandas as pd; from mlops_template.training.artifact import load_card; from pathlib import Path;"
            "names = [name for kind in load_card(Path('models/champion'))['features'].values() for name in kind];"
            "print(pd.read_parquet('data/split/holdout.parquet', columns=names)[names].sample(1000, random_state=0)"
            ".to_json(orient='records', lines=True, double_precision=15))"
        )
        self.rows = [json.loads(line) for line in output([python(project), "-c", code], project).splitlines() if line]
        self.service_env = self.environment("service", ["--only-group", "serving"])

    @cached_property
    def rivals_env(self) -> Path:
        """What the others need, with the same scikit-learn."""
        return self.environment("rivals", ["--only-group", "serving-sklearn"], RIVALS)

    def environment(self, name: str, groups: list[str], more: list[str] | None = None) -> Path:
        """An environment with the project's locked libraries of some groups, and with others."""
        place = self.folder / name
        listed = output(["uv", "export", "-q", "--no-hashes", "--no-emit-workspace", *groups], self.project)
        (self.folder / f"{name}.txt").write_text(listed)
        subprocess.run(["uv", "venv", "-q", "--python", python(self.project), str(place)], check=True, env=ENVIRONMENT)
        chosen = {**ENVIRONMENT, "VIRTUAL_ENV": str(place)}
        command = ["uv", "pip", "install", "-q", "--compile-bytecode", "-r", str(self.folder / f"{name}.txt")]
        subprocess.run([*command, *(more or [])], check=True, env=chosen)
        return place

    def bodies(self, name: str, contents: list[Any]) -> Path:
        """A file with a request's body on each line."""
        file = self.folder / f"{name}.jsonl"
        file.write_text("".join(json.dumps(content) + "\n" for content in contents))
        return file


def output(command: list[str], folder: Path) -> str:
    """What a command prints."""
    return subprocess.run(command, cwd=folder, check=True, env=ENVIRONMENT, capture_output=True, text=True).stdout


class Running:
    """A server that answers, how long it took to, and what it is asked."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, began: float) -> None:
        self.process, self.port = process, port
        self.began, self.seconds = began, 0.0

    def status(self, path: str) -> int:
        """Of a GET, 0 when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def wait(self, path: str) -> None:
        """Until it is ready."""
        while self.status(path) != 200:
            if self.process.poll() is not None or time.perf_counter() > self.began + 120:
                sys.exit(f"{self.process.args} does not get ready")
            time.sleep(0.005)
        self.seconds = time.perf_counter() - self.began

    def load(self, bodies: Path, clients: int, seconds: int = SECONDS, rate: float = 0, path: str = "/predict") -> Any:
        """What wrk found: requests a second, milliseconds, failures."""
        command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "10s"]
        command += ["--latency", "-s", str(SERVERS / "requests.lua"), f"http://127.0.0.1:{self.port}"]
        settings = {"BODIES": str(bodies), "RATE": f"{rate:.1f}", "CLIENTS": str(clients), "ROUTE": path}
        found = subprocess.run(command, env={**ENVIRONMENT, **settings}, check=True, capture_output=True, text=True)
        return json.loads(found.stdout.splitlines()[-1])


@contextmanager
def started(command: list[str], folder: Path, ready: str, **variables: str) -> Iterator[Running]:
    """A server pinned to its core; PORT in the command is a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["taskset", "-c", SERVER_CORE, *(part.replace("PORT", str(port)) for part in command)]
    path = os.pathsep.join([str(Path(command[3]).parent), ENVIRONMENT["PATH"]])
    environment = {**ENVIRONMENT, "PATH": path, "PORT": str(port), **variables}
    began = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
        running = Running(process, port, began)
        try:
            if ready:
                running.wait(ready)
            yield running
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def service(bench: Bench, ready: str = "/ready", interpreter: str = "", **variables: str) -> Any:
    """This service, as the image starts it, by the interpreter of the image's environment or another."""
    settings = {"MODEL_DIR": str(bench.package), "PYTHONPATH": str(bench.project / "machinery"), "DRAIN_SECONDS": "0"}
    command = [interpreter or str(bench.service_env / "bin/python"), "-m", "mlops_template.serving"]
    return started(command, bench.folder, ready, **{**settings, **variables})


def rivals(bench: Bench) -> dict[str, tuple[Any, Path, str]]:
    """Every server by name: how it is started, its bodies, and the path that takes them."""
    bin, model = bench.rivals_env / "bin", {"MODEL": str(bench.champion)}
    saved = bench.folder / "mlflow-model"
    if not saved.exists():
        command = [str(bin / "python"), str(SERVERS / "as_mlflow.py"), str(bench.champion), str(saved)]
        subprocess.run(command, check=True, env=ENVIRONMENT, capture_output=True)
    mlflow = [str(bin / "mlflow"), "models", "serve", "-m", str(saved), "--env-manager", "local", "-p", "PORT"]
    bento = [str(bin / "bentoml"), "serve", "bento:Flights", "--port", "PORT"]
    plain = [str(bin / "uvicorn"), "plain:app", "--port", "PORT", "--log-level", "warning"]
    single = bench.bodies("rows", bench.rows)
    records = bench.bodies("mlflow", [{"dataframe_records": [row]} for row in bench.rows])
    wrapped = bench.bodies("bento", [{"rows": [row]} for row in bench.rows])
    return {
        "`mlflow models serve`": (
            lambda: started([*mlflow, "--workers", "1"], bench.folder, "/ping"), records, "/invocations"),
        "BentoML": (lambda: started(bento, SERVERS, "/readyz", **model, DO_NOT_TRACK="True"), wrapped, "/predict"),
        "FastAPI, pydantic, joblib": (lambda: started(plain, SERVERS, "/health", **model), single, "/predict"),
        "this service": (lambda: service(bench), single, "/predict"),
    }  # fmt: skip


def servers(bench: Bench) -> list[Row]:
    """All servers, one row a request."""
    rows, slowest = [], 0.0
    for name, (start, bodies, path) in rivals(bench).items():
        cold = []
        for _ in range(3):
            with start() as running:
                cold.append(running.seconds)
        with start() as running:
            running.load(bodies, CLIENTS, 3, path=path)
            many = running.load(bodies, CLIENTS, path=path)
            one = running.load(bodies, 1, path=path)
            held = memory(running.process.pid) / 1e6
        refuse_failures(name, many, one)
        slowest = slowest or many["rate"]
        mine = name == "this service"
        rows.append(
            Row(
                f"{name}: {CLIENTS} clients",
                f"{many['rate']:,.0f} requests/s, p50 {many['p50']:.2f} ms, p99 {many['p99']:.2f} ms",
                f"1 client: p50 {one['p50']:.3f} ms, p99 {one['p99']:.3f} ms; ready after "
                f"{statistics.median(cold):.2f} s; {held:.0f} MB",
                f"{many['rate'] / slowest:.1f} ×",
                "25 ×; p99 of 1 client under 1 ms, ready in 1.5 s, under 150 MB" if mine else "",
            )
        )
        print(rows[-1], flush=True)
    return rows


def refuse_failures(name: str, *loads: Any) -> None:
    """Stop when a measurement is not one of answers."""
    for load in loads:
        if load["refused"] or load["broken"]:
            sys.exit(f"{name} failed to answer: {load}")


def ways(bench: Bench) -> list[Row]:
    """The same model, checks and metrics through other frameworks and servers."""
    bodies, rows = bench.bodies("rows", bench.rows), []
    settings = {"MODEL_DIR": str(bench.package), "PYTHONPATH": f"{bench.project / 'machinery'}:{SERVERS}"}
    bin = bench.rivals_env / "bin"
    uvicorn = [str(bin / "uvicorn"), "ways:app", "--port", "PORT", "--log-level", "warning", "--lifespan", "off"]
    granian = [str(bin / "granian"), "--port", "PORT", "--no-log", "--loop", "uvloop", "ways:app", "--interface"]
    for way, command in {
        "pydantic": uvicorn, "fastapi": uvicorn, "starlette": uvicorn, "asgi": uvicorn,
        "asgi on granian": [*granian, "asginl"], "rsgi": [*granian, "rsgi"],
    }.items():  # fmt: skip
        with started(command, bench.folder, "", **settings, WAY=way.split()[0]) as running:
            while running.status("/") == 0:
                time.sleep(0.05)
            running.load(bodies, CLIENTS, 2)
            many, one = running.load(bodies, CLIENTS, 5), running.load(bodies, 1, 5)
            held = memory(running.process.pid) / 1e6
        refuse_failures(way, many, one)
        rows.append(
            Row(
                f"way `{way}`",
                f"{many['rate']:,.0f} requests/s",
                f"1 client: p50 {one['p50']:.3f} ms, p99 {one['p99']:.3f} ms; {held:.0f} MB",
                "", "",
            )
        )  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def batch(bench: Bench) -> list[Row]:
    """1,000 rows a request, beside ONNX Runtime alone on arrays of the same rows; in turns."""
    bodies, alone, served = bench.bodies("batch", [bench.rows]), [], []
    with service(bench) as running:
        running.load(bodies, 1, 2)
        for _ in range(5):
            alone.append(pieces_of(bench)["bare_batch"])
            served.append(running.load(bodies, 1, 3)["p50"])
        refuse_failures("the service", running.load(bodies, 1, 1))
    bare, mine = statistics.median(alone), statistics.median(served)
    return [
        Row(
            "1,000 rows a request",
            f"{mine:.2f} ms, {1000 / mine * 1000:,.0f} rows/s",
            f"ONNX Runtime alone, on arrays {bare:.2f} ms",
            f"{bare / mine:.2f} × its speed",
            "at least 0.5 ×",
        )
    ]


ROUNDS = 5
"""In turns."""

TURNS = 15
"""Of `SECONDS` each, for what is compared within a turn."""


def log(bench: Bench) -> list[Row]:
    """With a log of predictions beside without one: each request of one row is a row of the log.

    The process that writes it shares the core of the service, or has the one that the load comes from.
    """
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from postgres import postgres

    bodies = bench.bodies("rows", bench.rows)
    with postgres() as server, ExitStack() as stack:
        places = {"off": "", "SQLite": str(bench.folder / "log.db"), "PostgreSQL": server.url}
        running = {}
        for name, place in places.items():
            for core in (SERVER_CORE, LOAD_CORE) if place else (SERVER_CORE,):
                running[name, core] = stack.enter_context(service(bench, PREDICTIONS=place))
                move_writer(running[name, core], core)
        found = side_by_side(running, bodies)
        lost = {which: lost_of(one) for which, one in running.items()}
        held = {which: sum(map(memory, writers(one))) / 1e6 for which, one in running.items()}
    off = "off", SERVER_CORE
    return [
        Row(
            f"a log of predictions in {name}, {CLIENTS} clients, written on "
            + ("the service's core" if core == SERVER_CORE else "the load's core"),
            f"{told_of(found[name, core])}; {lost[name, core]:,.0f} rows not kept; {held[name, core]:.0f} MB more",
            f"without one {told_of(found[off])}",
            f"{ratio(found[name, core], found[off], 'rate')} the throughput",
            "at least 0.9 ×",
        )
        for name, core in running
        if name != "off"
    ]


def shadow(bench: Bench) -> list[Row]:
    """With a second model of the same size behind the answers beside without one, both with a log."""
    both = bench.folder / "with-shadow"
    shutil.copytree(bench.package, both)
    shutil.copytree(bench.package, both / "shadow")
    released = json.loads((both / "shadow/release.json").read_text())
    (both / "shadow/release.json").write_text(json.dumps(released | {"digest": "other.dir"}))
    packages, bodies = {"alone": bench.package, "with": both}, bench.bodies("rows", bench.rows)
    rows = []
    with ExitStack() as stack:
        running = {}
        for core in (SERVER_CORE, LOAD_CORE):
            for name, package in packages.items():
                place = str(bench.folder / f"shadow-{name}-{core}.db")
                running[name, core] = stack.enter_context(service(bench, PREDICTIONS=place, MODEL_DIR=str(package)))
                move_writer(running[name, core], core)
        running["alone", SERVER_CORE].load(bodies, CLIENTS, 2)
        capacity = running["alone", SERVER_CORE].load(bodies, CLIENTS, SECONDS)["rate"]
        for share in LOADS:
            found = side_by_side(running, bodies, share * capacity)
            for core in (SERVER_CORE, LOAD_CORE):
                ours, alone = found["with", core], found["alone", core]
                beside = sum(map(memory, writers(running["with", core]))) / 1e6
                rows.append(
                    Row(
                        f"a shadow behind the answers, at {share:.0%} of the capacity, on "
                        + ("the service's core" if core == SERVER_CORE else "the load's core"),
                        f"{told_of(ours)}; {lost_of(running['with', core], 'shadow_lost'):,.0f} rows left out; "
                        f"the process of log and shadow {beside:.0f} MB",
                        f"without one {told_of(alone)}",
                        f"p50 {ratio(ours, alone, 'p50')}, p99 {ratio(ours, alone, 'p99')}",
                        "1 × beyond noise",
                    )
                )
    return rows


def side_by_side(running: dict[Any, Running], bodies: Path, rate: float = 0) -> dict[Any, list[Any]]:
    """What wrk found at servers that all run, in turns: each turn asks every one of them, in another order."""
    found: dict[Any, list[Any]] = {which: [] for which in running}
    for one in running.values():
        one.load(bodies, CLIENTS, 2)
    for turn in range(TURNS):
        for which in random.Random(turn).sample(list(running), len(running)):
            found[which].append(running[which].load(bodies, CLIENTS, SECONDS, rate))
            time.sleep(1)  # the log of one is written before the next is asked
    refuse_failures("the service", *(load for loads in found.values() for load in loads))
    return found


def told_of(loads: list[Any]) -> str:
    """The medians."""
    rate, p50, p99 = (statistics.median(load[key] for load in loads) for key in ("rate", "p50", "p99"))
    return f"{rate:,.0f} requests/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms"


def ratio(loads: list[Any], others: list[Any], key: str) -> str:
    """The median of the ratios within a turn, and the quartiles."""
    low, median, high = statistics.quantiles(
        [one[key] / other[key] for one, other in zip(loads, others, strict=True)], n=4
    )
    return f"{median:.2f} × ({low:.2f} to {high:.2f})"


def writers(running: Running) -> list[int]:
    """The processes that write the log of a service."""
    listed = subprocess.run(
        ["ps", "-wwo", "pid=,args=", "--ppid", str(running.process.pid)], capture_output=True, text=True
    ).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "log_writer" in line]


def move_writer(running: Running, core: str) -> None:
    """Pin the process that writes the log of a service, where it has one."""
    for pid in writers(running):
        subprocess.run(["taskset", "-acp", core, str(pid)], check=True, stdout=subprocess.DEVNULL)


def derived(bench: Bench) -> list[Row]:
    """A model with a column that features.py derives for each request beside the same without, in turns."""
    params = bench.project / "params.yaml"
    before, with_it = params.read_text(encoding="utf-8"), bench.folder / "derived"
    params.write_text(before.replace("destination]", "destination, part_of_day]", 1), encoding="utf-8")
    try:
        for command in (["run"], ["promote", "--force", "--why", "measured"], ["deploy", "package", str(with_it)]):
            subprocess.run([bench.cli, *command], cwd=bench.project, check=True, stdout=subprocess.DEVNULL)
    finally:
        for command in (["git", "checkout", "--quiet", "."], [str(Path(bench.cli).with_name("dvc")), "checkout", "-q"]):
            subprocess.run(command, cwd=bench.project, check=True)
    packages = {"plain": bench.package, "derived": with_it}
    rows = []
    for what, contents, clients in (("1 row", bench.rows, CLIENTS), ("1,000 rows", [bench.rows], 1)):
        bodies, found = bench.bodies("rows", contents), {name: [] for name in packages}
        for _ in range(ROUNDS):
            for name, package in packages.items():
                with service(bench, interpreter=python(bench.project), MODEL_DIR=str(package)) as running:
                    running.load(bodies, clients, 2)
                    found[name].append(running.load(bodies, clients, SECONDS))
        refuse_failures("the service", *(load for loads in found.values() for load in loads))
        middle = {name: statistics.median(load["p50"] for load in loads) for name, loads in found.items()}
        rates = {name: statistics.median(load["rate"] for load in loads) for name, loads in found.items()}
        rows.append(
            Row(
                f"a model with a derived column, {what} a request, {clients} clients",
                f"{rates['derived']:,.0f} requests/s, p50 {middle['derived']:.2f} ms",
                f"without one {rates['plain']:,.0f}, p50 {middle['plain']:.2f} ms",
                f"{rates['derived'] / rates['plain']:.2f} × the throughput",
                "",
            )
        )
    return rows


def lost_of(running: Running, name: str = "predictions_lost") -> float:
    """Predictions that were not kept."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def pieces_of(bench: Bench) -> Any:
    """Microseconds (of a batch: milliseconds) of each piece of an answer, on the service's core."""
    settings = {"MODEL_DIR": str(bench.package), "PYTHONPATH": str(bench.project / "machinery")}
    command = ["taskset", "-c", SERVER_CORE, str(bench.service_env / "bin/python"), str(SERVERS / "pieces.py")]
    found = subprocess.run(
        [*command, str(bench.bodies("rows", bench.rows))],
        env={**ENVIRONMENT, **settings}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(found.stdout)


def pieces(bench: Bench) -> list[Row]:
    """What a request of one row consists of."""
    with service(bench) as running:
        bodies = bench.bodies("rows", bench.rows)
        running.load(bodies, CLIENTS, 2)
        whole = 1e6 / running.load(bodies, CLIENTS, 5)["rate"]
    found = pieces_of(bench)
    inside = found["decode"] + found["arrays"] + found["run"] + found["answer"]
    parts = {
        "ONNX Runtime alone": found["bare"],
        "its Python wrapper, float32": found["run"] - found["bare"],
        "JSON decoded and checked": found["decode"],
        "arrays, missing and unseen": found["arrays"],
        "ids, JSON of the answer, metrics": found["answer"],
        "HTTP: uvicorn, httptools, the kernel": whole - inside,
    }
    return [Row("a request of one row", f"{whole:.0f} µs", "; ".join(f"{k} {v:.0f}" for k, v in parts.items()), "", "")]


def image(bench: Bench) -> list[Row]:
    """The image as `deploy image` tells of it, on a base as the tests make it; and a container of it."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from engine.engines import engine, wait_until
    from engine.images import archives, base_of, load_python
    from engine.network import network

    with network() as lan, engine(lan) as docker:
        load_python(docker, archives(bench.folder) / "python.tar", base_of(bench.project))
        command = [bench.cli, "deploy", "image", "--tag", "flights"]
        variables = ENVIRONMENT | docker.variables
        told = subprocess.run(command, cwd=bench.project, env=variables, check=True, capture_output=True, text=True)
        whole, layers = re.search(r"([\d.]+ MB) \((.*)\)$", told.stdout.strip()).groups()
        began = time.perf_counter()
        container = docker.docker("run", "--detach", "--read-only", "--tmpfs", "/tmp", "flights").strip()
        health = ("inspect", "--format", "{{.State.Health.Status}}", container)
        wait_until(lambda: docker.docker(*health).strip() == "healthy")
        healthy = f"healthy {time.perf_counter() - began:.0f} s after its start"
    return [Row("the image, uncompressed", whole, f"MB by layer: {layers}", healthy, "")]


def soak(bench: Bench) -> list[Row]:
    """Ten minutes at a share of the capacity, under the eyes of others; then what goes wrong in production."""
    bodies, held = bench.bodies("rows", bench.rows), []
    with service(bench) as running:
        running.load(bodies, CLIENTS, 3)
        capacity = running.load(bodies, CLIENTS, SECONDS)["rate"]
        rate, clients, found = SHARE * capacity, 64, []
        with watched(running):
            for _ in range(SOAK // 10):
                found.append(running.load(bodies, clients, 10, rate))
                rate *= min(1.2, max(0.8, SHARE * capacity / found[-1]["rate"]))
                held.append(memory(running.process.pid) / 1e6)
    refuse_failures("the service", *found)
    requests = sum(load["requests"] for load in found)
    worst = max(load["p99"] for load in found)
    mean = statistics.fmean(load["rate"] for load in found)
    return [
        Row(
            f"{SOAK / 60:.0f} minutes at {mean / capacity:.0%} of capacity, /ready and /metrics asked each second",
            f"{requests:,} requests, no error; p99 of the worst 10 s {worst:.1f} ms",
            f"{held[0]:.1f} MB after 10 s, {held[len(held) // 2]:.1f} halfway, {held[-1]:.1f} at the end",
            f"{held[-1] - held[len(held) // 6]:+.1f} MB after the first sixth",
            "memory flat, no error",
        ),
        killed(bench, bodies, capacity),
        disk_full(bench, bodies),
        corrupt(bench),
    ]


@contextmanager
def watched(running: Running) -> Iterator[None]:
    """An orchestrator and Prometheus ask each second while the context lasts."""
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(1):
            refused = [path for path in ("/ready", "/metrics") if running.status(path) != 200]
            if refused:
                print(f"not answered: {refused}", flush=True)

    watcher = threading.Thread(target=ask)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def killed(bench: Bench, bodies: Path, capacity: float) -> Row:
    """kill -9 of one of two processes under load."""
    with service(bench, WORKERS="2") as running:
        while len(children(running.process.pid)) < 2:
            time.sleep(0.05)
        time.sleep(1)
        victim = children(running.process.pid)[0]
        killer = subprocess.Popen(["sh", "-c", f"sleep 5; kill -9 {victim}"])
        load = running.load(bodies, CLIENTS, 15, 0.5 * capacity)
        killer.wait()
        after = running.load(bodies, CLIENTS, 5)
        replaced = len(children(running.process.pid)) == 2 and victim not in children(running.process.pid)
    refuse_failures("after the kill", after)
    return Row(
        "kill -9 of one of two workers under load",
        f"{load['requests']:,} requests answered, {load['broken']} connections broken",
        f"{'another took its place' if replaced else 'NOT replaced'}, no error after it",
        "",
        "no more broken than it held",
    )


def children(pid: int) -> list[int]:
    """The processes of a service that serve."""
    listed = subprocess.run(["ps", "-wwo", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return sorted(int(line.split()[0]) for line in listed.splitlines() if "spawn_main" in line)


def disk_full(bench: Bench, bodies: Path) -> Row:
    """The folder of the log of predictions is full."""
    what, folder = "disk full for the log of predictions", bench.folder / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        return Row(what, "not measured: it takes root to mount a small disk", "", "", "")
    try:
        with service(bench, PREDICTIONS=str(folder / "log.db")) as running:
            load = running.load(bodies, CLIENTS, SECONDS)
            lost = lost_of(running)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    refuse_failures(what, load)
    return Row(what, f"{load['requests']:,} requests answered, no error", f"{lost:,.0f} not kept, and counted", "", "")


def corrupt(bench: Bench) -> Row:
    """A model file that was cut short."""
    broken = Path(shutil.copytree(bench.package, bench.folder / "broken"))
    content = (broken / "model.onnx").read_bytes()
    (broken / "model.onnx").write_bytes(content[: len(content) // 2])
    with service(bench, ready="/health", MODEL_DIR=str(broken)) as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port)
        connection.request("GET", "/ready")
        response = connection.getresponse()
        reason = json.loads(response.read())["reason"].replace(str(broken), "build/model")
    return Row("model file cut short", f"/health 200, /ready {response.status}", f"“{reason}”", "", "never ready")


def main() -> None:
    """Measure what was asked for, and rewrite the block when that was all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS])
    parser.add_argument("--project", type=Path)
    parser.add_argument("--write", action="store_true", help="Rewrite the block with these sections alone.")
    asked = parser.parse_args()
    chosen = asked.sections or SECTIONS
    for tool in ("wrk", "taskset"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: install it")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        project = asked.project.resolve() if asked.project else generate(folder, setup=True)
        bench = Bench(project, folder)
        rows = [row for section in chosen for row in globals()[section](bench)]
    lines = [f"Measured on {machine()}, {time.strftime('%Y-%m-%d')}.", ""]
    lines += ["| what | measured | beside it | result | aim |", "|---|---|---|---|---|"]
    lines += [f"| {row.what} | {row.measured} | {row.compared} | {row.result} | {row.aim} |" for row in rows]
    table = "\n".join(lines)
    print(table)
    if asked.write or not asked.sections:
        before, after = around(README, FROM, TO)
        README.write_text(f"{before}{table}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
