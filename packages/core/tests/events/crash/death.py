"""Where a process kills itself: the bus, the inbox, the leases and the commits of events, with points to die at."""

import os
import signal
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Database
from core.events import Event, Inbox
from core.events.bus import Bus, Reader, Reading
from core.events.queues import Claimed, Leases

# Of the process that announces, and of the one that handles; one process may do both.
OF_PRODUCER = (
    "before a change is committed",
    "after a change is committed",
    "after the outbox is claimed",
    "before publication",
    "after publication",
    "after the outbox is marked",
)
OF_CONSUMER = (
    "before events are stored",
    "while events are stored",
    "after events are stored",
    "after the inbox is claimed",
    "before an effect is committed",
    "after an effect is committed",
    "after an effect without a transaction",
)


@dataclass
class Death:
    """The one point at which a process dies, and how often it survives it before."""

    point: str | None = None
    survived: int = 0

    def at(self, point: str) -> None:
        """Ends the process, if it is to die here."""
        if point != self.point:
            return
        if not self.survived:
            os.kill(os.getpid(), signal.SIGKILL)
        self.survived -= 1

    def around_commit(self, session: AsyncSession, what: str) -> None:
        """It may die before the COMMIT of `session` is sent, and when it is answered."""
        for moment in ("before", "after"):
            point = f"{moment} {what} is committed"
            sqlalchemy_event.listen(session.sync_session, f"{moment}_commit", lambda _, point=point: self.at(point))

    def within_storage(self, database: Database) -> None:
        """It may die before events are written to the inbox, in the transaction that does so if there is one."""

        def write(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            if statement.startswith("INSERT INTO inbox ("):
                self.at("while events are stored")

        sqlalchemy_event.listen(database.engine.sync_engine, "before_cursor_execute", write)

    def around_leases(self) -> None:
        """It may die when a claim is committed and nobody has been told, and when its success is recorded."""
        death, claim, succeed = self, Leases.claim, Leases.succeed

        async def claim_(self: Leases, most: int) -> list[Claimed]:
            claimed = await claim(self, most)
            if claimed:
                death.at(f"after the {self.queue.table.name} is claimed")
            return claimed

        async def succeed_(self: Leases, claimed: Sequence[Claimed]) -> None:
            await succeed(self, claimed)
            death.at(f"after the {self.queue.table.name} is marked")

        Leases.claim, Leases.succeed = claim_, succeed_


@dataclass(frozen=True)
class MortalBus:
    """A bus around whose publications a process may die."""

    bus: Bus
    death: Death

    async def publish(self, events: Sequence[Event]) -> None:
        """See `Bus.publish`."""
        self.death.at("before publication")
        await self.bus.publish(events)
        self.death.at("after publication")

    def feeding(self, reader: Reader) -> AbstractAsyncContextManager[None]:
        """See `Bus.feeding`."""
        return self.bus.feeding(reader)


@dataclass(frozen=True)
class MortalInbox(Inbox):
    """An inbox between whose arrivals and their storage a process may die."""

    death: Death = field(default_factory=Death)

    async def receive(self, events: Sequence[Event], *, reading: Reading | None = None) -> bool:
        """See `Reader.receive`."""
        self.death.at("before events are stored")
        stored = await super().receive(events, reading=reading)
        self.death.at("after events are stored")
        return stored
