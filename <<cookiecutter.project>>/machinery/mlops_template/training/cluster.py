"""The Dask cluster that work goes to: the one that `DASK_SCHEDULER_ADDRESS` names, or workers on this machine."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import joblib

from ..errors import ProjectError

if TYPE_CHECKING:
    from distributed import Client

CLUSTER = "DASK_SCHEDULER_ADDRESS"

PATIENCE = 60.0
"""Seconds for workers to come, on a cluster that starts them when they are asked for."""


def address_of_cluster() -> str | None:
    """Where the scheduler is, if one is named."""
    return os.environ.get(CLUSTER) or None


@contextmanager
def cluster() -> Iterator[None]:
    """Send joblib's work to the Dask cluster that `DASK_SCHEDULER_ADDRESS` names, if it does."""
    address = address_of_cluster()
    if not address:
        yield
        return
    with connected(address), joblib.parallel_config("dask"):
        yield


@contextmanager
def workers(count: int) -> Iterator[tuple["Client", list[str]]]:
    """So many workers, by their addresses: of the cluster that is named, or else processes of this machine.

    Raises ProjectError when Dask is not installed, no scheduler answers, or it has fewer workers.
    """
    address = address_of_cluster()
    with connected(address) if address else of_this_machine(count) as client:
        try:
            client.wait_for_workers(count, timeout=PATIENCE)
        except TimeoutError:
            raise ProjectError(
                f"model.workers is {count}, but the cluster at {address} has {len(client.nthreads())}: start more, or "
                "write another number, which gives another model"
            ) from None
        yield client, sorted(client.nthreads())[:count]


@contextmanager
def connected(address: str) -> Iterator["Client"]:
    """A client of the scheduler at that address. Raises ProjectError when there is none, or Dask is not installed."""
    try:
        from distributed import Client
    except ImportError:
        raise ProjectError(f"{CLUSTER} is set but Dask is not installed: `uv sync --group dask`") from None
    try:
        client = Client(address, timeout="10s")
    except OSError:
        raise ProjectError(f"no Dask scheduler answers at {address}: start it or unset {CLUSTER}") from None
    with client:
        yield client


@contextmanager
def of_this_machine(count: int) -> Iterator["Client"]:
    """A client of so many processes, which end with it. Raises ProjectError when Dask is not installed."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ProjectError("model.workers is set but Dask is not installed: `uv add distributed`") from None
    with (
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=0,  # none: there is no other machine that would have more
            silence_logs=logging.CRITICAL,  # what went wrong is raised here
        ) as local,
        Client(local) as client,
    ):
        yield client
