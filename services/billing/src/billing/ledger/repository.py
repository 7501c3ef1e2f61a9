"""Every query on the books."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, cast, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.ledger.models import BalanceView, EntryView, LedgerEntry, LedgerTransaction, TransactionView
from billing.ledger.rules import Posting
from billing.tables import Rows, all_as_json
from core.database import Position, Query, ReadSession, page_parameters, paged

_entries = all_as_json(LedgerEntry, EntryView, order_by=LedgerEntry.position)
_TRANSACTIONS: Rows = select(
    LedgerTransaction.id,
    LedgerTransaction.kind,
    LedgerTransaction.source,
    select(_entries).where(LedgerEntry.transaction_id == LedgerTransaction.id).scalar_subquery().label("entries"),
    LedgerTransaction.created_at,
)
_PAGE = Query(paged(_TRANSACTIONS, LedgerTransaction.created_at, LedgerTransaction.id), TransactionView)
_BALANCES = Query(
    select(
        LedgerEntry.account,
        LedgerEntry.currency,
        cast(func.sum(LedgerEntry.amount_minor), BigInteger).label("amount_minor"),
    )
    .group_by(LedgerEntry.account, LedgerEntry.currency)
    .order_by(LedgerEntry.account, LedgerEntry.currency),
    BalanceView,
)


@dataclass(frozen=True, slots=True)
class LedgerRepository:
    """Writes, in the transaction of a session."""

    session: AsyncSession

    async def add(self, transaction_id: UUID, posting: Posting, *, now: datetime) -> None:
        transaction = {"id": transaction_id, "kind": posting.kind, "source": posting.source, "created_at": now}
        await self.session.execute(insert(LedgerTransaction).values(**transaction))
        entries = [
            {
                "transaction_id": transaction_id,
                "position": position,
                "account": entry.account.value,
                "customer_id": entry.customer_id,
                "amount_minor": entry.amount_minor,
                "currency": entry.currency,
            }
            for position, entry in enumerate(posting.entries)
        ]
        await self.session.execute(insert(LedgerEntry), entries)


@dataclass(frozen=True, slots=True)
class LedgerQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def page(self, after: Position | None, limit: int) -> list[TransactionView]:
        return await self.reads.all(_PAGE, **page_parameters(after, limit))

    async def balances(self) -> list[BalanceView]:
        return await self.reads.all(_BALANCES)
