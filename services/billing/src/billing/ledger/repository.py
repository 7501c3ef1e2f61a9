"""Every query on the books."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.ledger.models import BalanceView, EntryView, LedgerEntry, LedgerTransaction, TransactionView
from billing.ledger.rules import Posting
from billing.tables import Rows, all_as_json, columns
from core.database import Position, Query, ReadSession, page_parameters, paged

_entries = all_as_json(LedgerEntry, EntryView, order_by=LedgerEntry.position)
_TRANSACTIONS: Rows = select(
    *columns(LedgerTransaction, TransactionView),
    select(_entries).where(LedgerEntry.transaction_id == LedgerTransaction.id).scalar_subquery().label("entries"),
)
_of_customer = select(LedgerEntry.transaction_id).where(LedgerEntry.customer_id == bindparam("customer_id"))
_FILTERS = {
    "kind": LedgerTransaction.kind == bindparam("kind"),
    "source": LedgerTransaction.source == bindparam("source"),
    "customer_id": LedgerTransaction.id.in_(_of_customer),
}
_BALANCES = Query(
    select(
        LedgerEntry.account,
        LedgerEntry.currency,
        func.sum(LedgerEntry.amount_minor).label("amount_minor"),
    )
    .group_by(LedgerEntry.account, LedgerEntry.currency)
    .order_by(LedgerEntry.account, LedgerEntry.currency),
    BalanceView,
)


@cache
def _page_of(*filters: str) -> Query[TransactionView]:
    """A statement for each set of filters: an index serves each, and none serves "this filter, if it is given"."""
    rows = _TRANSACTIONS.where(*(_FILTERS[name] for name in filters))
    return Query(paged(rows, LedgerTransaction.created_at, LedgerTransaction.id), TransactionView)


@dataclass(frozen=True, slots=True)
class LedgerRepository:
    """Writes, in the transaction of a session."""

    session: AsyncSession

    async def add(self, postings: Mapping[UUID, Posting], *, now: datetime) -> None:
        """Adds postings by their ids: one at least."""
        transactions = [
            {"id": transaction_id, "kind": posting.kind, "source": posting.source, "created_at": now}
            for transaction_id, posting in postings.items()
        ]
        await self.session.execute(insert(LedgerTransaction), transactions)
        entries = [
            {
                "transaction_id": transaction_id,
                "position": position,
                "account": entry.account.value,
                "customer_id": entry.customer_id,
                "amount_minor": entry.amount_minor,
                "currency": entry.currency,
            }
            for transaction_id, posting in postings.items()
            for position, entry in enumerate(posting.entries)
        ]
        # With NULLs, so that entries with and without a customer are one statement.
        await self.session.execute(insert(LedgerEntry), entries, execution_options={"render_nulls": True})


@dataclass(frozen=True, slots=True)
class LedgerQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def page(self, filters: Mapping[str, Any], after: Position | None, limit: int) -> list[TransactionView]:
        return await self.reads.all(_page_of(*sorted(filters)), **filters, **page_parameters(after, limit))

    async def balances(self) -> list[BalanceView]:
        return await self.reads.all(_BALANCES)
