"""The edges of a test run, each started at its first use and lent to one service after the other."""

import asyncio
import socket
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from core.testing.caddy import caddy, edge
from core.testing.network import free_port, keep


@dataclass(frozen=True, slots=True)
class Front:
    """One edge: where it shows the service to the world, and the port where it looks for it."""

    url: str
    port: int


@dataclass(frozen=True, slots=True)
class Edges:
    """Those that run, until `started` is closed; two services that are tested at once have two."""

    started: ExitStack
    # With what keeps its port: an edge asks there for a service all the time, and means no other.
    _idle: dict[str, list[tuple[Front, socket.socket]]] = field(default_factory=lambda: defaultdict(list))

    @asynccontextmanager
    async def lent(self, name: str) -> AsyncIterator[Front]:
        """An edge before the service of this name."""
        idle = self._idle[name]
        front, kept = idle.pop() if idle else await asyncio.to_thread(self._start, name)
        kept.close()
        yield front
        idle.append((front, self._keep(front.port)))

    def _start(self, name: str) -> tuple[Front, socket.socket]:
        port = free_port()
        kept = self._keep(port)
        url = self.started.enter_context(edge({name: [f"127.0.0.1:{port}"]}))
        return Front(f"{url}/{name}", port), kept

    def _keep(self, port: int) -> socket.socket:
        return self.started.enter_context(keep(port))


def there_is_a_caddy() -> bool:
    """Whether its distribution has a program for this machine."""
    return Path(caddy()).exists()
