"""What the catalog does, and what it refuses."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NoReturn
from uuid import UUID

from billing.catalog.models import Entitlements, Interval, Offer, Plan, PlanView, Price, PriceModel
from billing.catalog.repository import CatalogQueries, CatalogRepository
from core.clock import Clock
from core.errors import Conflict, NotFound
from core.ids import new_id


class PlanNotFound(NotFound):
    """There is no such plan."""

    code = "plan_not_found"


class PriceNotFound(NotFound):
    """There is no such price."""

    code = "price_not_found"


class PriceImmutable(Conflict):
    """A price never changes: whoever subscribed to it keeps it, and a new one is another price."""

    code = "price_immutable"


@dataclass(frozen=True, slots=True)
class Catalog:
    """What is sold; it grows, and nothing in it changes."""

    repository: CatalogRepository
    clock: Clock

    async def add_plan(self, *, name: str, entitlements: Entitlements, plan_id: UUID | None = None) -> Plan:
        """Adds a plan; one whose id is given and known stays as it is."""
        plan = Plan(id=plan_id or new_id(), name=name, entitlements=entitlements, created_at=self.clock.now())
        await self.repository.add(plan)
        return plan

    async def add_price(
        self,
        *,
        plan_id: UUID,
        model: PriceModel,
        unit_amount: Decimal,
        currency: str,
        interval: Interval,
        tax_rate: Decimal,
        trial_days: int,
        price_id: UUID | None = None,
    ) -> Price:
        """Adds a price to a plan; one whose id is given and known stays as it is.

        Raises:
            PlanNotFound: there is no such plan.
        """
        await self.plan(plan_id)
        price = Price(
            id=price_id or new_id(),
            plan_id=plan_id,
            model=model,
            unit_amount=unit_amount,
            currency=currency,
            interval=interval,
            tax_rate=tax_rate,
            trial_days=trial_days,
            created_at=self.clock.now(),
        )
        await self.repository.add(price)
        return price

    async def plan(self, plan_id: UUID) -> Plan:
        """One plan.

        Raises:
            PlanNotFound: there is none.
        """
        plan = await self.repository.plan(plan_id)
        if plan is None:
            raise PlanNotFound
        return plan

    async def refuse_change(self, price_id: UUID, *, plan_id: UUID) -> NoReturn:
        """Refuses to change or remove a price.

        Raises:
            PriceNotFound: the plan has no such price.
            PriceImmutable: it has.
        """
        offer = await self.offer(price_id)
        raise PriceImmutable if offer.price.plan_id == plan_id else PriceNotFound

    async def offer(self, price_id: UUID) -> Offer:
        """One price, with its plan's name.

        Raises:
            PriceNotFound: there is none.
        """
        offer = await self.repository.offer(price_id)
        if offer is None:
            raise PriceNotFound
        return offer


@dataclass(frozen=True, slots=True)
class CatalogViews:
    """The catalog as everyone reads it."""

    queries: CatalogQueries

    async def plan(self, plan_id: UUID) -> PlanView:
        """One plan with its prices.

        Raises:
            PlanNotFound: there is none.
        """
        plan = await self.queries.plan(plan_id)
        if plan is None:
            raise PlanNotFound
        return plan

    async def page(self, *, after: tuple[datetime, UUID] | None, limit: int) -> list[PlanView]:
        return await self.queries.page(after, limit)
