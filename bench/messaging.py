"""A service that announces, one that handles, and a bus between them: each with its own database, in one process."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter

from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.clock import SystemClock
from core.database import Database, open_database
from core.events import (
    Announced,
    Announcements,
    Catalogue,
    Dispatcher,
    Event,
    Handlers,
    Inbox,
    Outbox,
    Relay,
    events_metadata,
)
from core.events.bus import Bus
from core.events.tables import outbox
from core.settings import DatabaseSettings

SUBJECTS = 500
LOOK_AGAIN_S = 0.01
KEEP = text("INSERT INTO kept VALUES (:number)")


class Made(Announced):
    """What the events of the measurements tell."""

    number: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What the handler has done."""

    # When the effect of an event was committed, by its number.
    at: dict[int, float] = field(default_factory=dict)
    one_more: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, number: int) -> None:
        """The effect of this event is committed."""
        self.at[number] = perf_counter()
        self.one_more.set()

    async def until(self, count: int) -> None:
        """Returns when so many are."""
        while len(self.at) < count:
            self.one_more.clear()
            await self.one_more.wait()


@dataclass(frozen=True, slots=True)
class Pair:
    """Both services; what they do in the background runs within `running`."""

    maker: Database
    keeper: Database
    outbox: Outbox
    relay: Relay
    dispatcher: Dispatcher
    kept: Kept

    async def announce(self, numbers: Sequence[int]) -> None:
        """Announces in one transaction."""
        async with self.maker.transaction() as session:
            events = self.outbox.events(session)
            for number in numbers:
                subject = f"thg_{number % SUBJECTS}"
                await events.emit("thing.made", subject=subject, sequence=number + 1, data=Made(number=number))

    async def all_sent(self) -> None:
        """Returns when the outbox is empty; looks as seldom as not to disturb."""
        unsent = select(func.count()).select_from(outbox).where(outbox.c.sent_at.is_(None))
        async with self.maker.statement() as connection:
            while True:
                if not await connection.scalar(unsent):
                    return
                await asyncio.sleep(LOOK_AGAIN_S)


@asynccontextmanager
async def pair(maker_url: str, keeper_url: str, bus: Bus) -> AsyncGenerator[Pair]:
    """Both services over empty databases, with nothing running yet but what the bus does."""
    announcements, handlers = Announcements(), Handlers()
    announcements.tells("thing.made")(Made)

    @handlers.once("thing.made", source="maker")
    async def keep(event: Event, session: AsyncSession, kept: Kept) -> None:
        number = event.data["number"]
        await session.execute(KEEP, {"number": number})
        sqlalchemy_event.listen(session.sync_session, "after_commit", lambda _: kept.note(number), once=True)

    async with AsyncExitStack() as stack:
        maker, keeper = [await stack.enter_async_context(_database(url)) for url in (maker_url, keeper_url)]
        catalogue = Catalogue.of("maker", announces=[announcements])
        own, inbox = Inbox("maker", maker, []), Inbox("keeper", keeper, handlers.subscriptions)
        await stack.enter_async_context(bus.feeding(inbox))
        events = catalogue.outbox(SystemClock())
        relay = Relay(service="maker", database=maker, types=catalogue.announced, own=own, bus=bus, awake=events.awake)
        kept = Kept()
        yield Pair(maker, keeper, events, relay, Dispatcher(inbox=inbox, resources=kept), kept)


@asynccontextmanager
async def running(*works: Relay | Dispatcher) -> AsyncGenerator[None]:
    """Runs relays and dispatchers until the block ends."""
    tasks = [asyncio.create_task(work.run()) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)


@asynccontextmanager
async def _database(url: str) -> AsyncGenerator[Database]:
    async with open_database(DatabaseSettings.model_validate({"url": url}), name="bench") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(events_metadata.create_all)
            await connection.execute(text("CREATE TABLE kept (number bigint)"))
        yield database
