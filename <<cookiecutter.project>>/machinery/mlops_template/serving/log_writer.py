"""`python -m mlops_template.serving.log_writer`: what the service starts to have its predictions logged.

It reads handovers from standard input, stores each, and replies on standard output; it ends when its input does. It
imports nothing that answers requests, and the runtime of models only where there is a shadow.
"""

import logging
import os
import pickle
import signal
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from ..errors import ProjectError
from ..prediction_log.database import may_pass, reason
from ..prediction_log.handover import Handover, Opened, Receipt, Setup
from ..prediction_log.log_tables import describe
from ..prediction_log.writer import Writer

if TYPE_CHECKING:
    from .shadow import Shadow

NICE = 5
"""Answers come first, where both need the same core."""


def main() -> None:
    """Store what comes until nothing more does."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which may go to all processes: the service tells when to end
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if hasattr(os, "nice"):
        os.nice(NICE)
    requests, replies = pipes()
    with suppress(EOFError, pickle.UnpicklingError, OSError):  # the service has ended, be it in the middle of a word
        write(requests, replies)


def write(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Store what comes until the service ends, which raises EOFError, UnpicklingError or OSError."""
    setup: Setup = pickle.load(requests)
    try:
        writer = Writer(setup)
    except ProjectError as error:
        send(replies, Opened(str(error), "", None, ""))
        return
    shadow, why = open_shadow(setup, writer)
    try:
        send(replies, Opened("", describe(setup.place), shadow.served.release if shadow else None, why))
        while True:
            send(replies, store(pickle.load(requests), writer, shadow))
    finally:
        if shadow:
            shadow.close()
        writer.close()


def pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and output, which from now on are nothing and standard error: a model's code may print."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def send(replies: IO[bytes], reply: Opened | Receipt) -> None:
    """Tell the service. Raises OSError when it is gone."""
    pickle.dump(reply, replies, pickle.HIGHEST_PROTOCOL)


def open_shadow(setup: Setup, writer: Writer) -> tuple["Shadow | None", str]:
    """The other model, or why there is none although there should be."""
    if setup.shadow is None:
        return None, ""
    from .runtime import load
    from .shadow import Shadow

    try:
        shadow = Shadow(load(setup.shadow), writer, setup.max_rows)
    except ProjectError as error:
        return None, str(error)
    shadow.start()
    return shadow, ""


def store(handover: Handover, writer: Writer, shadow: "Shadow | None") -> Receipt:
    """Store a handover, and hand its requests on to the shadow."""
    failure, later = "", False
    try:
        requests = writer.store(handover)
    except Exception as error:  # of SQLAlchemy, of a driver, or a driver that is missing
        failure, later = reason(error), may_pass(error)
    else:
        if shadow:
            shadow.offer(requests)
    return Receipt(failure, later, *(shadow.told() if shadow else (0, 0)))


if __name__ == "__main__":
    main()
