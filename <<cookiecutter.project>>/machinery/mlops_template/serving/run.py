"""Serve with given settings: what the image and the command `serve` start."""

from .environment import Settings
from .server import listen, serve
from .workers import supervise


def run(settings: Settings) -> None:
    """Answer until told to end. Raises ProjectError when the port is taken."""
    with listen(settings) as listener:
        if settings.workers == 1:
            serve(settings, listener)
        else:
            supervise(settings, listener)
