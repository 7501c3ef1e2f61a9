"""How much of the outbox is still to be sent: measured now and then in the background, so that a scrape asks nobody."""

import asyncio
from collections.abc import Mapping

from pydantic import BaseModel
from sqlalchemy import Double, cast, func, select

from core.database import Database, DatabaseUnavailable, Query
from core.events.tables import outbox
from core.metrics import Metrics

INTERVAL_S = 10.0
# A backlog must not make its own measurement slow: from here on the counts stand still.
EVENTS_COUNTED_MAX = 100_000


class _Backlog(BaseModel):
    due: int
    delayed: int
    retrying: int
    dead: int
    oldest_s: float


_unsent = (
    select(outbox).where(outbox.c.sent_at.is_(None)).order_by(outbox.c.position).limit(EVENTS_COUNTED_MAX).subquery()
)
_is_alive = _unsent.c.dead_at.is_(None)
_is_due = _is_alive & (_unsent.c.due_at <= func.now())
_is_later = _is_alive & (_unsent.c.due_at > func.now())
_BACKLOG = Query(
    select(
        func.count().filter(_is_due).label("due"),
        func.count().filter(_is_later, _unsent.c.attempts == 0).label("delayed"),
        func.count().filter(_is_later, _unsent.c.attempts > 0).label("retrying"),
        func.count().filter(~_is_alive).label("dead"),
        func.coalesce(
            cast(func.extract("epoch", func.now() - func.min(_unsent.c.due_at).filter(_is_due)), Double), 0.0
        ).label("oldest_s"),
    ),
    _Backlog,
)


class Backlog:
    """The unsent events of one service, as two gauges; without values while the database is away."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database = database
        self._events: Mapping[tuple[str, ...], float] = {}
        self._oldest_s: Mapping[tuple[str, ...], float] = {}
        metrics.gauge(
            "outbox_events",
            "Events that are not sent yet, by state (due, delayed, retrying, dead).",
            lambda: self._events,
            "state",
        )
        metrics.gauge(
            "outbox_oldest_age_seconds", "How long the oldest event that is due has waited.", lambda: self._oldest_s
        )

    async def run(self) -> None:
        """Measures until cancelled."""
        while True:
            await self.measure()
            await asyncio.sleep(INTERVAL_S)

    async def measure(self) -> None:
        """Measures once."""
        try:
            found = await self._database.reads.first(_BACKLOG)
        except DatabaseUnavailable:
            # The readiness check says so; what was true before is not known to be true any more.
            found = None
        counts = found.model_dump() if found else {}
        oldest_s = counts.pop("oldest_s", None)
        self._oldest_s = {} if oldest_s is None else {(): oldest_s}
        self._events = {(state,): count for state, count in counts.items()}
