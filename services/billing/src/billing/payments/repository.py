"""Every query on payment methods and payments."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.models import Customer
from billing.payments.models import Payment, PaymentMethod, PaymentMethodView
from billing.tables import LOCKED, columns, following
from core.database import Position, Query, ReadSession, page_parameters, paged

_METHODS = select(*columns(PaymentMethod, PaymentMethodView))
_PAGE = Query(
    paged(
        _METHODS.join(Customer, Customer.id == PaymentMethod.customer_id).where(
            Customer.user_id == bindparam("user_id")
        ),
        PaymentMethod.created_at,
        PaymentMethod.id,
    ),
    PaymentMethodView,
)


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
        return await self.session.scalar(select(PaymentMethod).where(PaymentMethod.id == method_id, mine))

    async def methods(self, customer_id: UUID) -> Sequence[PaymentMethod]:
        mine = PaymentMethod.customer_id == customer_id
        return (await self.session.scalars(select(PaymentMethod).where(mine))).all()

    async def remove_methods(self, customer_id: UUID) -> None:
        """Removes a customer's methods, and their traces from what was paid with them."""
        mine = PaymentMethod.customer_id == customer_id
        paid = Payment.payment_method_id.in_(select(PaymentMethod.id).where(mine))
        await self.session.execute(update(Payment).where(paid).values(payment_method_id=None, reference=None))
        await self.session.execute(delete(PaymentMethod).where(mine))

    async def clear_default(self, customer_id: UUID) -> None:
        defaults = update(PaymentMethod).where(PaymentMethod.customer_id == customer_id, PaymentMethod.is_default)
        await self.session.execute(defaults.values(is_default=False))

    async def payment(self, payment_id: UUID) -> Payment:
        return await self.session.get_one(Payment, payment_id)

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

    async def count(self) -> int:
        return await self.session.scalar(select(func.count()).select_from(Payment)) or 0

    async def following(self, after: UUID | None, *, limit: int) -> Sequence[Payment]:
        """The next payments in the order of their ids; nobody changes them until the transaction ends."""
        return (await self.session.scalars(following(select(Payment), Payment.id, after=after, limit=limit))).all()


@dataclass(frozen=True, slots=True)
class PaymentQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def methods(self, user_id: UUID, after: Position | None, limit: int) -> list[PaymentMethodView]:
        return await self.reads.all(_PAGE, user_id=user_id, **page_parameters(after, limit))
