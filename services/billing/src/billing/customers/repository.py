"""Every query on customers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.models import BalanceTransaction, BalanceTransactionView, Customer, CustomerView
from billing.tables import LOCKED, columns, following
from core.database import Position, Query, ReadSession, page_parameters, paged

_CHANGES = select(*columns(BalanceTransaction, BalanceTransactionView)).join(
    Customer, Customer.id == BalanceTransaction.customer_id
)
_CUSTOMERS = select(*columns(Customer, CustomerView))
_FILTERS = {
    "user_id": Customer.user_id == bindparam("user_id"),
    "customer_id": Customer.id == bindparam("customer_id"),
}


@cache
def _one_of(*filters: str) -> Query[CustomerView]:
    return Query(_CUSTOMERS.where(*(_FILTERS[name] for name in filters)), CustomerView)


@cache
def _page_of(*filters: str) -> Query[CustomerView]:
    rows = _CUSTOMERS.where(*(_FILTERS[name] for name in filters))
    return Query(paged(rows, Customer.created_at, Customer.id), CustomerView)


@cache
def _changes_of(*filters: str) -> Query[BalanceTransactionView]:
    rows = _CHANGES.where(*(_FILTERS[name] for name in filters))
    return Query(paged(rows, BalanceTransaction.created_at, BalanceTransaction.id), BalanceTransactionView)


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

    async def locked(self, customer_id: UUID) -> Customer | None:
        """The customer, as it is now; nobody else locks it until the transaction ends."""
        return await self.session.get(Customer, customer_id, with_for_update=LOCKED, populate_existing=True)

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


@dataclass(frozen=True, slots=True)
class CustomerQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def one(self, filters: Mapping[str, UUID]) -> CustomerView | None:
        return await self.reads.first(_one_of(*sorted(filters)), **filters)

    async def page(self, filters: Mapping[str, UUID], after: Position | None, limit: int) -> list[CustomerView]:
        return await self.reads.all(_page_of(*sorted(filters)), **filters, **page_parameters(after, limit))

    async def balance_transactions(
        self, filters: Mapping[str, UUID], after: Position | None, limit: int
    ) -> list[BalanceTransactionView]:
        return await self.reads.all(_changes_of(*sorted(filters)), **filters, **page_parameters(after, limit))
