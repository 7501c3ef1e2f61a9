"""What plans and prices look like on the wire."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, Field, StrictBool, StrictInt

from billing.catalog.models import Interval, Plan, PlanId, PlanView, Price, PriceId, PriceModel, PriceView
from billing.money import Currency, Rate, UnitAmount
from core.web.text import Line

Feature = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
# At most what every JSON client reads exactly (RFC 8259, section 6).
Entitlement = StrictBool | Annotated[StrictInt, Field(ge=0, le=2**53 - 1)]

TRIAL_DAYS_MAX = 730


class PlanCreate(BaseModel, extra="forbid"):
    """A new plan."""

    name: Line = Field(examples=["Team"])
    entitlements: dict[Feature, Entitlement] = Field(
        default={},
        max_length=100,
        description="What a subscriber may do, by feature.",
        examples=[{"seats": 5}],
        json_schema_extra={"additionalProperties": False},
    )


class PriceCreate(BaseModel, extra="forbid"):
    """A new price of a plan."""

    model: PriceModel = Field(description="`flat`: the amount, once; `per_unit`: the amount times the quantity.")
    unit_amount: UnitAmount
    currency: Currency
    interval: Interval
    tax_rate: Rate = Decimal(0)
    trial_days: StrictInt = Field(default=0, ge=0, le=TRIAL_DAYS_MAX)


class PriceRead(BaseModel, from_attributes=True):
    """A price; it never changes."""

    id: PriceId
    plan_id: PlanId
    model: PriceModel
    unit_amount: UnitAmount
    currency: Currency
    interval: Interval
    tax_rate: Rate
    trial_days: int
    created_at: datetime

    @classmethod
    def of(cls, price: Price | PriceView) -> Self:
        return cls.model_validate(price)


class PlanRead(BaseModel, from_attributes=True):
    """A plan with its prices."""

    id: PlanId
    name: str
    entitlements: Mapping[str, StrictBool | StrictInt]
    prices: list[PriceRead] = []
    created_at: datetime

    @classmethod
    def of(cls, plan: Plan | PlanView) -> Self:
        return cls.model_validate(plan)
