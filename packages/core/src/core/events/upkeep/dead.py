"""Events that were given up, in both queues of one service: looked at, tried again, or let go."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import structlog
from pydantic import BaseModel
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    exists,
    false,
    func,
    null,
    or_,
    select,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.dml import ReturningUpdate

from core.database import Database, Query
from core.events.queues import INBOX, OUTBOX, Queue
from core.events.tables import inbox, inbox_sequences, outbox

# In one transaction.
EVENTS_MAX = 500

log = structlog.get_logger("core.events")


class DeadEvent(BaseModel, frozen=True, from_attributes=True):
    """An event that was given up: for one handler, or (no `consumer`) before it was published."""

    id: UUID
    type: str
    subject: str
    consumer: str | None
    attempts: int
    dead_at: datetime
    last_error: str | None
    # Its handler knows a later state of the subject: tried again, it is passed over.
    is_superseded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which of the dead: all of them, unless told otherwise."""

    ids: Collection[UUID] | None = None
    type: str | None = None
    consumer: str | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of every statement here."""
        ids = self.ids and list(self.ids)
        return {"chosen_ids": ids, "chosen_type": self.type, "chosen_consumer": self.consumer}


_IDS = bindparam("chosen_ids", type_=ARRAY(Uuid))
_TYPE, _CONSUMER = (bindparam(name, type_=Text) for name in ("chosen_type", "chosen_consumer"))


@dataclass(frozen=True, eq=False)
class _Dead:
    """The dead rows of one queue."""

    queue: Queue
    id: Column[UUID]
    consumer: ColumnElement[str | None]
    is_superseded: ColumnElement[bool]

    @property
    def rows(self) -> Select[*tuple[Any, ...]]:
        rows = self.queue.table.c
        told = (
            self.id.label("id"),
            rows.type,
            rows.subject,
            self.consumer.label("consumer"),
            rows.attempts,
            rows.dead_at,
            rows.last_error,
            self.is_superseded.label("is_superseded"),
        )
        return select(rows.position, *told).where(
            rows.dead_at.is_not(None),
            or_(_IDS.is_(None), self.id == any_(_IDS)),
            or_(_TYPE.is_(None), rows.type == _TYPE),
            or_(_CONSUMER.is_(None), self.consumer == _CONSUMER),
        )

    @cached_property
    def retry(self) -> ReturningUpdate[*tuple[Any, ...]]:
        return self._revive(attempts=0, due_at=func.now(), last_error=None)

    @cached_property
    def discard(self) -> ReturningUpdate[*tuple[Any, ...]]:
        # Not deleted: what comes a second time must find that it has been here.
        return self._revive(**{self.queue.done_at.name: func.now()})

    def _revive(self, **values: Any) -> ReturningUpdate[*tuple[Any, ...]]:
        """Says of the first `most` rows after the position `after` that they are not dead; gives what they were."""
        table = self.queue.table
        page = (
            self.rows.where(table.c.position > bindparam("after", type_=BigInteger))
            .order_by(table.c.position)
            .limit(bindparam("most", type_=Integer))
            .with_for_update(of=table, skip_locked=True)
            .cte("page")
            .prefix_with("MATERIALIZED")
        )
        here = table.c.position == page.c.position
        return update(table).where(here).values(dead_at=None, leased_until=None, **values).returning(*page.c)


_is_further = exists().where(
    inbox_sequences.c.consumer == inbox.c.consumer,
    inbox_sequences.c.subject == inbox.c.subject,
    inbox_sequences.c.sequence >= inbox.c.sequence,
)
# What a consumer elsewhere knows is not known here.
_OUTBOX = _Dead(OUTBOX, outbox.c.id, type_coerce(null(), Text), false())
_INBOX = _Dead(INBOX, inbox.c.event_id, inbox.c.consumer, and_(inbox.c.sequence > 0, _is_further))
_all = union_all(_OUTBOX.rows, _INBOX.rows).subquery()
_FIRST = Query(
    select(*(_all.c[name] for name in DeadEvent.model_fields))
    .order_by(_all.c.dead_at, _all.c.position)
    .limit(bindparam("most", type_=Integer)),
    DeadEvent,
)


class _Count(BaseModel):
    events: int


_COUNT = Query(select(func.count().label("events")).select_from(_all), _Count)


@dataclass(frozen=True, slots=True)
class DeadEvents:
    """The dead events of one service."""

    database: Database

    async def first(self, chosen: Chosen, *, most: int | None = None) -> list[DeadEvent]:
        """Those that died first, or all of them."""
        return await self.database.reads.all(_FIRST, most=most, **chosen.parameters)

    async def count(self, chosen: Chosen) -> int:
        """How many there are."""
        found = await self.database.reads.all(_COUNT, **chosen.parameters)
        return sum(each.events for each in found)

    async def retry(self, chosen: Chosen) -> AsyncIterator[Sequence[DeadEvent]]:
        """Makes them due again, as if they had never been tried; gives them page by page, each page committed."""
        for dead in (_OUTBOX, _INBOX):
            async for page in self._pages(dead.retry, chosen):
                yield page

    async def discard(self, chosen: Chosen) -> AsyncIterator[Sequence[DeadEvent]]:
        """Counts them as done, with a line in the log for each; gives them page by page, each page committed."""
        for dead in (_OUTBOX, _INBOX):
            async for page in self._pages(dead.discard, chosen):
                for each in page:
                    told = {"event_type": each.type, "event_id": str(each.id), "subject": each.subject}
                    log.warning("event discarded", consumer=each.consumer, last_error=each.last_error, **told)
                yield page

    async def _pages(
        self, statement: ReturningUpdate[*tuple[Any, ...]], chosen: Chosen
    ) -> AsyncIterator[Sequence[DeadEvent]]:
        # Forward only: what dies again meanwhile is not tried for ever.
        after = 0
        while True:
            page = {"after": after, "most": EVENTS_MAX, **chosen.parameters}
            async with self.database.statement() as connection:
                rows = (await connection.execute(statement, page)).all()
            if not rows:
                return
            rows = sorted(rows, key=lambda row: row.position)
            after = rows[-1].position
            yield [DeadEvent.model_validate(row) for row in rows]
