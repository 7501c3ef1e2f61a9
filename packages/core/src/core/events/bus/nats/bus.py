"""Publishes to the stream, and reads it: the two halves of a bus, over one connection."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from core.events.bus.nats.feed import Feed
from core.events.bus.nats.link import Link
from core.events.bus.nats.publishing import Publisher
from core.events.bus.nats.stream import Stream
from core.events.bus.protocol import Reader
from core.events.event import Event
from core.lifespan.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class NatsBus:
    """A `Bus`."""

    link: Link
    stream: Stream

    async def publish(self, events: Sequence[Event]) -> None:
        """Returns when the server has stored them; see `Bus.publish`."""
        connection = await self.link.now()
        await connection.unless_lost(Publisher(connection, self.stream).publish(events))

    @asynccontextmanager
    async def feeding(self, reader: Reader) -> AsyncIterator[None]:
        """Reads in the background, however long the server or the database is away."""
        async with Supervisor() as tasks:
            if reader.foreign:
                tasks.start(f"reading of {self.stream.name}", Feed(self.link, self.stream, reader).run)
            yield
