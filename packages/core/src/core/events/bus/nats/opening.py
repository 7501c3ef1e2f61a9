"""From the URL of NATS to the bus."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.events.bus.nats.bus import NatsBus
from core.events.bus.nats.connection import Connection
from core.events.bus.nats.link import Link
from core.events.bus.nats.servers import parse_servers
from core.events.bus.nats.stream import Stream
from core.events.bus.protocol import Bus
from core.lifespan.supervisor import Supervisor


@asynccontextmanager
async def open_nats(url: str, *, stream: str, name: str) -> AsyncIterator[Bus]:
    """The bus on the stream of that name; `name` is who we are in the server's lists.

    It connects in the background, so that a service starts while NATS is away.
    """
    shared = Stream(stream)

    async def prepare(connection: Connection) -> None:
        await shared.ensure(connection)

    link = Link(parse_servers(url), name=name, prepare=prepare)
    async with Supervisor() as tasks:
        tasks.start("nats", link.run)
        yield NatsBus(link, shared)
