"""Docker engines of a test's own, and the registry they pull from. Whatever runs in them ends with them."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support import environment, missing, needs, run

from .network import Network, start

ADVICE = "install docker.io (or docker-ce), debootstrap, docker-registry, iproute2 and iptables, and run as root"
SECONDS = 60
"""How long an engine may take to start."""


@dataclass(frozen=True)
class Engine:
    """A running engine and how to reach it."""

    host: str
    """What `DOCKER_HOST` has to be."""
    address: str
    namespace: str | None

    def docker(self, *arguments: str | Path, cwd: Path = Path("/"), check: bool = True, **changes: str) -> str:
        """Run Docker's client on it and return what it said."""
        return run("docker", *arguments, cwd=cwd, check=check, **self.variables, **changes)

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which every command talks to this engine."""
        return {"DOCKER_HOST": self.host}

    def json(self, *arguments: str) -> list[dict[str, object]]:
        """What `docker ... inspect` says."""
        return list(json.loads(self.docker(*arguments)))


@contextmanager
def engine(lan: Network, server: int | None = None) -> Iterator[Engine]:
    """A Docker engine, empty at first: on this machine, or on a server of the network.

    On this machine its containers are plugged into the network's bridge, so that it needs no rule of the
    firewall; what they publish is found on this machine's own ports.
    """
    require_engine()
    namespace = None if server is None else lan.namespaces[server]
    folder = Path(tempfile.mkdtemp(prefix="engine-", dir="/tmp"))  # short: it holds sockets
    host = f"unix://{folder}/docker.sock"
    (folder / "daemon.json").write_text("{}", encoding="utf-8")
    options = ["--config-file", f"{folder}/daemon.json", "--host", host, "--pidfile", f"{folder}/pid"]
    options += ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--insecure-registry", lan.subnet]
    options += ["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{folder.name}"]
    if namespace is None:
        options += ["--bridge", lan.bridge, "--fixed-cidr", lan.containers, "--iptables=false", "--ip6tables=false"]
    # A process namespace of its own: with its first process everything in it ends, also a container.
    own = ["unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"]
    named = ["sh", "-c", 'hostname "$0" && exec "$@"', f"server-{server}" if namespace else "machine"]
    dockerd = needs("dockerd", ADVICE)
    with (folder / "log").open("wb") as log:
        process = start(namespace, *own, *named, dockerd, *options, stdout=log, stderr=log, env=environment())
    made = Engine(host, lan.gateway if server is None else lan.address(server), namespace)
    try:
        wait_until(lambda: answers(made, process, folder / "log"))
        yield made
    finally:
        stop(process, folder.name)
        shutil.rmtree(folder)


def require_engine() -> None:
    """End the test where no engine can be started."""
    needs("docker", ADVICE)
    if os.geteuid() != 0:
        missing("root", ADVICE)
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    if "cgroup" not in mounts:
        run(needs("cgroupfs-mount", "install cgroupfs-mount"), cwd=Path("/"))


def answers(engine: Engine, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    """Whether an engine is up; when it has ended the test does, too."""
    assert process.poll() is None, f"dockerd ended:\n{log.read_text(encoding='utf-8')[-3000:]}"
    return "Server Version" in engine.docker("info", check=False)


def wait_until(true: Callable[[], object], seconds: float = SECONDS, why: Callable[[], str] = lambda: "") -> None:
    """Ask until it is so; `why` says in the error what was there instead."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s {why()}"
        time.sleep(0.1)


def stop(process: "subprocess.Popen[bytes]", group: str) -> None:
    """End an engine at once: with the first process of its namespace all others end, and their control groups go."""
    if process.poll() is None:
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split():
            os.kill(int(child), signal.SIGKILL)
        process.wait(timeout=SECONDS)
    for parent in (*Path("/sys/fs/cgroup").glob(f"*/{group}"), *Path("/sys/fs/cgroup").glob(group)):
        for folder, _, _ in os.walk(parent, topdown=False):
            Path(folder).rmdir()


@contextmanager
def registry(lan: Network) -> Iterator[str]:
    """A registry on this machine: what a reference begins with that is kept there."""
    folder = Path(tempfile.mkdtemp(prefix="registry-", dir="/tmp"))
    name = f"{lan.gateway}:5000"
    (folder / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '{name}'}}\nlog: {{level: error}}\n",
        encoding="utf-8",
    )
    program = needs("docker-registry", ADVICE)
    with (folder / "log").open("wb") as log:
        process = start(None, program, "serve", f"{folder}/config.yml", stdout=log, stderr=log)
    try:
        wait_until(lambda: is_up(name))
        yield name
    finally:
        process.terminate()
        process.wait(timeout=SECONDS)
        shutil.rmtree(folder)


def is_up(name: str) -> bool:
    """Whether a registry answers."""
    connection = http.client.HTTPConnection(name, timeout=5)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
