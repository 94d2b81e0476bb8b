"""The process that writes the log of predictions, as the service sees it: started, asked, ended.

It is one of its own since what writes shares an interpreter's lock with what answers, and would hold up answers.
"""

import logging
import pickle
import subprocess
import sys
from contextlib import suppress
from typing import Any

from ..errors import ProjectError
from ..prediction_log.handover import Handover, Opened, Receipt, Setup

if sys.platform == "linux":
    import fcntl

MODULE = f"{__package__}.log_writer"

PIPE_BYTES = 2**20
"""That the system holds between the two, so that a handover does not wake both for each page of it."""

log = logging.getLogger(__name__)


class WriterEnded(Exception):
    """The process is not there any more, or never was."""


class LogProcess:
    """A process that stores one handover after another. Whoever is behind it, it ends when its standard input does."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.opened = Opened("", "the log", None, "")
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False

    def start(self) -> None:
        """Start it and wait until it is ready. Raises WriterEnded, or ProjectError where it never could write."""
        if self._killed:
            raise WriterEnded("the process that writes them was ended")
        if self._process:
            ended = self.pid, self._process.returncode
            log.error("process %s, which writes the log, ended with %s: another takes its place", *ended)
        own_group: dict[str, Any] = {"process_group": 0}  # so that Ctrl-C, which goes to all of one, leaves it alone
        if sys.platform == "win32":
            own_group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **own_group
            )
        except OSError as error:
            raise WriterEnded(f"the process that writes them cannot be started: {error}") from None
        if sys.platform == "linux":
            assert self._process.stdin
            with suppress(OSError):  # it only costs more
                fcntl.fcntl(self._process.stdin, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self.opened = self._ask(self.setup)
        if self.opened.refused:
            self.end()
            raise ProjectError(self.opened.refused)
        if self.opened.no_shadow:
            log.warning("there is no shadow: %s", self.opened.no_shadow)

    @property
    def pid(self) -> int | None:
        """Of the process, None where there is none."""
        return self._process.pid if self._process else None

    def alive(self) -> bool:
        """Whether it is there."""
        return self._process is not None and self._process.poll() is None

    def store(self, handover: Handover) -> Receipt:
        """What became of a handover. Raises WriterEnded when the process did meanwhile."""
        receipt: Receipt = self._ask(handover)
        return receipt

    def end(self) -> None:
        """Wait until it has ended, which it does when it has done all that it was given."""
        if self._process and self._process.stdin and self._process.stdout:
            with suppress(OSError):  # it is gone already
                self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()

    def kill(self) -> None:
        """End it at once, and start no other."""
        self._killed = True
        if self._process:
            self._process.kill()

    def _ask(self, question: Setup | Handover) -> Any:
        """What it replies. Raises WriterEnded."""
        process = self._process
        assert process and process.stdin and process.stdout
        try:
            pickle.dump(question, process.stdin, pickle.HIGHEST_PROTOCOL)
            process.stdin.flush()
            return pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError, ValueError):  # ValueError: its pipe was closed
            self.end()
            raise WriterEnded(f"the process that writes them ended with {process.returncode}") from None
