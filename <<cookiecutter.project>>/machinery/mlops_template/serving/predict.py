"""`POST /predict` as plain ASGI: a request of one row spends less time in it than in the model."""

import asyncio
import time

import msgspec
from starlette.types import Receive, Scope, Send

from .files import TRYING
from .rows import RequestRejected
from .service import Service

BODY_TIMEOUT = 30.0
"""Seconds within which the whole body must come."""

NOT_LOGGED = (b"prediction-log", TRYING["Prediction-Log"].encode())
"""The header of a request that is not logged, as ASGI has it."""

READ_OFF = 10
"""So many times the largest body is read before the connection is closed: who still sends does not hear the answer."""


class Predict:
    """The endpoint: headers, limits, statuses."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.waiting: list[tuple[bytes, bool, asyncio.Future[bytes]]] = []

    @property
    def most(self) -> int:
        """Bytes of the largest body."""
        return int(self.service.max_body_mb * 1_000_000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, began, logged = 200, time.perf_counter(), NOT_LOGGED not in scope["headers"]
        try:
            received = await self.body(receive)
            refuse_other_types(scope["headers"])
            batched = self.service.batched
            reply = await self.together(received, logged) if batched else self.service.predict(received, logged)
        except RequestRejected as refused:
            status = refused.status
            self.service.refuse(refused, time.perf_counter() - began, logged)
            reply = msgspec.json.encode({"detail": refused.detail, "row": refused.row, "column": refused.column})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(reply))]
        if status in (408, 413) or self.service.draining:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": reply})

    async def together(self, body: bytes, logged: bool) -> bytes:
        """The answer to a body, made with those of all others that have come by now. Raises RequestRejected."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[bytes] = loop.create_future()
        self.waiting.append((body, logged, reply))
        if len(self.waiting) == 1:
            loop.call_soon(self.answer_waiting)  # behind the requests that were read from sockets at the same time
        return await reply

    def answer_waiting(self) -> None:
        """Answer all that wait."""
        waiting, self.waiting = self.waiting, []
        try:
            replies = self.service.predict_together([(body, logged) for body, logged, _ in waiting])
        except Exception as error:  # which nobody would be told, and everybody wait for
            replies = [error] * len(waiting)
        for (*_, future), reply in zip(waiting, replies, strict=True):
            if future.cancelled():
                continue
            if isinstance(reply, Exception):
                future.set_exception(reply)
            else:
                future.set_result(reply)

    async def body(self, receive: Receive) -> bytes:
        """The whole body, whether its length was told or not. Raises RequestRejected: too long, too slow."""
        parts: list[bytes] = []
        size, more, most = 0, True, self.most
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                while more and size <= READ_OFF * most:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RequestRejected(400, "the connection ended before the body did")
                    part, more = message.get("body", b""), message.get("more_body", False)
                    size += len(part)
                    if size <= most:
                        parts.append(part)
        except TimeoutError:
            raise RequestRejected(408, f"the body did not come within {BODY_TIMEOUT:g} seconds") from None
        if size > most:
            raise RequestRejected(
                413, f"the body is larger than {self.service.max_body_mb:g} MB: send fewer rows at a time"
            )
        return parts[0] if len(parts) == 1 else b"".join(parts)


def refuse_other_types(headers: list[tuple[bytes, bytes]]) -> None:
    """Raise RequestRejected when the body is said to be anything but plain JSON."""
    for name, value in headers:
        if name == b"content-type" and value.partition(b";")[0].strip().lower() != b"application/json":
            raise RequestRejected(415, "the body must be JSON: send it as Content-Type: application/json")
        if name == b"content-encoding" and value.strip().lower() != b"identity":
            raise RequestRejected(415, "the body must not be compressed: send it without Content-Encoding")
