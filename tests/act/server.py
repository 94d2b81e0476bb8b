"""The repositories over HTTP on loopback: git's own server behind the question who asks.

Like a private repository on GitHub they give and take nothing without credentials, and no more than the job's
`permissions` allow.
"""

import base64
import binascii
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .origin import ORIGIN
from .pages import IDENTITY
from .pulls import NO_WORKFLOWS, moved
from .state import Caller, Refused, caller, record, require, state

Meanwhile = dict[str, Callable[[], object]]
"""What others do while a job runs, by the job's id: called once, when the job has checked out."""


def header(caller: Caller) -> str:
    """The token as a header of HTTP."""
    return "Authorization: Basic " + base64.b64encode(f"x-access-token:{caller.token}".encode()).decode()


@contextmanager
def serve(folder: Path, meanwhile: Meanwhile) -> Iterator[str]:
    """Serve the repositories of a folder while the context lasts; gives the URL."""

    class Bound(Handler):
        github = folder
        others = meanwhile

    with ThreadingHTTPServer(("127.0.0.1", 0), Bound) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


DECLINED = b"pre-receive hook declined"
"""How git's report names a push that the hook refused, where GitHub's has the reason."""


def explained(report: bytes) -> bytes:
    """The report of a push, which git sends in band 1, with GitHub's reason for a refusal."""
    bands = (
        b"\1" + b"".join(map(packet, (line.replace(DECLINED, NO_WORKFLOWS.encode()) for line in unpacked(band[1:]))))
        if band[:1] == b"\1"
        else band
        for band in unpacked(report)
    )
    return b"".join(map(packet, bands))


def unpacked(packets: bytes) -> Iterator[bytes]:
    """The contents of git's packets, empty for a flush: https://git-scm.com/docs/protocol-common."""
    while packets:
        size = max(int(packets[:4], 16), 4)
        yield packets[4:size]
        packets = packets[size:]


def packet(line: bytes) -> bytes:
    """The packet of a content."""
    return b"%04x%b" % (len(line) + 4, line) if line else b"0000"


class Handler(BaseHTTPRequestHandler):
    """One request: `/checked-out` of a job, `/identity`, or git's."""

    github: Path
    others: Meanwhile

    def do_GET(self) -> None:
        if self.path == "/identity":  # act cannot keep it from jobs that may not have it: pages.py asks for that
            self.reply("200 OK", [], json.dumps({"value": IDENTITY}).encode())
            return
        self.answer(b"")

    def do_POST(self) -> None:
        self.answer(self.body())

    def answer(self, body: bytes) -> None:
        """Ask git, if the token's job may."""
        self.path = re.sub("^/[^/]+/[^/]+(?=/info/|/git-)", f"/{ORIGIN}", self.path)
        who = self.caller()
        if who is None:
            self.reply("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="GitHub"')], b"")
            return
        if self.path == "/checked-out":
            self.others.pop(who.job, lambda: None)()
            self.reply("200 OK", [], b"")
            return
        pushes = "git-receive-pack" in self.path
        try:
            with state(self.github) as held:
                require(held, who, ("contents", "write" if pushes else "read"))
                workflows = who.app and held["tokens"][who.job].get("workflows") == "write"
        except Refused as refused:
            self.reply("403 Forbidden", [], str(refused).encode())
            return
        before = self.references()
        status, headers, content = self.backend(who.job, body, workflows)
        if pushes and self.command == "POST":
            content = explained(content)
        after = self.references()
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                self.pushed(who, name, before.get(name), after.get(name))
        self.reply(status, headers, content)

    def pushed(self, who: Caller, ref: str, before: str | None, after: str | None) -> None:
        """Note a push, and what it starts."""
        record(self.github, "pushes", job=who.job, actor=who.actor, ref=ref, before=before, after=after)
        branch = ref.removeprefix("refs/heads/")
        if after is None or branch == ref:
            return
        with state(self.github) as held:
            moved(held, self.github, branch, before, after, who.actor)

    def backend(self, job: str, body: bytes, writes_workflows: bool) -> tuple[str, list[tuple[str, str]], bytes]:
        """Let git answer: status, headers and content."""
        path, _, query = self.path.partition("?")
        variables = {
            "GIT_PROJECT_ROOT": str(self.github),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": job,
            "WRITES_WORKFLOWS": "1" if writes_workflows else "",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        command = ["git", "http-backend"]
        done = subprocess.run(command, input=body, env=os.environ | variables, stdout=subprocess.PIPE, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = {name: value for name, _, value in (line.partition(": ") for line in head.decode().split("\r\n"))}
        return headers.pop("Status", "200 OK"), list(headers.items()), content

    def references(self) -> dict[str, str]:
        """Every reference of the repository that is asked for, and its commit."""
        repository = self.github / self.path.split("/")[1]
        command = ["git", "for-each-ref", "--format=%(refname) %(objectname)"]
        lines = subprocess.run(command, cwd=repository, stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
        return dict(line.split() for line in lines.splitlines())

    def caller(self) -> Caller | None:
        """Whose token was sent."""
        _, _, credentials = self.headers.get("Authorization", "").partition(" ")
        try:
            _, _, sent = base64.b64decode(credentials).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return caller(sent)

    def body(self) -> bytes:
        """What was sent; large pushes come in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def reply(self, status: str, headers: list[tuple[str, str]], content: bytes) -> None:
        """Send an answer."""
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in [*headers, ("Content-Length", str(len(content)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: git on the other side says what went wrong."""
