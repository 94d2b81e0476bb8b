"""A Docker Swarm over the servers of a test, and the way in that a workflow has: SSH."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from support import needs, run

from .engines import Engine, wait_until
from .network import start

SSHD = """
Port 22
ListenAddress {address}
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
SetEnv DOCKER_HOST={host}
AllowUsers root
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
StrictModes no
PidFile none
MaxStartups 100
"""


def join(servers: list[Engine]) -> None:
    """Make a swarm of engines; the first is its manager."""
    manager, *workers = servers
    manager.docker("swarm", "init", "--advertise-addr", manager.address)
    token = manager.docker("swarm", "join-token", "--quiet", "worker").strip()
    for worker in workers:
        worker.docker("swarm", "join", "--token", token, f"{manager.address}:2377")
    wait_until(lambda: manager.docker("node", "ls").count("Ready") == len(servers))


@dataclass(frozen=True)
class Login:
    """What somebody needs who is to reach an engine by SSH."""

    url: str
    """Such as `ssh://root@10.213.1.11`."""
    key: str
    """The private key."""
    known_hosts: str
    """The line that knows the server."""


@contextmanager
def reachable(engine: Engine) -> Iterator[Login]:
    """An SSH server beside an engine, whose clients' `docker` talks to that engine."""
    with tempfile.TemporaryDirectory(prefix="sshd-") as name:
        folder = Path(name)
        for key in ("host", "client"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key, cwd=folder)
        (folder / "sshd_config").write_text(
            SSHD.format(address=engine.address, folder=folder, host=engine.host), encoding="utf-8"
        )
        Path("/run/sshd").mkdir(exist_ok=True)
        server = needs("sshd", "install openssh-server")
        with (folder / "log").open("wb") as log:
            process = start(engine.namespace, server, "-D", "-e", "-f", f"{folder}/sshd_config", stderr=log)
        try:
            wait_until(lambda: listens(engine.address, 22))
            kind, public, *_ = (folder / "host.pub").read_text(encoding="utf-8").split()
            yield Login(
                f"ssh://root@{engine.address}",
                (folder / "client").read_text(encoding="utf-8"),
                f"{engine.address} {kind} {public}\n",
            )
        finally:
            process.terminate()
            process.wait()


def listens(address: str, port: int) -> bool:
    """Whether somebody answers there."""
    with suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False
