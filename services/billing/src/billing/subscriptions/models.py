"""How subscriptions are stored and read."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.invoices.models import InvoiceView
from billing.tables import Base

SubscriptionStatus = Literal["incomplete", "incomplete_expired", "trialing", "active", "past_due", "canceled"]


class Subscription(Base):
    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint(
            "status IN ('incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'canceled')",
            name="status",
        ),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("current_period_start < current_period_end", name="period"),
        Index(None, "created_at", "id"),
        Index(None, "customer_id", "created_at", "id"),
        # One live subscription a plan, whatever runs at once.
        Index(
            "uq_subscriptions_live",
            "customer_id",
            "plan_id",
            unique=True,
            postgresql_where=text("status IN ('incomplete', 'trialing', 'active', 'past_due')"),
        ),
        # What the biller looks for: who is behind is billed for no further period, and may end with the present one.
        Index(
            "ix_subscriptions_due",
            "current_period_end",
            "id",
            postgresql_where=text("status IN ('trialing', 'active') OR (status = 'past_due' AND cancel_at_period_end)"),
        ),
        Index("ix_subscriptions_incomplete", "created_at", "id", postgresql_where=text("status = 'incomplete'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"))
    price_id: Mapped[UUID] = mapped_column(ForeignKey("prices.id"))
    quantity: Mapped[int]
    # None: whatever is the customer's default when the time comes.
    payment_method_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment_methods.id"))
    status: Mapped[SubscriptionStatus] = mapped_column(Text)
    # Every boundary is computed from here, so that the 31st comes back after a shorter month.
    anchor_at: Mapped[datetime]
    current_period_start: Mapped[datetime]
    current_period_end: Mapped[datetime]
    # What it changes to at the end of the period, if it does.
    cancel_at_period_end: Mapped[bool] = mapped_column(default=False, server_default=false())
    next_price_id: Mapped[UUID | None] = mapped_column(ForeignKey("prices.id"), default=None)
    next_quantity: Mapped[int | None] = mapped_column(default=None)
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    # What was charged for the time from `covered_from` until `covered_until`, before tax: the price actually paid, of
    # which the rest is given back when something changes. Nothing in a trial.
    covered_net_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    covered_tax_rate: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default=text("0"))
    covered_from: Mapped[datetime | None] = mapped_column(default=None)
    covered_until: Mapped[datetime | None] = mapped_column(default=None)
    # The release before knows a retry by it, this one by `subscription_changes`; the next one drops it.
    request_key: Mapped[UUID | None] = mapped_column(unique=True, default=None)
    sequence: Mapped[int]
    created_at: Mapped[datetime]


class SubscriptionChange(Base):
    """A change that somebody asked for; `terms` are those of the request, by which its retry is known."""

    __tablename__ = "subscription_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscriptions.id"), index=True)
    request_key: Mapped[UUID] = mapped_column(unique=True)
    terms: Mapped[Mapping[str, Any]]
    created_at: Mapped[datetime]


class PendingItem(Base):
    """A line of the next invoice of a subscription."""

    __tablename__ = "pending_items"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscriptions.id"), index=True)
    description: Mapped[str]
    quantity: Mapped[Decimal]
    unit_amount: Mapped[Decimal]
    tax_rate: Mapped[Decimal]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]


class SubscriptionView(BaseModel):
    """A subscription with its last invoice, which is read beside it."""

    id: UUID
    customer_id: UUID
    plan_id: UUID
    price_id: UUID
    quantity: int
    payment_method_id: UUID | None
    status: SubscriptionStatus
    anchor_at: datetime
    current_period_start: datetime
    current_period_end: datetime
    cancel_at_period_end: bool
    next_price_id: UUID | None
    next_quantity: int | None
    ended_at: datetime | None
    sequence: int
    created_at: datetime
    latest_invoice: InvoiceView | None = None
