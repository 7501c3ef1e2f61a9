"""The catalog over HTTP: everyone who is signed in reads it, its keeper adds to it."""

from operator import attrgetter

from billing.catalog.dependencies import CatalogDep, CatalogViewsDep, may_write
from billing.catalog.models import PlanId, PriceId
from billing.catalog.schemas import PlanCreate, PlanRead, PriceCreate, PriceRead
from core.dependencies import Created, PageDep
from core.routing import Router
from core.web.pages import PageOf

router = Router(prefix="/v1/plans", tags=["catalog"])


@router.post("", status_code=201, dependencies=[may_write])
async def add_plan(body: PlanCreate, catalog: CatalogDep, created: Created) -> PlanRead:
    return created(PlanRead.of(await catalog.add_plan(name=body.name, entitlements=body.entitlements)))


@router.get("")
async def list_plans(page: PageDep, catalog: CatalogViewsDep) -> PageOf[PlanRead]:
    plans = await catalog.page(after=page.after, limit=page.limit)
    return page.of(plans, item=PlanRead.of, position=attrgetter("created_at", "id"))


@router.get("/{plan_id}")
async def read_plan(plan_id: PlanId, catalog: CatalogViewsDep) -> PlanRead:
    return PlanRead.of(await catalog.plan(plan_id))


@router.post("/{plan_id}/prices", status_code=201, dependencies=[may_write])
async def add_price(plan_id: PlanId, body: PriceCreate, catalog: CatalogDep) -> PriceRead:
    return PriceRead.of(await catalog.add_price(plan_id=plan_id, **dict(body)))


@router.patch("/{plan_id}/prices/{price_id}", dependencies=[may_write])
async def change_price(plan_id: PlanId, price_id: PriceId, catalog: CatalogDep) -> PriceRead:
    """Is always refused: what is sold at another price is another price."""
    await catalog.refuse_change(price_id, plan_id=plan_id)


@router.delete("/{plan_id}/prices/{price_id}", status_code=204, dependencies=[may_write])
async def delete_price(plan_id: PlanId, price_id: PriceId, catalog: CatalogDep) -> None:
    """Is always refused: somebody may have subscribed to it."""
    await catalog.refuse_change(price_id, plan_id=plan_id)
