"""Serve with given settings: what the image and the command `serve` start."""

from .server import listen, serve
from .settings import Settings
from .workers import supervise


def run(settings: Settings) -> None:
    """Answer until told to end. Raises ProjectError when the port is taken."""
    with listen(settings) as listener:
        if settings.workers == 1:
            serve(settings, listener)
        else:
            supervise(settings, listener)
