"""Storage that is no branch: a real SSH server, and a server that speaks S3's protocol."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from support import cli, commit, git, needs, run, uv_run

pytestmark = pytest.mark.slow

SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/id.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class Server:
    """A storage: DVC's extra for it, its URL and settings, the environment of who may use it, and of who may not."""

    extra: str
    url: str
    settings: dict[str, str] = field(default_factory=dict)
    access: dict[str, str] = field(default_factory=dict)
    stranger: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def start() -> Iterator[Callable[..., None]]:
    """`start(port, *command)` runs a server until the test ends, and waits until it listens."""
    running: list[subprocess.Popen[bytes]] = []

    def start(port: int, *command: str) -> None:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        running.append(process)
        for _ in range(300):
            assert process.poll() is None, f"{command} ended"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        raise TimeoutError(command)

    yield start
    for process in running:
        process.terminate()
        process.wait()


@pytest.fixture(params=["ssh", "s3"])
def server(request: pytest.FixtureRequest, tmp_path: Path, start: Callable[..., None]) -> Server:
    """Each kind in turn, on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return (ssh if request.param == "ssh" else s3)(tmp_path, port, start)


def ssh(folder: Path, port: int, start: Callable[..., None]) -> Server:
    """OpenSSH, which lets one key in; it lies where the workflows put it."""
    program = needs("sshd", "`apt-get install openssh-server` or the like")
    home, other, store = folder / "home", folder / "other", folder / "store"
    for place in (home / ".ssh", other / ".ssh", store):
        place.mkdir(parents=True)
    for key in (folder / "host", folder / "id", other / ".ssh" / "id_ed25519"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key, cwd=folder)
    (folder / "id").rename(home / ".ssh" / "id_ed25519")
    known = f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text(encoding='utf-8')}"
    for place in (home, other):
        (place / ".ssh" / "known_hosts").write_text(known, encoding="utf-8")
    (folder / "sshd_config").write_text(SSHD.format(port=port, folder=folder), encoding="utf-8")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # it separates privileges there when it runs as root
    start(port, program, "-D", "-f", str(folder / "sshd_config"))
    user = run("id", "--user", "--name", cwd=folder).strip()
    return Server(
        "ssh",
        f"ssh://{user}@127.0.0.1:{port}{store}",
        access={"HOME": str(home)},
        stranger={"HOME": str(other)},
    )


def s3(folder: Path, port: int, start: Callable[..., None]) -> Server:
    """Moto's server, with a bucket."""
    start(port, sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    urlopen(Request(f"{url}/models", method="PUT")).close()
    keys = {"AWS_ACCESS_KEY_ID": "ada", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    return Server(
        "s3",
        "s3://models/flights",
        settings={"endpointurl": url},
        access=keys,
        stranger={"AWS_EC2_METADATA_DISABLED": "true"},
    )


def test_a_project_moves_from_the_branch_to_a_storage_of_its_own(project: Path, server: Server, tmp_path: Path) -> None:
    """By the commands that the message about large files names; then a clone as shallow as a workflow's finds it all.

    Who may not read it learns that in one line, and `setup` asks before all else.
    """
    caches = {"UV_CACHE_DIR": run("uv", "cache", "dir", cwd=tmp_path).strip()}
    caches["UV_PYTHON_INSTALL_DIR"] = run("uv", "python", "dir", cwd=tmp_path).strip()
    mine, theirs = (tmp_path / name / project.name for name in ("mine", "theirs"))
    run("git", "clone", "--quiet", str(project), str(mine), cwd=tmp_path)
    run("uv", "sync", "--quiet", cwd=mine, **caches)
    cli(mine, "pull")
    run("uv", "add", "--quiet", f"dvc[{server.extra}]", cwd=mine, **caches)
    for setting, value in {"url": server.url, **server.settings}.items():
        uv_run(mine, "dvc", "remote", "modify", "storage", setting, value)
    refused = cli(mine, "setup", check=False, **caches, **server.stranger)
    assert server.url in next(line for line in refused.splitlines() if line.startswith("error: "))
    assert "[3/" not in refused, "nothing is trained before the storage was asked"
    assert f"copied to {server.url}" in cli(mine, "push", **caches, **server.access)
    commit(mine, "Move the storage")

    run("git", "clone", "--quiet", "--depth=1", mine.as_uri(), str(theirs), cwd=tmp_path)
    run("uv", "sync", "--quiet", cwd=theirs, **caches)
    assert server.url in cli(theirs, "storage", "check", **caches, **server.access)
    cli(theirs, "pull", **caches, **server.access)
    for data in ("data/raw", "models/champion/card.json"):
        assert (theirs / data).exists()
    assert git(theirs, "status", "--porcelain") == ""
    assert not (theirs / ".storage").exists()

    refused = cli(theirs, "storage", "check", check=False, **caches, **server.stranger)
    [line] = [line for line in refused.splitlines() if line.startswith("error: ")]
    assert server.url in line
