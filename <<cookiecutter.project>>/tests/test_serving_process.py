"""The service as a process: it starts by its environment, is checked from outside and ends without a lost request."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

import << cookiecutter.__package >> as package
from << cookiecutter.__package >>.errors import ProjectError
from << cookiecutter.__package >>.serving import check
from << cookiecutter.__package >>.serving.settings import Settings, from_environment

from .serving import ROW, make_package

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

Start = Callable[..., tuple[subprocess.Popen[bytes], Settings]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package."""
    return make_package(tmp_path_factory.mktemp("project")) / "build/model"


@pytest.fixture
def start() -> Iterator[Start]:
    """`start(package, workers=2)` starts the service at a free port and waits until it listens."""
    started: list[subprocess.Popen[bytes]] = []

    def start(directory: Path, **changed: float) -> tuple[subprocess.Popen[bytes], Settings]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("COV")},
            "MODEL_DIR": str(directory),
            "PORT": str(port),
            "PYTHONPATH": str(Path(package.__file__ or "").parents[1]),
            **{name.upper(): str(value) for name, value in changed.items()},
        }
        process = subprocess.Popen([sys.executable, "-m", f"{package.__name__}.serving"], env=environment)
        started.append(process)
        soon(lambda: process.poll() is not None or listens(port))
        assert process.poll() is None
        return process, Settings(model_dir=directory, port=port)

    yield start
    for process in started:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    """Whether someone takes connections there."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def get(settings: Settings, path: str) -> int:
    """The status of a path, on a connection of its own."""
    connection = HTTPConnection("127.0.0.1", settings.port, timeout=10)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_it_ends_when_all_is_answered(made: Path, start: Start) -> None:
    """After SIGTERM it is not ready, still takes new requests for a while, and answers one that is half sent."""
    process, settings = start(made, drain_seconds=0.6)
    body = json.dumps(ROW).encode()
    half = HTTPConnection("127.0.0.1", settings.port, timeout=10)
    half.putrequest("POST", "/predict")
    half.putheader("Content-Length", str(len(body)))
    half.endheaders()
    half.send(body[:20])
    assert get(settings, "/ready") == 200
    process.send_signal(signal.SIGTERM)
    soon(lambda: get(settings, "/ready") == 503)
    assert check.ask("127.0.0.1", settings.port, [ROW], 10)[0] == 200
    time.sleep(0.8)
    assert process.poll() is None
    half.send(body[20:])
    assert half.getresponse().status == 200
    assert process.wait(timeout=10) == 0


def test_a_process_that_is_killed_is_replaced(made: Path, start: Start) -> None:
    """The other one answers meanwhile; both end when the first process is told to."""
    process, settings = start(made, workers=2, drain_seconds=0)
    soon(lambda: len(workers(process.pid)) == 2)
    before = workers(process.pid)
    os.kill(min(before), signal.SIGKILL)
    soon(lambda: len(workers(process.pid) - before) == 1)
    assert len(workers(process.pid)) == 2
    assert get(settings, "/ready") == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0


def workers(parent: int) -> set[int]:
    """The ids of the processes that serve."""
    listed = subprocess.run(["ps", "-wwo", "pid=,args=", "--ppid", str(parent)], capture_output=True).stdout.decode()
    return {int(line.split()[0]) for line in listed.splitlines() if "spawn_main" in line}


def soon(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def test_the_check_tells_a_good_service_from_a_wrong_one(
    made: Path, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was healthy once is not ended for being slow, but for being gone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    process, good = start(made)
    assert check.fault(good, seconds=0.00001)
    other = Path(shutil.copytree(made, tmp_path / "other"))
    golden = json.loads((other / "golden.json").read_text())
    golden["answers"][0]["probability_0"] += 0.01
    (other / "golden.json").write_text(json.dumps(golden))
    assert "row 0 has probability_0" in str(check.fault(Settings(model_dir=other, port=good.port), seconds=10))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        assert "no answer" in str(check.fault(Settings(model_dir=made, port=port), seconds=0.1))
    assert "no answer" in str(check.fault(Settings(model_dir=made, port=port), seconds=10))

    assert check.fault(good, seconds=10) is None
    assert check.fault(good, seconds=0.00001) is None
    process.kill()
    process.wait()
    assert "no answer" in str(check.fault(good, seconds=10))


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "http"), ("WORKERS", "0"), ("DRAIN_SECONDS", "-1"), ("MAX_BODY_MB", "nan")]
)
def test_a_setting_that_is_none_is_named(name: str, value: str) -> None:
    with pytest.raises(ProjectError, match=f"{name} is '{value}'"):
        from_environment({name: value})
    assert from_environment({name: ""}) == Settings()


def test_the_check_needs_no_place_to_write(made: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    _, good = start(made)
    assert check.fault(good, seconds=10) is None
    assert check.fault(good, seconds=0.00001), "it stays strict"
