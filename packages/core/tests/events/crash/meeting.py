"""A bus on which replicas begin to publish together."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier

import structlog

from core.events import Event
from core.events.bus import Bus, Reader

log = structlog.get_logger("crash")


@dataclass(frozen=True)
class MeetingBus:
    """Its first publication waits until every replica has one, and each prints who made it."""

    bus: Bus
    together: Barrier
    met: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self, events: Sequence[Event]) -> None:
        """See `Bus.publish`."""
        if not self.met.is_set():
            await asyncio.to_thread(self.together.wait, 60)
            self.met.set()
        await self.bus.publish(events)
        log.info("published", replica=os.getpid(), events=len(events))

    def feeding(self, reader: Reader) -> AbstractAsyncContextManager[None]:
        """See `Bus.feeding`."""
        return self.bus.feeding(reader)
