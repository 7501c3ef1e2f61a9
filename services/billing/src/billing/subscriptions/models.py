"""How subscriptions are stored and read."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
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
        Index(None, "customer_id", "created_at", "id"),
        # One live subscription a plan, whatever runs at once.
        Index(
            "uq_subscriptions_live",
            "customer_id",
            "plan_id",
            unique=True,
            postgresql_where=text("status IN ('incomplete', 'trialing', 'active', 'past_due')"),
        ),
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
    # Names the request that subscribed, so that its retry after a crash goes on with it.
    request_key: Mapped[UUID] = mapped_column(unique=True)
    sequence: Mapped[int]
    created_at: Mapped[datetime]


class SubscriptionView(BaseModel):
    """A subscription with its last invoice, which is read beside it."""

    id: UUID
    customer_id: UUID
    plan_id: UUID
    price_id: UUID
    quantity: int
    payment_method_id: UUID | None
    status: SubscriptionStatus
    current_period_start: datetime
    current_period_end: datetime
    created_at: datetime
    latest_invoice: InvoiceView | None = None
