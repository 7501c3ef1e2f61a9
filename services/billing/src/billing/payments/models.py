"""How payment methods, payments and the sandbox's own books are stored."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.tables import Base
from core.ids import TypeId

PaymentMethodId = Annotated[UUID, TypeId("pm")]
PaymentId = Annotated[UUID, TypeId("pay")]
PaymentStatus = Literal["processing", "succeeded", "failed", "requires_action"]
ChargeStatus = Literal["succeeded", "failed", "requires_action", "unknown"]
RefundStatus = Literal["processing", "succeeded", "failed"]


class PaymentMethod(Base):
    __tablename__ = "payment_methods"
    __table_args__ = (
        Index(None, "customer_id", "created_at", "id"),
        # One default a customer, whatever runs at once.
        Index("uq_payment_methods_default", "customer_id", unique=True, postgresql_where=text("is_default")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))
    # What the provider knows the method by: no card number ever comes here.
    reference: Mapped[str]
    brand: Mapped[str]
    last4: Mapped[str]
    is_default: Mapped[bool]
    created_at: Mapped[datetime]
    # Since when it is nobody's any more: the row stays until the provider has given the method up, too.
    removed_at: Mapped[datetime | None] = mapped_column(default=None)


class Payment(Base):
    """One attempt to collect an invoice; its id is the provider's idempotency key, so that it charges once at most."""

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("status IN ('processing', 'succeeded', 'failed', 'requires_action')", name="status"),
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name="refunded"),
        Index(None, "created_at", "id"),
        Index(None, "status", "created_at", "id"),
        Index(None, "invoice_id", "created_at"),
        # One attempt at a time, whatever runs at once.
        Index("uq_payments_processing", "invoice_id", unique=True, postgresql_where=text("status = 'processing'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"))
    # None once the customer is closed, as the next one.
    payment_method_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment_methods.id"), index=True)
    # What the provider is asked to charge, as it was when the attempt began.
    reference: Mapped[str | None]
    amount_minor: Mapped[int]
    currency: Mapped[str]
    status: Mapped[PaymentStatus] = mapped_column(Text)
    decline_code: Mapped[str | None]
    # Whether nobody asked for it: billing's own attempt, whose failure has consequences.
    automatic: Mapped[bool] = mapped_column(server_default=false())
    # What the provider kept for itself.
    fee_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    # What was given back, or is about to be.
    refunded_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    # Names the request that began the attempt, so that its retry after a crash goes on with it.
    request_key: Mapped[UUID | None] = mapped_column(unique=True)
    sequence: Mapped[int]
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


class SandboxCharge(Base):
    """A charge in the books of the sandbox, which stands for a provider's own database."""

    __tablename__ = "sandbox_charges"

    payment_id: Mapped[UUID] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(index=True)
    amount_minor: Mapped[int]
    currency: Mapped[str]
    status: Mapped[ChargeStatus] = mapped_column(Text)
    decline_code: Mapped[str | None]
    fee_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    created_at: Mapped[datetime]


class SandboxRefund(Base):
    """Money given back, in the books of the sandbox."""

    __tablename__ = "sandbox_refunds"

    refund_id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID]
    amount_minor: Mapped[int]
    currency: Mapped[str]
    status: Mapped[RefundStatus] = mapped_column(Text)
    failure_code: Mapped[str | None]
    created_at: Mapped[datetime]


class SandboxDetachment(Base):
    """A payment method that the sandbox charges no more, in its books."""

    __tablename__ = "sandbox_detachments"

    reference: Mapped[str] = mapped_column(primary_key=True)


class PaymentView(BaseModel):
    """A payment as it is read by who keeps the books."""

    id: UUID
    invoice_id: UUID
    customer_id: UUID
    payment_method_id: UUID | None
    status: PaymentStatus
    decline_code: str | None
    automatic: bool
    amount_minor: int
    fee_minor: int
    refunded_minor: int
    currency: str
    created_at: datetime
    settled_at: datetime | None


class PaymentMethodView(BaseModel):
    """A payment method as its owner reads it."""

    id: UUID
    brand: str
    last4: str
    is_default: bool
    created_at: datetime
