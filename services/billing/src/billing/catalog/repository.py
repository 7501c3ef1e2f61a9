"""Every query on plans and prices."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.catalog.models import Offer, Plan, PlanView, Price, PriceView
from billing.tables import Rows, all_as_json, columns
from core.database import Position, Query, ReadSession, page_parameters, paged

_prices = all_as_json(Price, PriceView, order_by=Price.created_at)
_PLANS: Rows = select(
    *columns(Plan, PlanView),
    select(_prices).where(Price.plan_id == Plan.id).scalar_subquery().label("prices"),
)
_PLAN = Query(_PLANS.where(Plan.id == bindparam("plan_id")), PlanView)
_PAGE = Query(paged(_PLANS, Plan.created_at, Plan.id), PlanView)


@dataclass(frozen=True, slots=True)
class CatalogRepository:
    """Writes, in the transaction of a session."""

    session: AsyncSession

    async def add(self, row: Plan | Price) -> bool:
        """Stores a plan or a price; False where one with this id is there already."""
        kind = type(row)
        values = {column.key: getattr(row, column.key) for column in kind.__table__.columns}
        statement = insert(kind).values(**values).on_conflict_do_nothing().returning(kind.id)
        return await self.session.scalar(statement) is not None

    async def plan(self, plan_id: UUID) -> Plan | None:
        return await self.session.get(Plan, plan_id)

    async def offer(self, price_id: UUID) -> Offer | None:
        found = select(Price, Plan.name).join(Plan, Plan.id == Price.plan_id).where(Price.id == price_id)
        row = (await self.session.execute(found)).one_or_none()
        return None if row is None else Offer(row.Price, row.name)


@dataclass(frozen=True, slots=True)
class CatalogQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def plan(self, plan_id: UUID) -> PlanView | None:
        return await self.reads.first(_PLAN, plan_id=plan_id)

    async def page(self, after: Position | None, limit: int) -> list[PlanView]:
        return await self.reads.all(_PAGE, **page_parameters(after, limit))
