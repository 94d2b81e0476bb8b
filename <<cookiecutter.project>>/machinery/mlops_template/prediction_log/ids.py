"""The ids of predictions: they begin with the time, so that an index on them is one on time, too."""

import os


def request_id(moment: float) -> str:
    """An id for a request: milliseconds since 1970 in 12 hexadecimal digits, then 16 random ones.

    Those of its predictions have the number of the row behind it, as in `…-0`.
    """
    return f"{first_id(moment)}{os.urandom(8).hex()}"


def first_id(moment: float) -> str:
    """What the ids of all predictions of a moment begin with, in Unix seconds."""
    return f"{int(moment * 1000):012x}"


def second_of(name: str) -> int:
    """The Unix second that an id begins with."""
    return int(name[:12], 16) // 1000
