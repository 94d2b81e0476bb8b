"""Several processes at one port: the kernel deals out the connections, and one that dies is replaced."""

import logging
import multiprocessing
import os
import signal
import socket
import tempfile
import time
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

from .environment import Settings
from .prometheus import SHARED

PAUSE = 1.0
"""Seconds from the start of a process to that of the one in its place, at least: one that cannot start keeps dying."""

log = logging.getLogger(__name__)


def supervise(settings: Settings, listener: socket.socket) -> None:
    """Keep `workers` processes alive until told to end, then let each of them drain."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    signals: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ[SHARED] = folder
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _: signals.append(received))
        processes = [start(settings, listener) for _ in range(settings.workers)]
        while not signals:
            began = time.monotonic()
            wait([process.sentinel for process in processes], timeout=0.2)
            for place, process in enumerate(processes):
                if not signals and process.exitcode is not None:
                    log.error("process %s ended with %s: another takes its place", process.pid, process.exitcode)
                    time.sleep(max(0.0, PAUSE - (time.monotonic() - began)))
                    processes[place] = start(settings, listener)
        end(processes, signals)


def start(settings: Settings, listener: socket.socket) -> SpawnProcess:
    """One more process."""
    from .server import serve

    process = multiprocessing.get_context("spawn").Process(target=serve, args=(settings, listener))
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: Ctrl-C goes to all, also while they are loading
    process.start()
    signal.signal(signal.SIGINT, handler)
    return process


def end(processes: list[SpawnProcess], signals: list[int]) -> None:
    """Tell them to end as often as it comes, until all have."""
    passed = 0
    while any(process.exitcode is None for process in processes):
        for _ in signals[passed:]:
            for process in processes:
                if process.exitcode is None and process.pid is not None:
                    os.kill(process.pid, signal.SIGTERM)
        passed = len(signals)
        time.sleep(0.05)
