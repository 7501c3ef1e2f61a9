"""Whole services inside one process: each keeps its own lifespan, state, middleware and handlers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from core.lifespan import held_back, started


class ServiceMount:
    """One service under `/<name>`: its lifespan runs in a task of its own, and its requests see only its state."""

    def __init__(self, name: str, app: ASGIApp) -> None:
        self.name = name
        self.app = app
        self.state: dict[str, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request whose path begins with `/<name>`."""
        root_path = f"{scope.get('root_path', '')}/{self.name}"
        # A copy a request, as a server gives one: what a request puts there stays its own.
        await self.app({**scope, "root_path": root_path, "state": dict(self.state)}, receive, send)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Starts the service, and stops it when the block ends.

        Raises:
            StartupError: it did not start; its text names the service and the cause.
        """
        async with started(self.app, name=self.name) as self.state:
            yield


@dataclass(frozen=True, slots=True)
class Mounts:
    """Services side by side, in the order in which they start."""

    services: Sequence[ServiceMount]
    _by_segment: dict[str, ServiceMount] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_segment.update({mount.name: mount for mount in self.services})

    def find(self, path: str) -> ServiceMount | None:
        """The service that answers `path`: the one whose name is its first segment."""
        return self._by_segment.get(path.split("/", 2)[1]) if path.startswith("/") else None

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Starts every service; one that fails stops those that had started, and is named.

        Their relays and jobs begin when all have started: what they call is there.

        Raises:
            StartupError: a service did not start.
        """
        async with AsyncExitStack() as stack:
            with held_back() as all_started:
                for mount in self.services:
                    await stack.enter_async_context(mount.lifespan())
            all_started.set()
            yield


class Dispatch:
    """Gives each request to the service that its path names, before the host's own stack: it runs exactly one chain."""

    def __init__(self, host: ASGIApp, mounts: Mounts) -> None:
        self.app = host
        self.mounts = mounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection; the lifespan is the host's, which runs that of the services."""
        mount = None if scope["type"] == "lifespan" else self.mounts.find(scope["path"])
        await (mount or self.app)(scope, receive, send)
