"""A chassis without a database, and a wire to speak ASGI over: for tests of what stands around every handler."""

import asyncio
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any

from core.application import ChassisApp, chassis
from core.routing import Router
from core.settings import ChassisSettings
from core.testing import SERVICE_URL
from core.web.probes import Readiness

WEB_ORIGIN = "https://app.example"
Message = MutableMapping[str, Any]


@asynccontextmanager
async def nothing_to_open(_readiness: Readiness) -> AsyncIterator[Mapping[str, Any]]:
    yield {}


def bare(*routers: Router, name: str = "example", **settings: Any) -> ChassisApp:
    """An application of these routers and nothing else."""
    given = {"environment": "local", "public_url": SERVICE_URL, "cors": {"allow_origins": [WEB_ORIGIN]}} | settings
    return chassis(name, ChassisSettings(**given), routers=routers, lifespan=nothing_to_open)


class Wire:
    """One request, message by message: what no client library lets a test do."""

    def __init__(self, app: Any, method: str, path: str, *, spec_version: str = "2.3", **scope: Any) -> None:
        self.app = app
        self.sent: list[Message] = []
        self.arriving: asyncio.Queue[Message] = asyncio.Queue()
        self.first = asyncio.Event()
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
            await self.app(self.scope, self.arriving.get, self._send)

        return asyncio.create_task(run(), context=Context())

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body":
            self.first.set()

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def is_whole(self) -> bool:
        """Whether the response was sent to its end."""
        return bool(self.sent) and self.sent[-1]["type"] == "http.response.body" and not self.sent[-1].get("more_body")
