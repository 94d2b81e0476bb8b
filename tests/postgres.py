"""A PostgreSQL of a test's own on loopback."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support import missing, run

PASSWORD = "s3cret"


@dataclass(frozen=True)
class Server:
    """One that runs until it is stopped, and may be started again."""

    url: str
    control: list[str]
    options: str
    folder: Path

    def start(self) -> None:
        """Until it answers."""
        subprocess.run(  # not through a pipe, which the server would keep open
            [*self.control, "--log", str(self.folder / "log"), "-o", self.options, "start"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
        )

    def stop(self) -> None:
        """At once, as a machine that loses its power."""
        command = [*self.control, "--mode=immediate", "stop"]
        subprocess.run(command, check=False, capture_output=True, cwd=self.folder)


@contextmanager
def postgres() -> Iterator[Server]:
    """A server with an empty database.

    Its files are not in pytest's own folder: each session of pytest, a generated project's too, takes the
    right to enter that folder from other users, and the server runs as another one.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "")]
    if not found[-1].is_file():
        missing("PostgreSQL", "`apt-get install postgresql` or the like")
    binaries = found[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="postgres"))
    as_user: list[str] = []
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # it refuses to run as root
        as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        shutil.chown(folder, "nobody")
    secret = folder / "secret"
    secret.write_text(PASSWORD)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    init = ["--username=me", f"--pwfile={secret}", "--auth=scram-sha-256", "--no-sync"]
    run(*as_user, str(binaries / "initdb"), "--pgdata", str(data), *init, cwd=folder)
    server = Server(
        f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:{port}/postgres",
        [*as_user, str(binaries / "pg_ctl"), "--pgdata", str(data), "--wait"],
        f"-h 127.0.0.1 -p {port} -k {folder}",
        folder,
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
