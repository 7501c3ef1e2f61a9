"""Events in an inbox that no handler here takes, since theirs was renamed or removed: counted, and let go."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import BaseModel
from sqlalchemy import BigInteger, ColumnElement, Double, Integer, bindparam, cast, func, select, tuple_, update

from core.database import Database
from core.events.catalogue import Catalogue
from core.events.queues import INBOX
from core.events.tables import inbox
from core.events.upkeep.backlog import EVENTS_COUNTED_MAX

# In one statement, so that none runs for long.
ROWS_MAX = 5_000

log = structlog.get_logger("core.events")

_MOST = bindparam("most", type_=Integer())
_is_further = inbox.c.position > bindparam("after", type_=BigInteger)


class Orphaned(BaseModel, frozen=True, from_attributes=True):
    """The events of one type that wait in vain for one handler."""

    type: str
    source: str
    consumer: str
    events: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Orphans:
    """What stands in the inbox of one service without a handler here; a replica of another version may have it."""

    database: Database
    catalogue: Catalogue

    async def waiting(self) -> list[Orphaned]:
        """How many wait for whom, among the first 100 000 that wait at all."""
        first = (
            select(inbox).where(INBOX.is_open(inbox)).order_by(inbox.c.position).limit(EVENTS_COUNTED_MAX).subquery()
        )
        kind = (first.c.type, first.c.source, first.c.consumer)
        oldest_s = cast(func.extract("epoch", func.now() - func.min(first.c.received_at)), Double)
        counts = select(*kind, func.count().label("events"), oldest_s.label("oldest_s")).group_by(*kind)
        async with self.database.statement() as connection:
            rows = await connection.execute(counts.where(self._is_orphan(first)).order_by(first.c.consumer, *kind))
            return [Orphaned.model_validate(row) for row in rows]

    async def count(self, consumer: str) -> int:
        """How many `discard` would let go."""
        async with self.database.statement() as connection:
            return await connection.scalar(select(func.count()).where(*self._left_by(consumer))) or 0

    async def discard(self, consumer: str) -> AsyncIterator[int]:
        """Counts as done what `consumer` left, dead or not, with a line in the log for each; commits page by page."""
        page = (
            select(inbox.c.position)
            .where(*self._left_by(consumer), _is_further)
            .order_by(inbox.c.position)
            .limit(_MOST)
            # Under way in a replica of another version.
            .with_for_update(skip_locked=True)
            .cte("page")
            .prefix_with("MATERIALIZED")
        )
        # Not deleted: what comes a second time must find that it has been here.
        done = update(inbox).where(inbox.c.position == page.c.position)
        done = done.values(handled_at=func.now(), dead_at=None, leased_until=None).returning(inbox)
        after = 0
        while True:
            async with self.database.statement() as connection:
                rows = (await connection.execute(done, {"after": after, "most": ROWS_MAX})).all()
            if not rows:
                return
            after = max(row.position for row in rows)
            for row in sorted(rows, key=lambda row: row.position):
                told = {"event_type": row.type, "event_id": str(row.event_id), "subject": row.subject}
                log.warning("event discarded", consumer=consumer, last_error=row.last_error, **told)
            yield len(rows)

    def _left_by(self, consumer: str) -> tuple[ColumnElement[bool], ...]:
        return inbox.c.consumer == consumer, inbox.c.handled_at.is_(None), self._is_orphan(inbox)

    def _is_orphan(self, rows: Any) -> ColumnElement[bool]:
        service = self.catalogue.service
        here = [(each.consumer, each.type, each.source or service) for each in self.catalogue.subscriptions]
        return tuple_(rows.c.consumer, rows.c.type, rows.c.source).not_in(here)
