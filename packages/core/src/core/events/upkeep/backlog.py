"""How many events wait, to be sent and to be handled: measured in the background, so that a scrape asks nobody."""

import asyncio
from collections.abc import Mapping

from pydantic import BaseModel
from sqlalchemy import Double, Integer, bindparam, cast, func, select

from core.database import Database, DatabaseUnavailable, Query
from core.events.queues import INBOX, OUTBOX, Queue
from core.metrics import Metrics

INTERVAL_S = 10.0
# A backlog must not make its own measurement slow: from here on the counts stand still.
EVENTS_COUNTED_MAX = 100_000


class _Counts(BaseModel):
    due: int
    delayed: int
    retrying: int
    dead: int
    oldest_s: float


def _counts(queue: Queue) -> Query[_Counts]:
    rows = queue.table
    first = select(rows).order_by(rows.c.position).limit(bindparam("most", type_=Integer))
    waiting = first.where(queue.is_open(rows)).subquery()
    # Counted by themselves: they stay until somebody looks, and must not fill the places of what waits.
    dead = first.where(rows.c.dead_at.is_not(None)).subquery()
    is_due = waiting.c.due_at <= func.now()
    oldest_s = cast(func.extract("epoch", func.now() - func.min(waiting.c.due_at).filter(is_due)), Double)
    columns = (
        func.count().filter(is_due).label("due"),
        func.count().filter(~is_due, waiting.c.attempts == 0).label("delayed"),
        func.count().filter(~is_due, waiting.c.attempts > 0).label("retrying"),
        select(func.count()).select_from(dead).scalar_subquery().label("dead"),
        func.coalesce(oldest_s, 0.0).label("oldest_s"),
    )
    return Query(select(*columns), _Counts)


OUTBOX_COUNTS, INBOX_COUNTS = _counts(OUTBOX), _counts(INBOX)


class Backlog:
    """The events of one service that are not done with, as gauges; without values while the database is away."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database = database
        self._outbox, self._inbox = _Measured(OUTBOX_COUNTS), _Measured(INBOX_COUNTS)
        metrics.gauge(
            "outbox_events",
            "Events that are not sent yet, by state (due, delayed, retrying, dead).",
            lambda: self._outbox.events,
            "state",
        )
        metrics.gauge(
            "outbox_oldest_age_seconds",
            "How long the oldest event that is due has waited to be sent.",
            lambda: self._outbox.oldest_s,
        )
        metrics.gauge(
            "inbox_events",
            "Events that are not handled yet, one for each handler, by state (due, delayed, retrying, dead).",
            lambda: self._inbox.events,
            "state",
        )
        metrics.gauge(
            "inbox_oldest_age_seconds",
            "How long the oldest event that is due has waited for its handler.",
            lambda: self._inbox.oldest_s,
        )

    async def run(self) -> None:
        """Measures until cancelled."""
        while True:
            await self.measure()
            await asyncio.sleep(INTERVAL_S)

    async def measure(self) -> None:
        """Measures once."""
        for measured in (self._outbox, self._inbox):
            await measured.by(self._database)


class _Measured:
    """What was last found in one queue."""

    def __init__(self, query: Query[_Counts]) -> None:
        self._query = query
        self.events: Mapping[tuple[str, ...], float] = {}
        self.oldest_s: Mapping[tuple[str, ...], float] = {}

    async def by(self, database: Database) -> None:
        try:
            found = await database.reads.first(self._query, most=EVENTS_COUNTED_MAX)
        except DatabaseUnavailable:
            # The readiness check says so; what was true before is not known to be true any more.
            found = None
        counts = found.model_dump() if found else {}
        oldest_s = counts.pop("oldest_s", None)
        self.oldest_s = {} if oldest_s is None else {(): oldest_s}
        self.events = {(state,): count for state, count in counts.items()}
