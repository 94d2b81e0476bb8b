"""A log of predictions filled by its writer, with requests of any moment."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mlops_template.prediction_log.handover import Handover, Opened, Outcome, Receipt, Setup, Traffic, add_answered
from mlops_template.prediction_log.ids import request_id
from mlops_template.prediction_log.log_tables import describe
from mlops_template.prediction_log.policy import LogPolicy
from mlops_template.prediction_log.writer import Writer
from mlops_template.serving.log_process import LogProcess
from mlops_template.serving.log_writer import store

Answered = tuple[bytes, bytes]
"""The body of a request and its reply."""


def answered(at: float, body: bytes, values: list[list[Any]], request: str = "") -> Answered:
    """A request at a moment in Unix seconds, and a reply with the values of each row."""
    request = request or request_id(at)
    rows = [{"id": f"{request}-{n}", **{f"v{i}": one for i, one in enumerate(row)}} for n, row in enumerate(values)]
    return body, json.dumps({"version": 1, "predictions": rows}).encode()


def setup(place: str | Path, **changed: Any) -> Setup:
    """What a writer is told, but for what is changed."""
    return Setup(str(place), LogPolicy(), "", b"", "w", "d1.dir", None, 10_000)._replace(**changed)


def handover(*entries: Answered | Outcome, traffic: Iterable[Traffic] = ()) -> Handover:
    """Entries as the service hands them over."""
    content = bytearray()
    for entry in entries:
        if not isinstance(entry, Outcome):
            add_answered(content, *entry)
    return Handover(content, [entry for entry in entries if isinstance(entry, Outcome)], list(traffic))


def write(place: str | Path, *entries: Answered | Outcome, **changed: Any) -> None:
    """Store entries in one transaction."""
    writer = Writer(setup(place, **changed))
    writer.store(handover(*entries))
    writer.close()


class InProcess(LogProcess):
    """The writer without a process of its own, so that a test reaches into it."""

    writer: Writer | None = None

    def start(self) -> None:
        """Open the log."""
        self.writer = Writer(self.setup)
        self.opened = Opened("", describe(self.setup.place), None, "")

    def alive(self) -> bool:
        """Whether it was started."""
        return self.writer is not None

    def store(self, handover: Handover) -> Receipt:
        """What became of a handover."""
        assert self.writer
        return store(handover, self.writer, None)

    def end(self) -> None:
        """Give back all connections."""
        if self.writer:
            self.writer.close()
