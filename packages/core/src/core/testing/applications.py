"""Runs an application as a server would: its lifespan, a copy of its state and a fresh context for each request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from core.client import InProcess
from core.lifespan import started
from core.mount import Dispatch, Mounts, ServiceMount

# Where the service under test says that it is, mounted or not: so that both answer with the same bytes.
SERVICE_URL = "http://service.test"


class Host:
    """The least that can mount services: runs their lifespan, and nothing else."""

    def __init__(self, *services: ServiceMount) -> None:
        self._mounts = Mounts(services)
        self.app = Dispatch(self._run, self._mounts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        await self.app(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan", f"no service is mounted at {scope['path']}"
        await receive()
        async with self._mounts.lifespan():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


@asynccontextmanager
async def running(app: ASGIApp, *, base_url: str = SERVICE_URL) -> AsyncIterator[httpx.AsyncClient]:
    """Starts `app` and gives a client for it; an exception that escapes it fails the test."""
    async with (
        started(app, name="app under test") as state,
        httpx.AsyncClient(transport=InProcess(app, state), base_url=base_url) as client,
    ):
        yield client
