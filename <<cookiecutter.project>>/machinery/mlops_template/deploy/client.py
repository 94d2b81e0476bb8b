"""A running service, asked over HTTP: what it is, whether it is ready, what it predicts."""

import json
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from ..errors import ProjectError
from ..serving.files import TRYING

SECONDS = 10.0
Row = dict[str, Any]
Prediction = dict[str, float]


class NoResponse(ProjectError):
    """The service could not be reached, or answered with an error, of that HTTP status."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class ServiceClient:
    """The service at a URL. One connection is kept for as long as it answers: one object for each thread."""

    url: str
    seconds: float = SECONDS
    """How long to wait for an answer."""
    _connection: HTTPConnection | None = field(default=None, repr=False)

    def get(self, path: str) -> Any:
        """What it says at a path. Raises NoResponse."""
        return self.ask("GET", path)

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Its predictions for some rows, in their order. Raises NoResponse."""
        reply = self.ask("POST", "/predict", rows)
        predictions = reply.get("predictions") if isinstance(reply, dict) else None
        if not isinstance(predictions, list) or len(predictions) != len(rows):
            raise NoResponse(f"{self.url}/predict gave no prediction for each of {len(rows)} rows")
        return predictions

    def ask(self, method: str, path: str, content: Any = None) -> Any:
        """One request."""
        body = None if content is None else json.dumps(content).encode()
        try:
            status, text = self.exchange(method, path, body)
        except (OSError, HTTPException) as error:
            self.close()
            raise NoResponse(f"{self.url}{path} does not answer ({str(error) or type(error).__name__})") from None
        try:
            said = json.loads(text or b"null")
        except ValueError:
            said = None
        if status >= 300:
            why = (
                said.get("detail", said.get("error", said)) if isinstance(said, dict) else text[:200].decode("latin-1")
            )
            raise NoResponse(f"{self.url}{path} answered {status}: {' '.join(str(why).split())[:300]}", status)
        if said is None:
            raise NoResponse(f"{self.url}{path} gave no JSON: is it this project's service?")
        return said

    def exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """Send a request over the connection that is open, or a new one: status and content."""
        parts = urlsplit(self.url)
        if self._connection is None:
            kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
            self._connection = kind(parts.hostname or "", parts.port, timeout=self.seconds)
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.request(method, f"{parts.path.rstrip('/')}{path}", body, TRYING)
        response = self._connection.getresponse()
        text = response.read()
        if response.will_close:
            self.close()
        return response.status, text

    def close(self) -> None:
        """End the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def wait_until_ready(url: str, seconds: float) -> None:
    """Wait for the service to be ready, telling now and then what it says. Raises NoResponse when it is not in time."""
    end, reported = time.monotonic() + seconds, time.monotonic()
    while True:
        service = ServiceClient(url, seconds=min(SECONDS, seconds))
        try:
            service.get("/ready")
            return
        except NoResponse as reason:
            if time.monotonic() > end:
                raise NoResponse(f"not ready after {seconds:g} seconds: {reason}") from None
            if time.monotonic() - reported > SECONDS:
                print(f"waiting: {reason}", flush=True)
                reported = time.monotonic()
        finally:
            service.close()
        time.sleep(0.5)
