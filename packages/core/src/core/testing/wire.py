"""One request over ASGI, message by message: what no client library lets a test do."""

import asyncio
from collections.abc import MutableMapping
from contextvars import Context
from typing import Any

Message = MutableMapping[str, Any]


class Wire:
    """What a server knows of a request; the test is the client. `scope` adds to the request's scope."""

    def __init__(self, app: Any, method: str, path: str, *, spec_version: str = "2.3", **scope: Any) -> None:
        self.app = app
        self.sent: list[Message] = []
        self.arriving: asyncio.Queue[Message] = asyncio.Queue()
        self.first = asyncio.Event()
        self._begun = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": spec_version},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"service.test")],
            "client": ("192.0.2.7", 50_000),
            "server": ("service.test", 80),
            "state": {},
        } | scope

    def arrive(self, body: bytes = b"", *, more_body: bool = False) -> None:
        """A part of the body reaches the server."""
        self.arriving.put_nowait({"type": "http.request", "body": body, "more_body": more_body})

    def disconnect(self) -> None:
        """The client goes away."""
        self.arriving.put_nowait({"type": "http.disconnect"})

    def start(self) -> asyncio.Task[None]:
        """Runs the request in a task and a context of its own, as a server does."""

        async def run() -> None:
            self._begun.set()
            await self.app(self.scope, self.arriving.get, self._send)

        self._task = asyncio.create_task(run(), context=Context())
        return self._task

    async def begun(self) -> None:
        """Waits until the application works on it."""
        await self._begun.wait()

    def cancel(self) -> None:
        """The server ends the request."""
        assert self._task
        self._task.cancel()

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body":
            self.first.set()

    @property
    def status(self) -> int | None:
        """The status of the response, once it has begun."""
        return self.sent[0]["status"] if self.sent else None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response."""
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        """What has come of the body."""
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def is_whole(self) -> bool:
        """Whether the response was sent to its end."""
        return bool(self.sent) and self.sent[-1]["type"] == "http.response.body" and not self.sent[-1].get("more_body")
