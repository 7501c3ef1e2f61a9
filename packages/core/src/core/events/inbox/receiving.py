"""Stores what arrives, once for each handler, before anybody is told that it has arrived."""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from core.database import Database
from core.events.bus.protocol import Reading, Turn
from core.events.declarations.handlers import Subscription
from core.events.event import Event
from core.events.inbox.turns import end_turn, take_turn
from core.events.tables import bus_positions, inbox

_STORE = insert(inbox).on_conflict_do_nothing()


@dataclass(frozen=True)
class Inbox:
    """The events that wait for the handlers of one service."""

    service: str
    database: Database
    subscriptions: Sequence[Subscription]
    # Set when something was stored here: the dispatcher need not wait for its next look.
    awake: asyncio.Event = field(default_factory=asyncio.Event)

    @cached_property
    def foreign(self) -> Collection[tuple[str, str]]:
        """The source and the type of each event of other services that it takes."""
        return {(each.source, each.type) for each in self.subscriptions if each.source}

    async def receive(self, events: Sequence[Event], *, reading: Reading | None = None) -> bool:
        """Stores events for their handlers; see `Reader.receive`."""
        rows = [row for event in events for row in self._rows(event)]
        if reading is not None:
            stored = await self._read_on(rows, reading)
        else:
            stored = True
            if rows:
                async with self.database.statement() as connection:
                    await connection.execute(_STORE, rows)
        if rows and stored:
            self.awake.set()
        return stored

    async def take_turn(self, stream: str, *, by: UUID) -> Turn | None:
        """Begins or goes on with reading a stream; see `Reader.take_turn`."""
        return await take_turn(self.database, stream, by)

    async def end_turn(self, stream: str, *, by: UUID) -> None:
        """Lets another replica read; see `Reader.end_turn`."""
        await end_turn(self.database, stream, by)

    async def _read_on(self, rows: Sequence[dict[str, Any]], reading: Reading) -> bool:
        at = (bus_positions.c.stream == reading.stream, bus_positions.c.position == reading.after)
        async with self.database.transaction() as session:
            moved = update(bus_positions).where(*at).values(position=reading.through).returning(bus_positions.c.stream)
            if await session.scalar(moved) is None:
                return False
            if rows:
                await session.execute(_STORE, rows)
        return True

    def _rows(self, event: Event) -> Iterator[dict[str, Any]]:
        for subscription in self.subscriptions:
            if subscription.takes(event, service=self.service):
                yield {
                    "consumer": subscription.consumer,
                    "event_id": event.id,
                    "source": event.source,
                    "type": event.type,
                    "subject": event.subject,
                    "sequence": event.sequence,
                    "time": event.time,
                    "data": dict(event.data),
                    "traceparent": event.traceparent,
                }
