"""Calling an application in this process as if over the network: own state, own context, whole messages."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextvars import Context
from types import MappingProxyType
from typing import Any

import httpx

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]

NO_STATE: Mapping[str, Any] = MappingProxyType({})


class InProcess(httpx.AsyncBaseTransport):
    """An httpx transport to an ASGI application; `state` is its lifespan's, copied for each request as a server does.

    The answer is given when the application is done with it, background tasks included; nothing is streamed. What the
    application raises reaches the caller as it is: an error that gets this far is a bug in the application.
    """

    def __init__(self, app: _App, state: Mapping[str, Any] = NO_STATE) -> None:
        self._app = app
        self._state = state

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request, one whole response.

        Raises:
            httpx.RemoteProtocolError: the application ended without one.
        """
        exchange = _Exchange(await request.aread(), keeps_body=request.method != "HEAD")
        scope = {**_scope(request), "state": dict(self._state)}

        async def serve() -> None:
            await self._app(scope, exchange.receive, exchange.send)

        # A context of its own: what the caller has bound (request id, span) must arrive by header or not at all.
        await asyncio.create_task(serve(), context=Context())
        if exchange.start is None or not exchange.complete.is_set():
            raise httpx.RemoteProtocolError("the application ended without a whole response", request=request)
        return httpx.Response(
            exchange.start["status"],
            headers=list(exchange.start.get("headers", ())),
            stream=httpx.ByteStream(bytes(exchange.body)),
            extensions={"http_version": b"HTTP/1.1"},
        )


class _Exchange:
    """Both directions of one call."""

    def __init__(self, request_body: bytes, *, keeps_body: bool) -> None:
        self._unread: bytes | None = request_body
        self._keeps_body = keeps_body
        self.start: _Message | None = None
        self.body = bytearray()
        self.complete = asyncio.Event()

    async def receive(self) -> _Message:
        if self._unread is not None:
            body, self._unread = self._unread, None
            return {"type": "http.request", "body": body, "more_body": False}
        # The caller stays until it has the answer.
        await self.complete.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: _Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        elif message["type"] == "http.response.body":
            if self._keeps_body:
                self.body += message.get("body", b"")
            if not message.get("more_body", False):
                self.complete.set()


def _scope(request: httpx.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.partition(b"?")[0],
        "query_string": request.url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 0),
        "server": (request.url.host, request.url.port),
    }
