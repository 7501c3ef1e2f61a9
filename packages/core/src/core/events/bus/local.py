"""The bus of one process: as durable as the databases that it stands between."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from core.database import DatabaseUnavailable
from core.events.bus.protocol import BusUnavailable, Reader
from core.events.event import Event


@dataclass(slots=True)
class _Service:
    """One that has been here, with the inboxes of it that are open."""

    name: str
    takes: Collection[tuple[str, str]]
    inboxes: list[Reader] = field(default_factory=list)

    async def store(self, events: Sequence[Event]) -> None:
        taken = [event for event in events if (event.source, event.type) in self.takes]
        if not taken:
            return
        if not self.inboxes:
            # It would never hear of them: while a process stops, one service ends before the other.
            raise BusUnavailable(f"{self.name} has stopped")
        try:
            await self.inboxes[-1].receive(taken)
        except DatabaseUnavailable as failed:
            raise BusUnavailable(f"{self.name} does not store events") from failed.__cause__


class LocalBus:
    """Stores events straight in the inboxes of the other services of this process."""

    def __init__(self) -> None:
        self._services: dict[str, _Service] = {}

    async def publish(self, events: Sequence[Event]) -> None:
        """Returns when every inbox has committed what it takes; the outage of one holds no other back."""
        stored = [service.store(events) for service in self._services.values()]
        ended = await asyncio.gather(*stored, return_exceptions=True)
        failures = [failure for failure in ended if failure is not None]
        # An outage comes first: it is nobody's fault, and what else went wrong shows when it is over.
        for failure in sorted(failures, key=lambda each: not isinstance(each, BusUnavailable)):
            raise failure

    @asynccontextmanager
    async def feeding(self, reader: Reader) -> AsyncIterator[None]:
        """Stores in `reader` from here on; once no replica of its service is left, what it takes is refused."""
        service = self._services.setdefault(reader.service, _Service(reader.service, reader.foreign))
        service.takes = reader.foreign
        service.inboxes.append(reader)
        try:
            yield
        finally:
            service.inboxes.remove(reader)
