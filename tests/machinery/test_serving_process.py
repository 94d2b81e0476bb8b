"""The service as a process: it starts by its environment, is checked from outside and ends without a lost request."""

import asyncio
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import mlops_template as package
import pytest
import uvicorn
from mlops_template.errors import ProjectError
from mlops_template.serving import healthcheck
from mlops_template.serving.environment import Settings, from_environment
from mlops_template.serving.protocol import Protocol
from mlops_template.serving.server import listen
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

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

    def start(directory: Path, **changed: object) -> tuple[subprocess.Popen[bytes], Settings]:
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
        command = [sys.executable, "-m", f"{package.__name__}.serving"]
        process = subprocess.Popen(command, env=environment, start_new_session=True)
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
    assert healthcheck.ask("127.0.0.1", settings.port, [ROW], 10)[0] == 200
    time.sleep(0.8)
    assert process.poll() is None
    half.send(body[20:])
    assert half.getresponse().status == 200
    assert process.wait(timeout=10) == 0


def test_a_second_request_to_end_cuts_the_drain_short(made: Path, start: Start) -> None:
    """It still ends by itself, with its last predictions written, not by the signal."""
    process, settings = start(made, drain_seconds=60)
    process.send_signal(signal.SIGTERM)
    soon(lambda: get(settings, "/ready") == 503)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
"""As Java's HttpClient and `curl --http2` send it."""


def test_an_offer_of_http_2_is_not_taken_up(made: Path, start: Start) -> None:
    """The request is answered over HTTP/1.1; so is the next on the same connection."""
    _, settings = start(made)
    body = json.dumps(ROW).encode()
    head = b"POST /predict HTTP/1.1\r\nHost: here\r\n%sContent-Length: %d\r\n\r\n" % (OFFER, len(body))
    with socket.create_connection(("127.0.0.1", settings.port), timeout=10) as caller:
        for parts in ((head, body), (head + body,)):
            for part in parts:
                caller.sendall(part)
            reply = HTTPResponse(caller)
            reply.begin()
            assert (reply.status, len(json.loads(reply.read())["predictions"])) == (200, 1)


def test_headers_have_a_limit(made: Path, start: Start) -> None:
    _, settings = start(made)
    much, many = b"X-Much: %s\r\n", b"X-Many: x\r\n"
    for headers, status in ((much % (b"x" * 65_000), 200), (much % (b"x" * 66_000), 431), (many * 10_000, 431)):
        with socket.create_connection(("127.0.0.1", settings.port), timeout=10) as caller:
            caller.sendall(b"GET /health HTTP/1.1\r\nHost: here\r\n%s\r\n" % headers)
            reply = HTTPResponse(caller)
            reply.begin()
            assert reply.status == status
            assert json.loads(reply.read())


@dataclass
class Line(asyncio.Transport):
    """A connection on which nothing is sent."""

    said: bytearray = field(default_factory=bytearray)
    closed: bool = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.said += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def hear(parts: Iterable[bytes]) -> tuple[list[bytes], Line]:
    """The bodies that an application hears of what comes in these parts, until the line is closed."""
    heard: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        heard.append(body)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def talk() -> Line:
        line = Line()
        config = uvicorn.Config(app, lifespan="off", log_config=None)
        protocol = Protocol(config, ServerState(), {})
        protocol.connection_made(line)
        for part in parts:
            if not line.closed:
                protocol.data_received(part)
                for _ in range(20):  # steps that the application is given
                    await asyncio.sleep(0)
        return line

    return heard, asyncio.run(talk())


def test_bodies_are_heard_as_they_were_sent_wherever_the_bytes_are_cut() -> None:
    """Also those of requests that do not wait for an answer, and those that look like an offer."""
    tricky = b"\r\n\r\nPOST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(tricky), tricky)
    head = b"POST / HTTP/1.1\r\nHost: here\r\n"
    sent = head + OFFER + b"Content-Length: %d\r\n\r\n" % len(tricky) + tricky
    sent += head + OFFER + b"Transfer-Encoding: chunked\r\n\r\n" + chunked
    sent += head + b"Content-Length: %d\r\n\r\n" % len(tricky) + tricky
    for place in range(1, len(sent)):
        heard, line = hear([sent[:place], sent[place:]])
        assert heard == [tricky] * 3
        assert line.said.count(b"HTTP/1.1 204") == 3


