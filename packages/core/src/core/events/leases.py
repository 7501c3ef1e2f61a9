"""Whose turn an event is: claimed by one relay for one delivery, by the database's clock alone.

A claim and its end are short transactions of their own, so that handlers run with none open. A claim whose lease ran
out can be taken over; the number of the attempt tells it from the next, so that who was taken over can record nothing.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Row, exists, func, or_, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from core.backoff import backoff_s
from core.cancellation import settled
from core.database import Database, DatabaseUnavailable
from core.events.event import Event
from core.events.tables import outbox

# Longer than the handlers of an event usually take: mostly a relay that died lets its lease run out.
LEASE = timedelta(seconds=60)
BACKOFF_S_MIN, BACKOFF_S_MAX = 2, 300

log = structlog.get_logger("core.events")


@dataclass(frozen=True, slots=True)
class Claimed:
    """An event that is the caller's to deliver; `attempts` counts its claims, this one among them."""

    position: int
    attempts: int
    event: Event
    traceparent: str | None

    @classmethod
    def of(cls, row: Row[Any], *, source: str) -> "Claimed":
        """What a row of the outbox says, which is the outbox of `source`."""
        told = {name: getattr(row, name) for name in ("id", "type", "subject", "sequence", "time", "data")}
        return cls(row.position, row.attempts, Event(source=source, **told), row.traceparent)


@dataclass(frozen=True, slots=True)
class Leases:
    """The leases on the events of one service; the end of each takes a place of `connections`."""

    service: str
    database: Database
    connections: asyncio.Semaphore

    async def claim(self, limit: int) -> list[Claimed]:
        """Takes the first events that are due and nobody holds."""
        claimed: list[Claimed] = []
        try:
            async with self.database.transaction() as session:
                rows = await session.execute(_claim_of(limit))
                claimed = [Claimed.of(row, source=self.service) for row in rows]
        except asyncio.CancelledError:
            # The COMMIT may have come first: what nobody delivers must not wait for its lease to run out.
            await settled(self.give_back(claimed))
            raise
        return claimed

    async def succeed(self, claimed: Claimed) -> None:
        """Records that every handler has succeeded."""
        await self._end(claimed, sent_at=func.now(), last_error=None)

    async def retry(self, claimed: Claimed, failure: BaseException) -> None:
        """Records a failure; the event is due again, later each time."""
        pause = timedelta(seconds=backoff_s(claimed.attempts, first_s=BACKOFF_S_MIN, max_s=BACKOFF_S_MAX))
        await self._end(claimed, due_at=func.now() + pause, last_error=type(failure).__name__)

    async def give_up(self, claimed: Claimed, failure: BaseException | None) -> None:
        """Records that the event is dead, and the last failure if anybody lived to tell it."""
        # The type alone, as above: the text of an exception may quote what nobody should store.
        told = {} if failure is None else {"last_error": type(failure).__name__}
        await self._end(claimed, dead_at=func.now(), **told)

    async def give_back(self, claimed: Sequence[Claimed]) -> None:
        """Ends claims as if they had not been: the next relay need not wait for the leases to run out."""
        for each in claimed:
            await self._end(each, attempts=each.attempts - 1)

    async def _end(self, claimed: Claimed, **values: Any) -> None:
        mine = (outbox.c.position == claimed.position, outbox.c.attempts == claimed.attempts)
        try:
            async with self.connections, self.database.transaction() as session:
                await session.execute(update(outbox).where(*mine).values(leased_until=None, **values))
        except DatabaseUnavailable:
            log.warning("event will be delivered again", event_id=str(claimed.event.id))


def _claim_of(limit: int) -> ReturningUpdate[Any]:
    earlier = outbox.alias("earlier")
    due = (
        select(outbox.c.position)
        .where(
            outbox.c.sent_at.is_(None),
            outbox.c.dead_at.is_(None),
            outbox.c.due_at <= func.now(),
            or_(outbox.c.leased_until.is_(None), outbox.c.leased_until < func.now()),
            # Order holds per subject: what is stuck holds back only its own, until it is given up. Later ones say
            # more than it did, and a consumer knows by their sequence that it has missed one.
            ~exists().where(
                earlier.c.subject == outbox.c.subject,
                earlier.c.position < outbox.c.position,
                earlier.c.sent_at.is_(None),
                earlier.c.dead_at.is_(None),
            ),
        )
        .order_by(outbox.c.position)
        .limit(limit)
        .with_for_update(skip_locked=True)
        # Not a subquery, which a plan may run again for each row, beyond its limit.
        .cte("due")
    )
    return (
        update(outbox)
        .where(outbox.c.position.in_(select(due.c.position)))
        .values(leased_until=func.now() + LEASE, attempts=outbox.c.attempts + 1)
        .returning(outbox)
    )
