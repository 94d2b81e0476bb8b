"""HTTP/1.1 as uvicorn speaks it, with a limit to headers, and for clients that would rather speak HTTP/2.

Those offer it with `Upgrade: h2c`, as Java's HttpClient does in every request. A server need not accept, but httptools
leaves such a request without its body (uvicorn's issue 2722): here it is parsed once more, without the offer.
"""

import msgspec
from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADERS = 65_536
"""Bytes of a request's URL and headers."""

INVALID = "Invalid HTTP request received."


class Protocol(HttpToolsProtocol):
    """One connection."""

    head = 0
    """Bytes of the URL and the headers that have come."""
    pending = 0
    """Bytes that have come since, such as those of a header that does not end."""

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        self._unset_keepalive_if_required()
        self.pending += len(data)
        try:
            self.feed(data)
        except HttpParserError:
            if self.head <= MAX_HEADERS:
                self.logger.warning(INVALID)
                self.send_400_response(INVALID)
                return
        if max(self.head, self.pending) > MAX_HEADERS:
            self.refuse_headers()

    def feed(self, data: bytes | memoryview) -> None:
        """Hand it to the parser, and each head with an offer a second time. Raises HttpParserError."""
        while True:
            try:
                self.parser.feed_data(data)
                return
            except HttpParserUpgrade as offer:
                if not self.offered():
                    return
                data = memoryview(data)[offer.args[0] :]
            self.parser.feed_data(self.without_offer())

    def offered(self) -> bool:
        """Whether the request in the parser is one to be parsed once more."""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def without_offer(self) -> bytes:
        """The head that was parsed last, without the offer."""
        first = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([first, *kept, b"", b""])

    def refuse_headers(self) -> None:
        """Answer 431, and close."""
        detail = f"the headers are larger than {MAX_HEADERS:,} bytes: send fewer"
        body = msgspec.json.encode({"detail": detail, "row": None, "column": None})
        head = (
            "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def grow(self, size: int) -> None:
        """Count a part of the head. Raises ValueError when it is too much, which ends the parser with an error."""
        self.pending = 0
        self.head += size
        if self.head > MAX_HEADERS:
            raise ValueError(self.head)

    def on_message_begin(self) -> None:
        """A request begins."""
        self.head = self.pending = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the URL."""
        self.grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, also one behind a body."""
        self.grow(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The headers are there."""
        if not self.offered():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self.pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there."""
        if not self.offered():
            super().on_message_complete()
