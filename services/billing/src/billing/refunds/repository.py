"""Every query on refunds."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoices.models import Invoice
from billing.ledger.models import LedgerTransaction
from billing.ledger.rules import payment_succeeded
from billing.payments.models import Payment
from billing.refunds.models import Refund, RefundView
from billing.tables import LOCKED, columns, following
from core.database import Position, Query, ReadSession, page_parameters, paged
from core.ids import format_id

_REFUNDS = select(*columns(Refund, RefundView))
_ONE = Query(_REFUNDS.where(Refund.id == bindparam("refund_id")), RefundView)
_PAGE = Query(paged(_REFUNDS, Refund.created_at, Refund.id), RefundView)


@dataclass(frozen=True, slots=True)
class RefundRepository:
    """Reads and writes, in the transaction of a session."""

    session: AsyncSession

    async def add(self, refund: Refund) -> None:
        self.session.add(refund)
        await self.session.flush()

    async def flush(self) -> None:
        await self.session.flush()

    async def refund(self, refund_id: UUID) -> Refund | None:
        return await self.session.get(Refund, refund_id)

    async def locked(self, refund_id: UUID) -> Refund:
        """The refund, as it is now; nobody else changes it until the transaction ends."""
        return await self.session.get_one(Refund, refund_id, with_for_update=LOCKED, populate_existing=True)

    async def of_request(self, request_key: UUID) -> Refund | None:
        return await self.session.scalar(select(Refund).where(Refund.request_key == request_key))

    async def of_credit_note(self, credit_note_id: UUID) -> Refund | None:
        return await self.session.scalar(select(Refund).where(Refund.credit_note_id == credit_note_id))

    async def processing(self, customer_id: UUID) -> int:
        """How many refunds to a customer are under way."""
        mine = Refund.customer_id == customer_id, Refund.status == "processing"
        return await self.session.scalar(select(func.count()).select_from(Refund).where(*mine)) or 0

    async def payer_of(self, payment_id: UUID) -> UUID | None:
        """The id of the customer whose payment it is."""
        invoices = select(Invoice.customer_id).join(Payment, Payment.invoice_id == Invoice.id)
        return await self.session.scalar(invoices.where(Payment.id == payment_id))

    async def paid(self, invoice_id: UUID) -> UUID | None:
        """The id of the payment that paid an invoice by the books: that of others is on the customer's balance."""
        succeeded = select(Payment.id).where(Payment.invoice_id == invoice_id, Payment.status == "succeeded")
        payments = {format_id("pay", each): each for each in await self.session.scalars(succeeded)}
        booked = select(LedgerTransaction.source).where(
            LedgerTransaction.kind == payment_succeeded.kind, LedgerTransaction.source.in_(payments)
        )
        source = await self.session.scalar(booked)
        return None if source is None else payments[source]

    async def count(self) -> int:
        return await self.session.scalar(select(func.count()).select_from(Refund)) or 0

    async def following(self, after: UUID | None, *, limit: int) -> Sequence[Refund]:
        """The next ones in the order of their ids; nobody changes them until the transaction ends."""
        return (await self.session.scalars(following(select(Refund), Refund.id, after=after, limit=limit))).all()


@dataclass(frozen=True, slots=True)
class RefundQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def one(self, refund_id: UUID) -> RefundView | None:
        return await self.reads.first(_ONE, refund_id=refund_id)

    async def page(self, after: Position | None, limit: int) -> list[RefundView]:
        return await self.reads.all(_PAGE, **page_parameters(after, limit))
