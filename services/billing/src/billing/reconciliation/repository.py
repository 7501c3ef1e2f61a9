"""Every query on what is reconciled: payments, refunds and the ledger's clearing account."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal, select, tuple_, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from billing.ledger.models import LedgerEntry, LedgerTransaction
from billing.ledger.rules import Account
from billing.payments.models import Payment
from billing.reconciliation.rules import Record
from billing.refunds.models import Refund
from billing.tables import Rows
from core.ids import format_id

Position = tuple[datetime, UUID]

_PAYMENTS: Rows = select(
    Payment.id,
    literal("charge").label("kind"),
    Payment.id.label("payment_id"),
    Payment.status,
    Payment.amount_minor,
    Payment.fee_minor,
    Payment.currency,
    Payment.created_at,
)
_REFUNDS: Rows = select(
    Refund.id,
    literal("refund").label("kind"),
    Refund.payment_id,
    Refund.status,
    Refund.amount_minor,
    literal(0).label("fee_minor"),
    Refund.currency,
    Refund.created_at,
)


@dataclass(frozen=True, slots=True)
class Posted:
    """What one transaction of the ledger has booked on the clearing account, in one currency."""

    transaction_id: UUID
    created_at: datetime
    source: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class ReconciliationRepository:
    """Reads, in the transaction of a session."""

    session: AsyncSession

    async def records(self, ids: Collection[UUID]) -> list[Record]:
        """The payments and refunds of these ids."""
        return await self._records(_PAYMENTS.where(Payment.id.in_(ids)), _REFUNDS.where(Refund.id.in_(ids)))

    async def succeeded(self, after: Position, *, limit: int) -> list[Record]:
        """The next payments and refunds that have succeeded, in the order of time and id."""
        return await self._records(
            _PAYMENTS.where(Payment.status == "succeeded", tuple_(Payment.created_at, Payment.id) > after)
            .order_by(Payment.created_at, Payment.id)
            .limit(limit),
            _REFUNDS.where(Refund.status == "succeeded", tuple_(Refund.created_at, Refund.id) > after)
            .order_by(Refund.created_at, Refund.id)
            .limit(limit),
            limit=limit,
        )

    async def posted(self, after: Position, *, limit: int) -> Sequence[Posted]:
        """The next transactions on the clearing account, in the order of time and id."""
        place = (LedgerTransaction.created_at, LedgerTransaction.id)
        statement = (
            select(
                LedgerTransaction.id,
                LedgerTransaction.created_at,
                LedgerTransaction.source,
                LedgerEntry.amount_minor,
                LedgerEntry.currency,
            )
            .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
            .where(LedgerEntry.account == Account.PROVIDER_CLEARING.value, tuple_(*place) > after)
            .order_by(*place)
            .limit(limit)
        )
        return [Posted(*row) for row in await self.session.execute(statement)]

    async def known(self, ids: Collection[UUID]) -> set[UUID]:
        """Those of these ids that are a payment's or a refund's."""
        found = union_all(select(Payment.id).where(Payment.id.in_(ids)), select(Refund.id).where(Refund.id.in_(ids)))
        return set((await self.session.scalars(found)).all())

    async def under_way(self) -> int:
        """How many payments and refunds wait for their outcome."""
        counts = [
            select(func.count()).select_from(kind).where(kind.status == "processing").scalar_subquery()
            for kind in (Payment, Refund)
        ]
        return await self.session.scalar(select(counts[0] + counts[1])) or 0

    async def _records(self, payments: Rows, refunds: Rows, *, limit: int | None = None) -> list[Record]:
        both = union_all(payments.subquery().select(), refunds.subquery().select()).subquery()
        page = select(both).order_by(both.c.created_at, both.c.id).limit(limit)
        found = (await self.session.execute(page)).mappings()
        rows: list[dict[str, Any]] = [{str(name): value for name, value in row.items()} for row in found]
        names = {row["id"]: format_id("pay" if row["kind"] == "charge" else "rfd", row["id"]) for row in rows}
        booked = await self._booked(names.values())
        return [Record(**row, booked_minor=booked.get((names[row["id"]], row["currency"]), 0)) for row in rows]

    async def _booked(self, sources: Collection[str]) -> dict[tuple[str, str], int]:
        """What the clearing account has of each source, by currency."""
        booked = (
            select(LedgerTransaction.source, LedgerEntry.currency, func.sum(LedgerEntry.amount_minor))
            .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
            .where(LedgerTransaction.source.in_(sources), LedgerEntry.account == Account.PROVIDER_CLEARING.value)
            .group_by(LedgerTransaction.source, LedgerEntry.currency)
        )
        return {(source, currency): int(amount) for source, currency, amount in await self.session.execute(booked)}
