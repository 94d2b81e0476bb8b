"""`python -m mlops_template.serving.healthcheck`: exit code 0 when the service predicts the golden rows in time.

It asks by the way that everyone asks, so a service that is slow, wrong or not there never becomes healthy. From then on
it has to be alive, no more: to be ended for being slow under load would only add to the load of the others, and whether
it still predicts right is asked by `/ready`.
"""

import http.client
import json
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from .environment import Settings, from_environment
from .files import GOLDEN_FILE, SERVING_FILE, TRYING, difference, read

TIMEOUT = 2.0
"""Seconds within which the predictions must be there; CHECK_SECONDS sets another limit."""

ALIVE_TIMEOUT = 10.0
"""Seconds within which a service that was healthy must say that it is alive."""

PROVEN = "predicted-as-in-training"
"""What the name of that file begins with; temporary files are new with each container."""


def fault(settings: Settings, seconds: float) -> str | None:
    """What is wrong with the service, None when nothing is."""
    with suppress(OSError):  # where there is no place for temporary files it stays strict
        if mark(settings.port).exists():
            return not_alive(settings)
    failure = not_golden(settings, seconds)
    if failure is None:
        with suppress(OSError):
            mark(settings.port).touch()
    return failure


def mark(port: int) -> Path:
    """The file that tells that the service at a port was healthy."""
    return Path(tempfile.gettempdir()) / f"{PROVEN}-{port}"


def not_alive(settings: Settings) -> str | None:
    """Why the process is not there any more."""
    connection = http.client.HTTPConnection(reachable(settings.host), settings.port, timeout=ALIVE_TIMEOUT)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
        return None if status == 200 else f"/health says {status}"
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {type(error).__name__}: {error}"
    finally:
        connection.close()


def not_golden(settings: Settings, seconds: float) -> str | None:
    """How the predictions differ from those in training, None when they do not."""
    golden, serving = read(settings.model_dir / GOLDEN_FILE), read(settings.model_dir / SERVING_FILE)
    rows = golden["rows"][: settings.max_rows or serving["limits"]["max_rows"]]
    began = time.monotonic()
    try:
        status, reply = ask(reachable(settings.host), settings.port, rows, seconds)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"no answer: {type(error).__name__}: {error}"
    took = time.monotonic() - began
    if took > seconds:
        return f"the golden rows took {took:.2f} s, more than {seconds:g} s"
    if status != 200:
        return f"the golden rows are answered with {status}: {reply.get('detail', reply)}"
    return difference(reply["predictions"], golden["predictions"][: len(rows)], serving["tolerance"])


def reachable(host: str) -> str:
    """The address of this machine at which a service is that listens at a host."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def ask(host: str, port: int, rows: list[dict[str, Any]], seconds: float) -> tuple[int, dict[str, Any]]:
    """The status and the reply to some rows."""
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        connection.request("POST", "/predict", json.dumps(rows), TRYING)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


if __name__ == "__main__":
    try:
        wrong = fault(from_environment(), float(os.environ.get("CHECK_SECONDS") or TIMEOUT))
    except ProjectError as error:
        wrong = str(error)
    if wrong:
        print(wrong, file=sys.stderr)
        sys.exit(1)
