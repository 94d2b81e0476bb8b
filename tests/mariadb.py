"""A MariaDB of a test's own on loopback, which speaks as MySQL does."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support import needs, run, wait_for

PASSWORD = "s3cret"
ADVICE = "`apt-get install mariadb-server` or the like"


@contextmanager
def mariadb() -> Iterator[str]:
    """The URL of an empty database on a server that ends with the block."""
    server, folder = needs("mariadbd", ADVICE), Path(tempfile.mkdtemp(prefix="mariadb"))
    shutil.chown(folder, "mysql", "mysql")
    options = [f"--datadir={folder / 'data'}", "--user=mysql"]
    run(needs("mariadb-install-db", ADVICE), *options, "--auth-root-authentication-method=normal", cwd=folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = [f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}", f"--log-error={folder / 'log'}"]
    begin = folder / "begin.sql"
    begin.write_text(
        f"CREATE DATABASE shop CHARACTER SET utf8mb4;\nCREATE USER ada@'%' IDENTIFIED BY '{PASSWORD}';\n"
        "GRANT ALL ON shop.* TO ada@'%';\n"
    )
    command = [
        server,
        "--no-defaults",
        *options,
        *place,
        "--skip-name-resolve",
        "--bind-address=127.0.0.1",
        f"--port={port}",
    ]
    process = subprocess.Popen([*command, "--default-time-zone=+05:00", f"--init-file={begin}"], cwd=folder)
    try:
        wait_for(lambda: answers(port), "MariaDB does not start")
        yield f"mysql+pymysql://ada:{PASSWORD}@127.0.0.1:{port}/shop"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0
