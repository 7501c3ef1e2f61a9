"""What fills the catalog without a request: the two plans that a laptop starts with."""

from decimal import Decimal
from uuid import UUID

from billing.catalog.models import Interval, PriceModel
from billing.catalog.service import Catalog

# Fixed ids (UUIDv7 of 1 January 2026): a second start finds the plans of the first, a second process too.
_STARTER = UUID("019b76da-a800-7000-8000-000000000001")
_TEAM = UUID("019b76da-a800-7000-8000-000000000002")
_OF_TEAM = {"projects": 100, "api_access": True, "audit_log": True}
# A new one comes last: its id is its number.
_PRICES: tuple[tuple[UUID, PriceModel, str, Interval, int], ...] = (
    (_STARTER, "flat", "1000", "month", 0),
    (_STARTER, "flat", "10000", "year", 0),
    (_TEAM, "per_unit", "1500", "month", 0),
    (_TEAM, "per_unit", "15000", "year", 0),
    (_TEAM, "per_unit", "1500", "month", 14),
)


async def add_demo_plans(catalog: Catalog) -> None:
    """Adds a flat and a per-seat plan, each by the month and by the year, one on trial; those that are there stay."""
    await catalog.add_plan(plan_id=_STARTER, name="Starter", entitlements={"projects": 3, "api_access": True})
    await catalog.add_plan(plan_id=_TEAM, name="Team", entitlements=_OF_TEAM)
    for number, (plan_id, model, unit_amount, interval, trial_days) in enumerate(_PRICES):
        await catalog.add_price(
            price_id=UUID(int=_TEAM.int + 1 + number),
            plan_id=plan_id,
            model=model,
            unit_amount=Decimal(unit_amount),
            currency="EUR",
            interval=interval,
            tax_rate=Decimal("0.21"),
            trial_days=trial_days,
        )
