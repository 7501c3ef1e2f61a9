"""Every query on customers."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.models import Customer


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
