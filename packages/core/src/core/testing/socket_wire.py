"""One request over a real connection, byte by byte: what a client sees of it, and how it goes away."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, cast

import httpx
from httptools import HttpResponseParser

from core.testing.at_work import AtWork

_READ_BYTES = 65_536
_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)

RawHeaders = Sequence[tuple[bytes, bytes]]


class SocketWire:
    """The counterpart of Wire: what is written is what the test says, valid or not."""

    def __init__(self, url: httpx.URL, method: str, *, headers: RawHeaders, at_work: AtWork) -> None:
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_whole = False
        self.first = asyncio.Event()
        self._url = url
        self._method = method
        self._sent_headers = headers
        self._at_work = at_work
        self._parts: list[bytes] = []
        self._arriving: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue()
        self._connection: asyncio.StreamWriter | None = None
        self._parser: Any = HttpResponseParser(self)

    @property
    def body(self) -> bytes:
        """What has come of the body."""
        return b"".join(self._parts)

    def arrive(self, body: bytes = b"", *, more_body: bool = False) -> None:
        """A part of the body is sent."""
        self._arriving.put_nowait((body, more_body))

    def start(self) -> asyncio.Task[None]:
        """Sends the request in a task, which ends when its answer has, or its connection, and the service is done."""
        return asyncio.create_task(self._run())

    async def begun(self) -> None:
        """Waits until the service works on it."""
        await self._at_work.begun(self._request_id)

    def disconnect(self) -> None:
        """The client goes away."""
        assert self._connection
        self._connection.transport.abort()

    def cancel(self) -> None:
        """The service's server ends the request."""
        self._at_work.cancel(self._request_id)

    @property
    def _request_id(self) -> str:
        # That of the answer, once there is one: the edge gives an id to a request without.
        ids = [value for name, value in (*self.headers, *self._sent_headers) if name.lower() == b"x-request-id"]
        return ids[0].decode("latin-1") if ids else ""

    async def _run(self) -> None:
        reader, self._connection = await asyncio.open_connection(self._url.host, self._url.port)
        sending = asyncio.create_task(self._send(self._connection))
        with suppress(ConnectionError):
            await self._read(reader)
        sending.cancel()
        await asyncio.wait([sending])
        self._connection.close()
        await self._at_work.over(self._request_id)

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        lines = [b"%s %s HTTP/1.1" % (self._method.encode(), self._url.raw_path)]
        lines += [b"%s: %s" % each for each in self._sent_headers]
        writer.write(b"\r\n".join([*lines, b"", b""]))
        is_chunked = (b"transfer-encoding", b"chunked") in lowered(self._sent_headers)
        more_body = True
        # Who has answered need not read on.
        with suppress(ConnectionError):
            while more_body:
                body, more_body = await self._arriving.get()
                if is_chunked:
                    body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + (b"" if more_body else b"0\r\n\r\n")
                writer.write(body)
                await writer.drain()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while not self.is_whole and (data := await reader.read(_READ_BYTES)):
            self._parser.feed_data(data)
        names = {name for name, _ in lowered(self.headers)}
        if self.status and not names & {b"content-length", b"transfer-encoding"}:
            # Its end is that of the connection.
            self.is_whole = True

    def on_message_begin(self) -> None:
        """As httptools reads it."""
        # Before it, there may have been a 100.
        self.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        """As httptools reads it."""
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """As httptools reads it."""
        self.status = cast("int", self._parser.get_status_code())
        self.is_whole = self.status in _BODILESS or (self._method == "HEAD" and self.status >= 200)

    def on_body(self, part: bytes) -> None:
        """As httptools reads it."""
        self._parts.append(part)
        self.first.set()

    def on_message_complete(self) -> None:
        """As httptools reads it."""
        self.is_whole = self.status is not None and self.status >= 200


class OverSockets(httpx.AsyncBaseTransport):
    """An httpx transport, each request over a connection of its own; whole answers only, as core.client.InProcess."""

    def __init__(self, at_work: AtWork) -> None:
        self._at_work = at_work

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request, one whole response, given when the service is done with the request.

        Raises:
            httpx.RemoteProtocolError: the connection ended before the response did.
        """
        wire = SocketWire(request.url, request.method, headers=request.headers.raw, at_work=self._at_work)
        answered = wire.start()
        async for part in cast("httpx.AsyncByteStream", request.stream):
            wire.arrive(part, more_body=True)
        wire.arrive()
        await answered
        if not wire.is_whole or wire.status is None:
            raise httpx.RemoteProtocolError("the connection ended without a whole response", request=request)
        return httpx.Response(wire.status, headers=wire.headers, stream=httpx.ByteStream(wire.body))


def lowered(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Names and values as they compare."""
    return [(name.lower(), value.lower()) for name, value in headers]
