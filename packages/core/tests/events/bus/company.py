"""Services that announce and handle things, in one process: each with a database, and any number of replicas."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
from sqlalchemy import text

from core.clock import SystemClock
from core.database import Database
from core.events import Announced, Dispatcher, Event, Handlers, Inbox, Outbox, Relay
from core.events.bus import Bus
from core.ids import new_id

Connect = Callable[[], AbstractAsyncContextManager[Bus]]
Work = Callable[[Event], Awaitable[None]]


class Told(Announced):
    """What every event here tells."""

    n: int = 0
    more: Any = None


def made(**changes: Any) -> Event:
    """An event of users that a bus may be given without an outbox."""
    told = {"type": "thing.made", "source": "users", "subject": "thg_1", "sequence": 1, "data": {"n": 1}}
    event: dict[str, Any] = {**told, "id": new_id(), "time": datetime.now(UTC), **changes}
    return Event(**event)


async def logged(lines: list[dict[str, Any]], event: str, *, times: int = 1) -> bool:
    """Whether that was said, so often at least."""
    return len([line for line in lines if line["event"] == event]) >= times


ANNOUNCED = {"thing.made": Told, "thing.lost": Told}


@dataclass
class Service:
    """One service, whoever runs it."""

    name: str
    database: Database
    admin: asyncpg.Connection
    outbox: Outbox = field(default_factory=lambda: Outbox(clock=SystemClock(), announced=ANNOUNCED))

    async def emit(
        self, type_: str = "thing.made", *, subject: str = "thg_1", sequence: int = 0, n: int = 0, more: Any = None
    ) -> None:
        """A committed event."""
        async with self.database.transaction() as session:
            told = Told(n=n, more=more)
            await self.outbox.events(session).emit(type_, subject=subject, data=told, sequence=sequence)

    async def notes(self, subject: str | None = None) -> list[int]:
        """What the handlers have written down, in their order."""
        rows: list[Any] = await self.admin.fetch(
            "SELECT * FROM notes WHERE coalesce(subject = $1, true) ORDER BY id", subject
        )
        return [row["n"] for row in rows]

    async def inbox(self) -> list[asyncpg.Record]:
        """What has arrived."""
        return await self.admin.fetch("SELECT * FROM inbox ORDER BY position")

    async def has(self, count: int) -> bool:
        """Whether as many notes are there."""
        return len(await self.notes()) >= count

    async def has_sent_all(self) -> bool:
        """Whether a bus has taken every event."""
        return not await self.admin.fetchval("SELECT count(*) FROM outbox WHERE sent_at IS NULL")

    def noting(self, type_: str = "thing.made", *, source: str = "users", before: Work | None = None) -> Handlers:
        """A handler that writes down what it is told; `before` is what it waits for."""
        handlers = Handlers()

        @handlers.once(type_, source=source)
        async def note(event: Event, session: Any, resources: Any) -> None:
            if before is not None:
                await before(event)
            row = {"subject": event.subject, "n": event.data["n"]}
            await session.execute(text("INSERT INTO notes (subject, n) VALUES (:subject, :n)"), row)

        return handlers


@asynccontextmanager
async def replica(service: Service, connect: Connect, handlers: Handlers | None = None) -> AsyncIterator[Bus]:
    """A replica of `service` runs until the block ends."""
    inbox = Inbox(service.name, service.database, handlers.subscriptions if handlers else ())
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(connect())
        await stack.enter_async_context(bus.feeding(inbox))
        relay = Relay(
            service=service.name,
            database=service.database,
            types=ANNOUNCED,
            own=inbox,
            bus=bus,
            awake=service.outbox.awake,
        )
        dispatcher = Dispatcher(inbox=inbox, resources=None)
        tasks = [asyncio.create_task(work()) for work in (relay.run, dispatcher.run)]
        try:
            yield bus
            assert not any(task.done() for task in tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
