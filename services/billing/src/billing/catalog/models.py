"""How plans and prices are stored, and how they are read together."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from billing.tables import Base
from core.ids import TypeId

PlanId = Annotated[UUID, TypeId("plan")]
PriceId = Annotated[UUID, TypeId("price")]
PriceModel = Literal["flat", "per_unit"]
Interval = Literal["month", "year"]
Entitlements = Mapping[str, bool | int]


class Plan(Base):
    __tablename__ = "plans"
    __table_args__ = (Index(None, "created_at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    entitlements: Mapped[Mapping[str, Any]]
    created_at: Mapped[datetime]


class Price(Base):
    """A price is never changed: who subscribed to it keeps it."""

    __tablename__ = "prices"
    __table_args__ = (
        CheckConstraint("model IN ('flat', 'per_unit')", name="model"),
        CheckConstraint("unit_amount >= 0", name="unit_amount"),
        CheckConstraint("interval IN ('month', 'year')", name="interval"),
        CheckConstraint("tax_rate BETWEEN 0 AND 1", name="tax_rate"),
        CheckConstraint("trial_days >= 0", name="trial_days"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"), index=True)
    model: Mapped[PriceModel] = mapped_column(Text)
    unit_amount: Mapped[Decimal]
    currency: Mapped[str]
    interval: Mapped[Interval] = mapped_column(Text)
    tax_rate: Mapped[Decimal]
    trial_days: Mapped[int]
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be bought: a price, and what the plan is called."""

    price: Price
    plan_name: str


class PriceView(BaseModel):
    """A price as it is read with its plan."""

    id: UUID
    plan_id: UUID
    model: PriceModel
    unit_amount: Decimal
    currency: str
    interval: Interval
    tax_rate: Decimal
    trial_days: int
    created_at: datetime


class PlanView(BaseModel):
    """A plan with its prices."""

    id: UUID
    name: str
    entitlements: Entitlements
    prices: list[PriceView]
    created_at: datetime
