"""Every query on customers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.models import BalanceTransaction, Customer
from billing.tables import LOCKED, following


@dataclass(frozen=True, slots=True)
class CustomerRepository:
    """Reads and writes, in the transaction of a session."""

    session: AsyncSession

    async def add(self, *, customer_id: UUID, user_id: UUID, now: datetime) -> bool:
        """Makes the customer of a user; False where another request has just made it."""
        values = {"id": customer_id, "user_id": user_id, "sequence": 1, "created_at": now}
        statement = insert(Customer).values(**values).on_conflict_do_nothing().returning(Customer.id)
        return await self.session.scalar(statement) is not None

    async def of_user(self, user_id: UUID, *, lock: bool) -> Customer | None:
        """The customer; locked, nobody else locks it until the transaction ends."""
        customer = select(Customer).where(Customer.user_id == user_id)
        return await self.session.scalar(customer.with_for_update(key_share=True) if lock else customer)

    async def locked(self, customer_id: UUID) -> Customer:
        """The customer, as it is now; nobody else locks it until the transaction ends."""
        return await self.session.get_one(Customer, customer_id, with_for_update=LOCKED, populate_existing=True)

    async def add_to_balance(self, transaction: BalanceTransaction) -> None:
        self.session.add(transaction)
        await self.session.flush()

    async def flush(self) -> None:
        await self.session.flush()

    async def count(self) -> int:
        return await self.session.scalar(select(func.count()).select_from(Customer)) or 0

    async def following(self, after: UUID | None, *, limit: int) -> Sequence[Customer]:
        """The next ones in the order of their ids; nobody changes them until the transaction ends."""
        return (await self.session.scalars(following(select(Customer), Customer.id, after=after, limit=limit))).all()
