"""Takes events from the outbox to their handlers; any number of replicas may run it at once."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import exists, func, or_, select, update

from core.database import Database
from core.events.event import Event
from core.events.handlers import Subscription
from core.events.tables import outbox

BATCH = 50
# Longer than a handler may take: only a relay that died lets its lease run out.
LEASE = timedelta(seconds=60)
HANDLER_TIMEOUT_S = 30
POLL_S_MIN, POLL_S_MAX = 0.1, 1.0
ATTEMPTS_MAX = 12
BACKOFF_S_MAX = 300

log = structlog.get_logger("core.events")


@dataclass(frozen=True, slots=True)
class Relay:
    """Delivers the events of one service to its handlers."""

    service: str
    database: Database
    subscriptions: Sequence[Subscription]
    resources: Any
    awake: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Delivers until cancelled; sleeps longer while idle, and is woken by a commit in this process."""
        pause_s = POLL_S_MIN
        while True:
            self.awake.clear()
            if await self.deliver_due():
                pause_s = POLL_S_MIN
                continue
            try:
                async with asyncio.timeout(pause_s):
                    await self.awake.wait()
                pause_s = POLL_S_MIN
            except TimeoutError:
                pause_s = min(pause_s * 2, POLL_S_MAX)

    async def deliver_due(self) -> int:
        """Delivers one batch; returns how many events it held."""
        claimed = await self._claim()
        await asyncio.gather(*(self._deliver(position, attempts, event) for position, attempts, event in claimed))
        return len(claimed)

    async def _claim(self) -> list[tuple[int, int, Event]]:
        earlier = outbox.alias("earlier")
        due = (
            select(outbox.c.position)
            .where(
                outbox.c.sent_at.is_(None),
                outbox.c.dead_at.is_(None),
                outbox.c.due_at <= func.now(),
                or_(outbox.c.leased_until.is_(None), outbox.c.leased_until < func.now()),
                # Order holds per subject: what is stuck holds back only its own.
                ~exists().where(
                    earlier.c.subject == outbox.c.subject,
                    earlier.c.position < outbox.c.position,
                    earlier.c.sent_at.is_(None),
                ),
            )
            .order_by(outbox.c.position)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        claim = (
            update(outbox)
            .where(outbox.c.position.in_(due))
            .values(leased_until=func.now() + LEASE, attempts=outbox.c.attempts + 1)
            .returning(outbox)
        )
        async with self.database.transaction() as session:
            rows = (await session.execute(claim)).all()
        return [
            (
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

    async def _deliver(self, position: int, attempts: int, event: Event) -> None:
        try:
            for subscription in self.subscriptions:
                if subscription.type == event.type:
                    async with asyncio.timeout(HANDLER_TIMEOUT_S):
                        await subscription.handle(event, self.database, self.resources)
        except Exception as failed:
            log.exception("event not handled", event_type=event.type, event_id=str(event.id), attempts=attempts)
            await self._mark(position, _after_failure(attempts, failed))
        else:
            await self._mark(position, {"sent_at": func.now(), "leased_until": None, "last_error": None})

    async def _mark(self, position: int, values: dict[str, Any]) -> None:
        async with self.database.transaction() as session:
            await session.execute(update(outbox).where(outbox.c.position == position).values(**values))


def _after_failure(attempts: int, failed: Exception) -> dict[str, Any]:
    # The type alone: the text of an exception may quote what nobody should store.
    values: dict[str, Any] = {"leased_until": None, "last_error": type(failed).__name__}
    if attempts >= ATTEMPTS_MAX:
        return {**values, "dead_at": func.now()}
    backoff_s = min(2**attempts, BACKOFF_S_MAX) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
    return {**values, "due_at": func.now() + timedelta(seconds=backoff_s)}