@pytest.mark.parametrize(
    ("head", "endless"),
    [
        (b"GET /", b"x"),
        (b"GET / HTTP/1.1\r\nX-", b"x"),
        (b"GET / HTTP/1.1\r\nX: ", b"x"),
        (b"GET / HTTP/1.1\r\n", b"X: x\r\n"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"x"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: x\r\n"),
    ],
)
def test_a_head_that_does_not_end_is_not_kept(head: bytes, endless: bytes) -> None:
    """Nor what comes behind a body."""
    _, line = hear([head, *[endless * 1000] * 70])
    assert line.said.startswith(b"HTTP/1.1 431 ")
    assert b"connection: close" in line.said


def test_a_large_body_is_no_head() -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n"
    heard, _ = hear([head, *[b"x" * 1000] * 300, head + b"x" * 300_000])
    assert [len(body) for body in heard] == [300_000] * 2


def test_a_process_that_is_killed_is_replaced(made: Path, start: Start, tmp_path: Path) -> None:
    """The other one answers meanwhile; both end when the first process is told to, and nobody who writes is left."""
    process, settings = start(made, workers=2, drain_seconds=0, predictions=tmp_path / "log.db")
    soon(lambda: len(workers(process.pid)) == 2)
    before = workers(process.pid)
    soon(lambda: all(map(writers, before)))
    victim = min(before)
    written = writers(victim)
    os.kill(victim, signal.SIGKILL)
    soon(lambda: not alive(written))
    soon(lambda: len(workers(process.pid) - before) == 1)
    now = workers(process.pid)
    assert len(now) == 2
    assert get(settings, "/ready") == 200
    soon(lambda: all(map(writers, now)))
    writing = set.union(*map(writers, now))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    soon(lambda: not alive(writing))


def test_an_end_stores_what_was_answered(made: Path, start: Start, tmp_path: Path) -> None:
    """As a container is told to end, or all of its processes are."""
    process, settings = start(made, drain_seconds=0, predictions=tmp_path / "log.db")
    for _ in range(20):
        assert predict(settings) == 200
    for pid in (*writers(process.pid), process.pid):
        os.kill(pid, signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    assert len(stored(tmp_path / "log.db")) == 20


def test_a_service_that_is_killed_leaves_nobody_behind(made: Path, start: Start, tmp_path: Path) -> None:
    """When what writes dies, no request is held up; when the service does, what writes ends by itself."""
    process, settings = start(made, predictions=tmp_path / "log.db")
    first = writers(process.pid)
    os.kill(min(first), signal.SIGKILL)
    assert predict(settings) == 200
    soon(lambda: (tmp_path / "log.db").exists() and len(stored(tmp_path / "log.db")) == 1)
    second = writers(process.pid)
    assert len(second) == 1 and second != first
    assert "predictions_lost 0.0" in metrics(settings)
    process.kill()
    soon(lambda: not alive(second))


def predict(settings: Settings) -> int:
    """The status of a request that is logged."""
    connection = HTTPConnection("127.0.0.1", settings.port, timeout=10)
    connection.request("POST", "/predict", json.dumps(ROW), {"Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    return status


def metrics(settings: Settings) -> str:
    """All figures."""
    connection = HTTPConnection("127.0.0.1", settings.port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def stored(place: Path) -> list[str]:
    """The ids of the predictions in a log."""
    with closing(sqlite3.connect(place)) as log:
        tables = log.execute("select name from sqlite_master where name = 'predictions'").fetchall()
        return [name for (name,) in log.execute("select id from predictions")] if tables else []


def writers(parent: int) -> set[int]:
    """The ids of the processes that write the log of a process that serves."""
    listed = subprocess.run(["ps", "-wwo", "pid=,args=", "--ppid", str(parent)], capture_output=True).stdout.decode()
    return {int(line.split()[0]) for line in listed.splitlines() if "log_writer" in line}


def alive(pids: set[int]) -> list[str]:
    """Which of these processes are there, and still write."""
    listed = subprocess.run(["ps", "-wwo", "args=", "-p", ",".join(map(str, pids))], capture_output=True).stdout.decode()
    return [line for line in listed.splitlines() if "log_writer" in line]


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
    assert healthcheck.fault(good, seconds=0.00001)
    other = Path(shutil.copytree(made, tmp_path / "other"))
    golden = json.loads((other / "golden.json").read_text())
    golden["predictions"][0]["probability_0"] += 0.01
    (other / "golden.json").write_text(json.dumps(golden))
    assert "row 0 has probability_0" in str(healthcheck.fault(Settings(model_dir=other, port=good.port), seconds=10))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        assert "no answer" in str(healthcheck.fault(Settings(model_dir=made, port=port), seconds=0.1))
    assert "no answer" in str(healthcheck.fault(Settings(model_dir=made, port=port), seconds=10))

    assert healthcheck.fault(good, seconds=10) is None
    assert healthcheck.fault(good, seconds=0.00001) is None
    process.kill()
    process.wait()
    assert "no answer" in str(healthcheck.fault(good, seconds=10))


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "http"), ("PORT", "65536"), ("WORKERS", "0"), ("DRAIN_SECONDS", "-1"), ("MAX_BODY_MB", "nan")],
)
def test_a_setting_that_is_none_is_named(name: str, value: str) -> None:
    with pytest.raises(ProjectError, match=f"{name} is '{value}'"):
        from_environment({name: value})
    assert from_environment({name: ""}) == Settings()


def test_a_port_that_there_is_not_is_named() -> None:
    with pytest.raises(ProjectError, match="give a whole number from 0 to 65535, such as PORT=8000"):
        from_environment({"PORT": "99999"})
    with pytest.raises(ProjectError, match=r"127.0.0.1:99999 cannot be listened at .*: take another port"):
        listen(Settings(port=99999))


@pytest.mark.parametrize("count", [1, 2])
def test_ctrl_c_ends_it_without_a_traceback(
    count: int, made: Path, start: Start, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A terminal sends it to all processes of a group; what was answered is stored all the same."""
    process, settings = start(made, workers=count, predictions=tmp_path / "log.db")
    soon(lambda: count == 1 or len(workers(process.pid)) == count)
    assert get(settings, "/ready") == 200
    assert predict(settings) == 200
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=10) == 0
    assert "Traceback" not in capfd.readouterr().err
    assert len(stored(tmp_path / "log.db")) == 1


def test_the_check_needs_no_place_to_write(made: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    _, good = start(made)
    assert healthcheck.fault(good, seconds=10) is None
    assert healthcheck.fault(good, seconds=0.00001), "it stays strict"
