"""The process that serves: it ends gracefully, and is one of several where `workers` says so."""

import gc
import logging
import signal
import socket
import time
from types import FrameType

import uvicorn

from ..errors import ProjectError
from .environment import Settings
from .protocol import Protocol
from .routes import create
from .service import Service

LAST = 30
"""Seconds that requests in flight are waited for once no more are taken."""

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """One that stays for a while when it is told to end, so that no request meets a closed door."""

    def __init__(self, service: Service) -> None:
        super().__init__(
            uvicorn.Config(
                create(service),
                http=Protocol,
                lifespan="off",
                ws="none",
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=75,  # longer than gateways do: they must be the ones to close an idle connection
                timeout_graceful_shutdown=LAST,
            )
        )
        self.service = service
        self.ends_at = float("inf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A first SIGTERM begins the drain; another one, or Ctrl-C, ends it."""
        if sig == signal.SIGTERM:  # uvicorn would raise it again, and so end before the last predictions are written
            patience = 0.0 if self.service.draining else self.service.settings.drain_seconds
            self.service.draining = True
            self.ends_at = time.monotonic() + patience
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to end now."""
        self.should_exit = self.should_exit or time.monotonic() >= self.ends_at
        return await super().on_tick(counter)


def listen(settings: Settings) -> socket.socket:
    """The socket that all processes take requests from. Raises ProjectError when the port is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else error
        raise ProjectError(
            f"{settings.host}:{settings.port} cannot be listened at ({reason}): take another port"
        ) from None
    return listener


def serve(settings: Settings, listener: socket.socket) -> None:
    """Answer until told to end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    service = Service(settings)
    service.start()
    host, port = listener.getsockname()[:2]
    reason = service.reason()
    gc.collect()
    gc.freeze()  # what is here stays: without it and with the usual thresholds each batch pays for a look at it all
    gc.set_threshold(20_000, 50, 50)
    if reason:
        log.error("not ready at http://%s:%s: %s", host, port, reason)
    else:
        log.info("model %s is ready at http://%s:%s", service.version, host, port)
    try:
        Server(service).run([listener])
    except KeyboardInterrupt:  # uvicorn ends as Ctrl-C asks, and then raises it
        pass
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # once more would be in the way of the last predictions
        service.end()
