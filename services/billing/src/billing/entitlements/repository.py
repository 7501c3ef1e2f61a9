"""Every query on entitlements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from sqlalchemy import bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.models import Customer
from billing.entitlements.models import Entitlement, EntitlementsView
from billing.tables import Rows, columns, following
from core.database import Query, ReadSession

_OF_CUSTOMERS: Rows = (
    select(
        func.coalesce(Entitlement.features, literal({}, JSONB), type_=JSONB).label("features"),
        func.coalesce(Entitlement.sequence, 0).label("sequence"),
        Entitlement.updated_at,
    )
    .select_from(Customer)
    .outerjoin(Entitlement, Entitlement.customer_id == Customer.id)
)
_STORED = select(*columns(Entitlement, EntitlementsView))
_FILTERS = {
    "user_id": Customer.user_id == bindparam("user_id"),
    "customer_id": Customer.id == bindparam("customer_id"),
}


@cache
def _one_of(*filters: str) -> Query[EntitlementsView]:
    return Query(_OF_CUSTOMERS.where(*(_FILTERS[name] for name in filters)), EntitlementsView)


@dataclass(frozen=True, slots=True)
class EntitlementRepository:
    """Reads and writes, in the transaction of a session."""

    session: AsyncSession

    async def of(self, customer_id: UUID) -> EntitlementsView | None:
        found = await self.session.execute(_STORED.where(Entitlement.customer_id == customer_id))
        row = found.mappings().one_or_none()
        return None if row is None else EntitlementsView.model_validate(dict(row))

    async def store(self, entitlement: Entitlement) -> None:
        """Stores what a customer may use, in place of what they had."""
        values = {column.key: getattr(entitlement, column.key) for column in Entitlement.__table__.columns}
        changed = {name: value for name, value in values.items() if name != "customer_id"}
        stored = insert(Entitlement).values(**values)
        await self.session.execute(stored.on_conflict_do_update(index_elements=[Entitlement.customer_id], set_=changed))

    async def users_of(self, customer_ids: Sequence[UUID]) -> dict[UUID, UUID]:
        """Which users these customers are."""
        found = await self.session.execute(select(Customer.id, Customer.user_id).where(Customer.id.in_(customer_ids)))
        return {row.id: row.user_id for row in found}

    async def count(self) -> int:
        return await self.session.scalar(select(func.count()).select_from(Entitlement)) or 0

    async def following(self, after: UUID | None, *, limit: int) -> Sequence[Entitlement]:
        """The next ones in the order of their customers' ids; nobody changes them until the transaction ends."""
        page = following(select(Entitlement), Entitlement.customer_id, after=after, limit=limit)
        return (await self.session.scalars(page)).all()


@dataclass(frozen=True, slots=True)
class EntitlementQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def of(self, filters: Mapping[str, UUID]) -> EntitlementsView | None:
        """Those of the customer whom the filters let through; None where that is nobody."""
        return await self.reads.first(_one_of(*sorted(filters)), **filters)
