"""Every query on what is due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Double, Interval, Select, TextClause, bindparam, cast, func, literal, select, text
from sqlalchemy.orm import InstrumentedAttribute

from billing.biller.models import Backlog, Due, Kind
from billing.invoices.models import Invoice
from billing.subscriptions.models import Subscription
from billing.subscriptions.rules import INCOMPLETE_FOR
from core.database import Position, Query, ReadSession, UtcDateTime, page_parameters, paged

# A backlog must not make its own measurement slow: from here on the counts stand still.
COUNTED_MAX = 100_000
_NOW = bindparam("now", type_=UtcDateTime)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where what is due of a kind is found: by one column, in an index of those that may become so."""

    kind: type[Subscription | Invoice]
    column: InstrumentedAttribute[Any]
    # In the words of the index: parameters would keep PostgreSQL from using it.
    where: TextClause
    due_after: timedelta = timedelta(0)

    @property
    def rows(self) -> Select[*tuple[Any, ...]]:
        """All that is due."""
        due = select(self.kind.id, self.kind.customer_id, self.column.label("due_at"))
        return due.where(self.where, self.column <= _NOW - literal(self.due_after, Interval))


_SOURCES = {
    Kind.EXPIRIES: _Source(
        Subscription, Subscription.created_at, text("subscriptions.status = 'incomplete'"), INCOMPLETE_FOR
    ),
    Kind.RETRIES: _Source(Invoice, Invoice.next_attempt_at, text("invoices.next_attempt_at IS NOT NULL")),
    Kind.PERIODS: _Source(
        Subscription,
        Subscription.current_period_end,
        text(
            "(subscriptions.status IN ('trialing', 'active')"
            " OR (subscriptions.status = 'past_due' AND subscriptions.cancel_at_period_end))"
        ),
    ),
}
_PAGES = {kind: Query(paged(each.rows, each.column, each.kind.id), Due) for kind, each in _SOURCES.items()}


def _backlog() -> Query[Backlog]:
    due = {
        kind: each.rows.order_by(each.column, each.kind.id).limit(COUNTED_MAX).subquery()
        for kind, each in _SOURCES.items()
    }
    counts = [select(func.count()).select_from(due[kind]).scalar_subquery().label(kind.value) for kind in Kind]
    longest = [
        select(_NOW - func.min(due[kind].c.due_at) - literal(_SOURCES[kind].due_after, Interval)).scalar_subquery()
        for kind in Kind
    ]
    waited_s = func.coalesce(cast(func.extract("epoch", func.greatest(*longest)), Double), 0.0)
    return Query(select(*counts, waited_s.label("oldest_s")), Backlog)


_BACKLOG = _backlog()


@dataclass(frozen=True, slots=True)
class DueQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def page(self, kind: Kind, *, now: datetime, after: Position | None, limit: int) -> Sequence[Due]:
        """The next ones of a kind, those that have waited longest first."""
        return await self.reads.all(_PAGES[kind], now=now, **page_parameters(after, limit))

    async def backlog(self, now: datetime) -> Backlog:
        found = await self.reads.first(_BACKLOG, now=now)
        assert found is not None  # noqa: S101 - counts always have a row
        return found
