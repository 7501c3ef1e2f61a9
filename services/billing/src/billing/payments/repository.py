"""Every query on payment methods and payments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, column, delete, func, select, table, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.models import Customer
from billing.payments.models import Payment, PaymentMethod, PaymentMethodView, PaymentView
from billing.tables import LOCKED, Rows, columns, following
from core.database import Position, Query, ReadSession, page_parameters, paged

_IS_THERE = PaymentMethod.removed_at.is_(None)
_METHODS = (
    select(*columns(PaymentMethod, PaymentMethodView))
    .join(Customer, Customer.id == PaymentMethod.customer_id)
    .where(Customer.user_id == bindparam("user_id"), _IS_THERE)
)
_METHOD = Query(_METHODS.where(PaymentMethod.id == bindparam("method_id")), PaymentMethodView)
_PAGE = Query(paged(_METHODS, PaymentMethod.created_at, PaymentMethod.id), PaymentMethodView)

# Invoices stand above: of them it is known here whose they are, as of a foreign key which table it leads to.
_INVOICES = table("invoices", column("id", Uuid), column("customer_id", Uuid))
_PAYMENTS: Rows = select(*columns(Payment, PaymentView), _INVOICES.c.customer_id).join(
    _INVOICES, _INVOICES.c.id == Payment.invoice_id
)
_PAYMENT = Query(_PAYMENTS.where(Payment.id == bindparam("payment_id")), PaymentView)
_FILTERS = {
    "invoice_id": Payment.invoice_id == bindparam("invoice_id"),
    "customer_id": _INVOICES.c.customer_id == bindparam("customer_id"),
    "status": Payment.status == bindparam("status"),
}


@cache
def page_of(*filters: str) -> Query[PaymentView]:
    """A statement for each set of filters: an index serves each, and none serves "this filter, if it is given"."""
    payments = _PAYMENTS.where(*(_FILTERS[name] for name in filters))
    return Query(paged(payments, Payment.created_at, Payment.id), PaymentView)


@dataclass(frozen=True, slots=True)
class PaymentRepository:
    """Reads and writes, in the transaction of a session."""

    session: AsyncSession

    async def add(self, row: PaymentMethod | Payment) -> None:
        self.session.add(row)
        await self.session.flush()

    async def default_method(self, customer_id: UUID) -> PaymentMethod | None:
        mine = PaymentMethod.customer_id == customer_id
        return await self.session.scalar(select(PaymentMethod).where(mine, PaymentMethod.is_default))

    async def method(self, method_id: UUID, *, customer_id: UUID) -> PaymentMethod | None:
        mine = PaymentMethod.customer_id == customer_id
        return await self.session.scalar(select(PaymentMethod).where(PaymentMethod.id == method_id, mine, _IS_THERE))

    async def removed(self, method_id: UUID) -> PaymentMethod | None:
        """A method that waits for the provider to give it up."""
        removed = PaymentMethod.removed_at.is_not(None)
        return await self.session.scalar(select(PaymentMethod).where(PaymentMethod.id == method_id, removed))

    async def is_paying(self, method_id: UUID) -> bool:
        """Whether a payment with this method is under way."""
        under_way = select(Payment.id).where(Payment.payment_method_id == method_id, Payment.status == "processing")
        return await self.session.scalar(select(under_way.exists())) or False

    async def methods(self, customer_id: UUID) -> Sequence[PaymentMethod]:
        """All that the provider may have, those that were removed included."""
        mine = PaymentMethod.customer_id == customer_id
        return (await self.session.scalars(select(PaymentMethod).where(mine))).all()

    async def remove_methods(self, customer_id: UUID) -> None:
        """Removes a customer's methods, and their traces from what was paid with them."""
        mine = PaymentMethod.customer_id == customer_id
        paid = Payment.payment_method_id.in_(select(PaymentMethod.id).where(mine))
        await self.session.execute(update(Payment).where(paid).values(payment_method_id=None, reference=None))
        await self.session.execute(delete(PaymentMethod).where(mine))

    async def clear_method(self, method_id: UUID) -> None:
        """Removes the traces of a method from what was paid with it."""
        paid = update(Payment).where(Payment.payment_method_id == method_id)
        await self.session.execute(paid.values(payment_method_id=None, reference=None))

    async def delete_method(self, method_id: UUID) -> None:
        await self.session.execute(delete(PaymentMethod).where(PaymentMethod.id == method_id))

    async def clear_default(self, customer_id: UUID) -> None:
        defaults = update(PaymentMethod).where(PaymentMethod.customer_id == customer_id, PaymentMethod.is_default)
        await self.session.execute(defaults.values(is_default=False))

    async def payment(self, payment_id: UUID) -> Payment:
        return await self.session.get_one(Payment, payment_id)

    async def find(self, payment_id: UUID) -> Payment | None:
        return await self.session.get(Payment, payment_id)

    async def locked(self, payment_id: UUID) -> Payment:
        """The payment, as it is now; nobody else changes it until the transaction ends."""
        return await self.session.get_one(Payment, payment_id, with_for_update=LOCKED, populate_existing=True)

    async def flush(self) -> None:
        await self.session.flush()

    async def of_request(self, request_key: UUID) -> Payment | None:
        return await self.session.scalar(select(Payment).where(Payment.request_key == request_key))

    async def processing(self, invoice_id: UUID) -> Payment | None:
        open_ = Payment.status == "processing"
        return await self.session.scalar(select(Payment).where(Payment.invoice_id == invoice_id, open_))

    async def last_of(self, invoice_id: UUID) -> UUID | None:
        of_invoice = select(Payment.id).where(Payment.invoice_id == invoice_id)
        return await self.session.scalar(of_invoice.order_by(Payment.created_at.desc(), Payment.id.desc()).limit(1))

    async def count(self) -> int:
        return await self.session.scalar(select(func.count()).select_from(Payment)) or 0

    async def following(self, after: UUID | None, *, limit: int) -> Sequence[Payment]:
        """The next payments in the order of their ids; nobody changes them until the transaction ends."""
        return (await self.session.scalars(following(select(Payment), Payment.id, after=after, limit=limit))).all()


@dataclass(frozen=True, slots=True)
class PaymentQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def method(self, method_id: UUID, user_id: UUID) -> PaymentMethodView | None:
        return await self.reads.first(_METHOD, method_id=method_id, user_id=user_id)

    async def methods(self, user_id: UUID, after: Position | None, limit: int) -> list[PaymentMethodView]:
        return await self.reads.all(_PAGE, user_id=user_id, **page_parameters(after, limit))

    async def payment(self, payment_id: UUID) -> PaymentView | None:
        return await self.reads.first(_PAYMENT, payment_id=payment_id)

    async def payments(self, filters: Mapping[str, Any], after: Position | None, limit: int) -> list[PaymentView]:
        return await self.reads.all(page_of(*sorted(filters)), **filters, **page_parameters(after, limit))
