"""Whose turn a row is: claimed by one replica for one attempt, by the database's clock alone.

A claim and its end are statements of their own, so that handlers run with no transaction of theirs open. A claim whose
lease ran out can be taken over; the number of the attempt tells it from the next, so that who was taken over can
record nothing. What ends a claim raises DatabaseUnavailable when that is not written, or nobody knows: see `recorded`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Row, Update

from core.backoff import backoff_s
from core.cancellation import settled
from core.database import Database
from core.errors import Unavailable
from core.events.event import Event
from core.events.queues.outcomes import recorded
from core.events.queues.queue import Queue

# Longer than an attempt usually takes: mostly a replica that died lets its lease run out.
LEASE = timedelta(seconds=60)
BACKOFF_S_MIN, BACKOFF_S_MAX = 2, 300
ATTEMPTS_MAX = 12
# An outage of what a handler needs makes the pauses longer, up to five minutes, and leaves the event its other
# attempts: the event is not to blame, and an outage may last longer than twelve attempts, which take 24 minutes.
OUTAGE_ATTEMPTS_MAX = 8
# From here on an event that was taken over is attempted alone: it may be what ended its processes, and the others that
# they had are innocent.
SUSPECT_FROM = 4
# In one claim, which is in memory at once: what is left of it is claimed next.
BYTES_MAX = 8 * 1024 * 1024

log = structlog.get_logger("core.events")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that is the caller's for one attempt; `attempts` counts them, this one among them."""

    position: int
    attempts: int
    event: Event
    # Whose turn it waits for; and the handler that it is for, in an inbox.
    lane: tuple[str, ...]
    consumer: str = ""
    # Whether nobody lived to say how the attempt before this one ended.
    is_taken_over: bool = False

    @property
    def is_suspect(self) -> bool:
        """Whether it may be what ends processes: it must be attempted with nothing beside it."""
        return self.is_taken_over and self.attempts >= SUSPECT_FROM

    @property
    def is_abandoned(self) -> bool:
        """Whether that was the last attempt of all: this event ends processes."""
        return self.is_taken_over and self.attempts > ATTEMPTS_MAX


@dataclass(frozen=True, slots=True)
class Leases:
    """The leases on the rows of one queue of one service."""

    service: str
    database: Database
    queue: Queue

    async def claim(self, most: int) -> list[Claimed]:
        """Takes the first rows that are due and nobody holds, in order, without a gap within a lane.

        One that is suspected, or the one before it in its lane, comes alone.

        Raises:
            DatabaseUnavailable: nothing is taken, or nobody knows.
        """
        claimed: list[Claimed] = []
        limits = {"most": most, "bytes": BYTES_MAX, "lease": LEASE}

        async def take() -> None:
            async with self.database.statement() as connection:
                rows = (await connection.execute(self.queue.claim, limits)).all()
            claimed.extend(sorted(map(self._claimed, rows), key=lambda each: each.position))

        try:
            await settled(take())
            suspect = next((each for each in claimed if each.is_suspect), None)
            if suspect is None or len(claimed) == 1:
                return claimed
            alone = next(each for each in claimed if each.lane == suspect.lane)
            await settled(self.give_back([each for each in claimed if each is not alone]))
            claimed = [alone]
        except asyncio.CancelledError:
            # What nobody works on must not wait for its lease to run out; what was given back stays so.
            await recorded(lambda: self.give_back(claimed))
            raise
        return claimed

    async def succeed(self, claimed: Sequence[Claimed]) -> None:
        """Records that these are done."""
        await self._end(self.queue.succeed, claimed)

    async def fail(self, claimed: Claimed, failure: BaseException) -> None:
        """Records a failure; the row is due again, later each time, and is given up after the last attempt.

        An outage (Unavailable) is never the last: it says nothing of the event.
        """
        # The type alone: the text of an exception may quote what nobody should store.
        told = type(failure).__name__
        is_outage = isinstance(failure, Unavailable)
        if claimed.attempts >= ATTEMPTS_MAX and not is_outage:
            await self._give_up(claimed, told)
            return
        pause = timedelta(seconds=backoff_s(claimed.attempts, first_s=BACKOFF_S_MIN, max_s=BACKOFF_S_MAX))
        uncounted = int(is_outage and claimed.attempts > OUTAGE_ATTEMPTS_MAX)
        await self._end(self.queue.retry, [claimed], pause=pause, failure=told, uncounted=uncounted)

    async def abandon(self, claimed: Claimed) -> None:
        """Gives up what ended every process that tried it."""
        await self._give_up(claimed, None)

    async def give_back(self, claimed: Sequence[Claimed]) -> None:
        """Ends claims as if they had not been: the next replica need not wait for the leases to run out."""
        taken_over = [each.position for each in claimed if each.is_taken_over]
        await self._end(self.queue.give_back, claimed, taken_over=taken_over)

    async def _give_up(self, claimed: Claimed, failure: str | None) -> None:
        told = {"consumer": claimed.consumer} if claimed.consumer else {}
        log.error("event is dead", event_type=claimed.event.type, event_id=str(claimed.event.id), **told)
        await self._end(self.queue.give_up, [claimed], failure=failure)

    async def _end(self, statement: Update, claimed: Sequence[Claimed], **values: Any) -> None:
        if not claimed:
            return
        claims = {"positions": [each.position for each in claimed], "attempted": [each.attempts for each in claimed]}
        async with self.database.statement() as connection:
            await connection.execute(statement, {**claims, **values})

    def _claimed(self, row: Row[Any]) -> Claimed:
        values = row._mapping  # noqa: SLF001 - public, and underscored only to not collide with columns
        told = {name: values[name] for name in ("type", "subject", "sequence", "time", "data", "traceparent")}
        # In an outbox, an event is the service's own.
        event_id, source = values.get("event_id") or values["id"], values.get("source", self.service)
        lane = tuple(values[column.name] for column in self.queue.lane)
        consumer = values.get("consumer", "")
        event = Event(id=event_id, source=source, **told)
        return Claimed(row.position, row.attempts, event, lane, consumer, row.is_taken_over)
