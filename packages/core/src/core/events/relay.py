"""Takes events from the outbox to their handlers; any number of replicas may run it at once."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import exists, func, or_, select, update

from core.database import Database, DatabaseUnavailable
from core.database.settled import settled
from core.events.event import Event
from core.events.handlers import Subscription
from core.events.tables import outbox

# At once, so that a handler that hangs holds back its own subject alone.
DELIVERIES_MAX = 50
# Fewer than a pool has, so that requests find a connection, too.
CONNECTIONS_MAX = 4
# Longer than the handlers of an event usually take: mostly a relay that died lets its lease run out.
LEASE = timedelta(seconds=60)
HANDLER_TIMEOUT_S = 30
POLL_S_MIN, POLL_S_MAX = 0.1, 1.0
ATTEMPTS_MAX = 12
BACKOFF_S_MAX = 300

log = structlog.get_logger("core.events")


@dataclass(frozen=True, slots=True)
class _Claimed:
    """An event that is this relay's to deliver; `attempts` counts the claims, and so tells this one from the next."""

    position: int
    attempts: int
    event: Event


@dataclass(frozen=True, slots=True)
class Relay:
    """Delivers the events of one service to its handlers."""

    service: str
    database: Database
    subscriptions: Sequence[Subscription]
    resources: Any
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS_MAX), init=False)

    async def run(self) -> None:
        """Delivers until cancelled; polls less often while idle, and is woken by a commit in this process."""
        pause_s = POLL_S_MIN
        running: set[asyncio.Task[None]] = set()

        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            # The next event of its subject may be due, or one that found no place.
            self.awake.set()

        async with asyncio.TaskGroup() as deliveries:
            while True:
                self.awake.clear()
                claimed = await self._claim_some(DELIVERIES_MAX - len(running))
                for each in claimed:
                    task = deliveries.create_task(self._deliver(each))
                    running.add(task)
                    task.add_done_callback(ended)
                pause_s = POLL_S_MIN if claimed else min(pause_s * 2, POLL_S_MAX)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self.awake.wait()

    async def _claim_some(self, free: int) -> list[_Claimed]:
        # Half of the places at a time: a claim costs as much as several deliveries.
        if free < DELIVERIES_MAX / 2:
            return []
        try:
            return await self._claim(free)
        except DatabaseUnavailable as failed:
            # Not the supervisor's, whose restart would cancel what is being delivered.
            log.warning("events wait for the database", cause=str(failed.__cause__))
            await asyncio.sleep(POLL_S_MAX)
            return []

    async def _claim(self, limit: int) -> list[_Claimed]:
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
        claim = (
            update(outbox)
            .where(outbox.c.position.in_(select(due.c.position)))
            .values(leased_until=func.now() + LEASE, attempts=outbox.c.attempts + 1)
            .returning(outbox)
        )
        async with self.database.transaction() as session:
            rows = (await session.execute(claim)).all()
        return [
            _Claimed(
                row.position,
                row.attempts,
                Event(
                    id=row.id,
                    type=row.type,
                    source=self.service,
                    subject=row.subject,
                    sequence=row.sequence,
                    time=row.time,
                    data=row.data,
                ),
            )
            for row in rows
        ]

    async def _deliver(self, claimed: _Claimed) -> None:
        try:
            outcome = await self._outcome(claimed)
        except (Exception, asyncio.CancelledError) as failed:
            if _is_ending():
                # Given back, so that the next relay need not wait for the lease to run out.
                await self._mark(claimed, {"attempts": claimed.attempts - 1})
                return
            event_id = str(claimed.event.id)
            log.exception(
                "event not handled", event_type=claimed.event.type, event_id=event_id, attempts=claimed.attempts
            )
            outcome = _after_failure(claimed.attempts, failed)
        if "dead_at" in outcome:
            log.error("event is dead", event_type=claimed.event.type, event_id=str(claimed.event.id))
        await settled(self._mark(claimed, outcome))

    async def _outcome(self, claimed: _Claimed) -> dict[str, Any]:
        if claimed.attempts > ATTEMPTS_MAX:
            # Nobody lived to say how the last attempt ended: this event ends processes.
            return {"dead_at": func.now()}
        for subscription in self.subscriptions:
            if subscription.type == claimed.event.type:
                async with self._connections if subscription.in_transaction else nullcontext():
                    await self._handle(subscription, claimed.event)
        return {"sent_at": func.now(), "last_error": None}

    async def _handle(self, subscription: Subscription, event: Event) -> None:
        async with asyncio.timeout(HANDLER_TIMEOUT_S):
            await subscription.handle(event, self.database, self.resources)

    async def _mark(self, claimed: _Claimed, values: dict[str, Any]) -> None:
        # Whoever let its lease run out has nothing to say any more.
        mine = (outbox.c.position == claimed.position, outbox.c.attempts == claimed.attempts)
        try:
            async with self._connections, self.database.transaction() as session:
                await session.execute(update(outbox).where(*mine).values(leased_until=None, **values))
        except DatabaseUnavailable:
            log.warning("event will be delivered again", event_id=str(claimed.event.id))


def _is_ending() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _after_failure(attempts: int, failed: BaseException) -> dict[str, Any]:
    # The type alone: the text of an exception may quote what nobody should store.
    values: dict[str, Any] = {"last_error": type(failed).__name__}
    if attempts >= ATTEMPTS_MAX:
        return {**values, "dead_at": func.now()}
    backoff_s = min(2**attempts, BACKOFF_S_MAX) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
    return {**values, "due_at": func.now() + timedelta(seconds=backoff_s)}
