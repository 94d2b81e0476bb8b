"""Somebody who asks a service again and again, and keeps count."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .engines import wait_until


class Client:
    """What was answered to one and the same request, in order."""

    def __init__(self, addresses: list[str], row: dict[str, Any], threads: int = 4) -> None:
        self.addresses, self.body = addresses, json.dumps(row).encode()
        self.answers: list[str] = []
        self.failures: list[str] = []
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(threads)]

    def _ask(self, number: int) -> None:
        """Ask over a connection that is kept, without a second try, 25 times a second or less."""
        address = self.addresses[number % len(self.addresses)]
        connection = http.client.HTTPConnection(address, timeout=30)
        while not self._end.wait(0.04):
            try:
                connection.request("POST", "/predict", self.body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                text = response.read().decode()
                if response.status == 200:
                    self.answers.append(key(text))
                else:
                    self.failures.append(f"{response.status} {text[:200]}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                with suppress(OSError):
                    connection.close()
        connection.close()

    def hear(self) -> None:
        """Wait for an answer."""
        begun = len(self.answers)
        wait_until(lambda: len(self.answers) > begun, 30, lambda: str(self.failures[-1:]))


def key(text: str) -> str:
    """The numbers of an answer, without what differs from request to request."""
    (answer,) = json.loads(text)["predictions"]
    return json.dumps({name: round(value, 6) for name, value in answer.items() if isinstance(value, int | float)})


@contextmanager
def asking(addresses: list[str], row: dict[str, Any]) -> Iterator[Client]:
    """A client that asks all the while."""
    client = Client(addresses, row)
    for thread in client._threads:
        thread.start()
    try:
        yield client
    finally:
        client._end.set()
        for thread in client._threads:
            thread.join()
