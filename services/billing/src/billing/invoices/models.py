"""How invoices, their lines and their numbers are stored, and how an invoice is read."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.payments.models import PaymentStatus
from billing.tables import Base
from core.ids import TypeId

InvoiceId = Annotated[UUID, TypeId("inv")]
InvoiceLineId = Annotated[UUID, TypeId("il")]
# Subscriptions stand above: an invoice names one and knows no more of it.
SubscriptionId = Annotated[UUID, TypeId("sub")]
InvoiceStatus = Literal["draft", "open", "paid", "void", "uncollectible"]
# What an invoice is for: the beginning, a period or a change of a subscription, or what somebody wrote down.
InvoiceReason = Literal["subscription_create", "subscription_cycle", "subscription_update", "manual"]


class Invoice(Base):
    """What a customer owes; once finalized, triggers let nothing but its payment state move."""

    __tablename__ = "invoices"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'open', 'paid', 'void', 'uncollectible')", name="status"),
        CheckConstraint("(status = 'draft') = (number IS NULL)", name="number"),
        CheckConstraint(
            "reason IN ('subscription_create', 'subscription_cycle', 'subscription_update', 'manual')", name="reason"
        ),
        CheckConstraint("amount_paid_minor BETWEEN 0 AND amount_due_minor", name="amount_paid"),
        CheckConstraint("amount_paid_minor + credited_minor <= amount_due_minor", name="remaining"),
        Index(None, "created_at", "id"),
        Index(None, "customer_id", "created_at", "id"),
        Index(None, "subscription_id", "created_at", "id"),
        # One invoice a period, whoever bills it.
        Index(
            "uq_invoices_period",
            "subscription_id",
            "period_start",
            unique=True,
            postgresql_where=text("reason = 'subscription_cycle'"),
        ),
        Index(
            "ix_invoices_next_attempt", "next_attempt_at", "id", postgresql_where=text("next_attempt_at IS NOT NULL")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))
    subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey("subscriptions.id"))
    reason: Mapped[InvoiceReason] = mapped_column(Text, server_default="subscription_create")
    status: Mapped[InvoiceStatus] = mapped_column(Text)
    number: Mapped[str | None] = mapped_column(unique=True, default=None)
    currency: Mapped[str]
    subtotal_minor: Mapped[int] = mapped_column(default=0)
    tax_minor: Mapped[int] = mapped_column(default=0)
    total_minor: Mapped[int] = mapped_column(default=0)
    # What the customer's balance took of the total; of a negative total, what it was given.
    balance_applied_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    amount_due_minor: Mapped[int] = mapped_column(default=0)
    amount_paid_minor: Mapped[int] = mapped_column(default=0)
    # What credit notes took of the amount due; and of net amount and tax, wherever it went.
    credited_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    credited_net_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    credited_tax_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    # As they were when it was finalized: a document does not change when a customer moves house.
    seller: Mapped[Mapping[str, Any] | None] = mapped_column(default=None)
    buyer: Mapped[Mapping[str, Any] | None] = mapped_column(default=None)
    sequence: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    finalized_at: Mapped[datetime | None] = mapped_column(default=None)
    due_at: Mapped[datetime | None] = mapped_column(default=None)
    paid_at: Mapped[datetime | None] = mapped_column(default=None)
    # Of the attempts that nobody asked for: how many have failed, since when, and when the next one is due.
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    first_failed_at: Mapped[datetime | None] = mapped_column(default=None)
    next_attempt_at: Mapped[datetime | None] = mapped_column(default=None)

    @property
    def remaining_minor(self) -> int:
        """Minor units that are still owed, were the invoice open."""
        return self.amount_due_minor - self.amount_paid_minor - self.credited_minor


class InvoiceLine(Base):
    __tablename__ = "invoice_lines"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)
    position: Mapped[int]
    description: Mapped[str]
    quantity: Mapped[Decimal]
    unit_amount: Mapped[Decimal]
    net_minor: Mapped[int]
    tax_rate: Mapped[Decimal]
    tax_minor: Mapped[int]
    proration: Mapped[bool]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]


class InvoiceSeries(Base):
    """The last number given in a series and year; whoever takes the next one holds the row until the commit."""

    __tablename__ = "invoice_series"

    name: Mapped[str] = mapped_column(primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int]


class LineView(BaseModel):
    """A line as it is read with its invoice."""

    id: UUID
    description: str
    quantity: Decimal
    unit_amount: Decimal
    net_minor: int
    tax_rate: Decimal
    tax_minor: int
    proration: bool
    period_start: datetime
    period_end: datetime


class PaymentView(BaseModel):
    """The last attempt to collect an invoice."""

    id: UUID
    status: PaymentStatus
    decline_code: str | None


class InvoiceView(BaseModel):
    """An invoice with its lines and its last payment."""

    id: UUID
    customer_id: UUID
    subscription_id: UUID | None
    status: InvoiceStatus
    number: str | None
    currency: str
    subtotal_minor: int
    total_minor: int
    balance_applied_minor: int
    amount_due_minor: int
    amount_paid_minor: int
    credited_minor: int
    period_start: datetime
    period_end: datetime
    created_at: datetime
    finalized_at: datetime | None
    due_at: datetime | None
    paid_at: datetime | None
    lines: list[LineView]
    last_payment: PaymentView | None
    # What the customer has in credit now, for what a draft would come to.
    balance_minor: int = 0
