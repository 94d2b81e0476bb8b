"""`doctor` in a clone as a colleague has it: what it finds wrong is fixed by the commands it names."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from support import cli, git, run
from test_tracking import free_port


@pytest.fixture(scope="module")
def clone(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone whose environment is installed and in which nothing was fetched yet."""
    folder = tmp_path_factory.mktemp("doctor")
    git(folder, "clone", "--quiet", "--bare", str(project), "origin.git")
    git(folder, "clone", "--quiet", "origin.git", project.name)
    run("uv", "sync", "--quiet", cwd=folder / project.name)
    return folder / project.name


def doctor(clone: Path, **variables: str) -> dict[str, str]:
    """The lines, by what they are about, on a machine where git was never used."""
    said = cli(clone, "doctor", check=False, GIT_CONFIG_GLOBAL="none", GIT_CONFIG_SYSTEM="none", **variables)
    assert "Traceback" not in said
    assert "error" not in said
    return {line[2:17].strip(): line for line in said.splitlines()}


@pytest.mark.slow
def test_what_it_names_mends_it(clone: Path) -> None:
    """A fresh clone lacks an author and the hook; after the two commands nothing is wrong any more."""
    found = doctor(clone)
    assert {what for what, line in found.items() if line.startswith("✗")} == {"git identity", "git push"}
    assert found["storage"].startswith("✓")
    assert found["lock file"].startswith("✓")
    assert "origin is not on GitHub" in found["GitHub"]
    assert "git config --global user.name" in found["git identity"]
    for key in ("user.name", "user.email"):
        git(clone, "config", key, "ada@example.com")
    assert "`uv run flight-delays pull`" in found["git push"]
    cli(clone, "pull")
    assert not any(line.startswith("✗") for line in doctor(clone).values())
    cli(clone, "doctor")
    assert git(clone, "status", "--porcelain") == ""


@pytest.mark.slow
def test_a_storage_that_origin_does_not_have(clone: Path) -> None:
    origin = clone.parent / "origin.git"
    branch = git(origin, "rev-parse", "dvc-storage")
    git(origin, "update-ref", "-d", "refs/heads/dvc-storage")
    try:
        assert doctor(clone)["storage"].startswith("✗ storage         origin has no branch dvc-storage")
    finally:
        git(origin, "update-ref", "refs/heads/dvc-storage", branch)


class Server(BaseHTTPRequestHandler):
    """Answers as an MLflow server with nothing in it, and takes nothing."""

    def do_GET(self) -> None:
        body = b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}'
        self.send_response(404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quietly."""


@pytest.fixture
def server() -> Iterator[int]:
    """Its port."""
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.slow
def test_the_tracking_server_has_to_answer(clone: Path, server: int) -> None:
    """At once, without writing to it and without showing a password."""
    up = doctor(clone, MLFLOW_TRACKING_URI=f"http://me:s3cret@127.0.0.1:{server}")["tracking"]
    assert up == f"✓ tracking        http://127.0.0.1:{server} answers"
    nobody = free_port()
    began = time.monotonic()
    down = doctor(clone, MLFLOW_TRACKING_URI=f"http://me:s3cret@127.0.0.1:{nobody}")["tracking"]
    assert time.monotonic() - began < 60
    assert down.startswith(f"✗ tracking        MLflow at http://127.0.0.1:{nobody} did not answer")
    assert "s3cret" not in down
