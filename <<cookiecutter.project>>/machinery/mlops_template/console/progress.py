"""Progress of long work: a bar on a terminal, plain lines where there is none."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")

SECONDS_BETWEEN_LINES = 10


def progress(items: Iterable[Item], total: int | None, title: str) -> Iterator[Item]:
    """The items, telling how many are through, of `total` where that is known before."""
    console = Console()
    if console.is_terminal:
        yield from track(items, title, total=total, console=console, transient=True)
        return
    last = time.monotonic()
    of_all = "" if total is None else f" of {total}"
    for done, item in enumerate(items, start=1):
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            print(f"{title}: {done}{of_all}", flush=True)
            last = time.monotonic()
        yield item
    if total is not None:
        print(f"{title}: {total} of {total}", flush=True)
