"""How refunds are stored and read."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from billing.payments.models import RefundStatus
from billing.tables import Base
from core.ids import TypeId

RefundId = Annotated[UUID, TypeId("rfd")]
# Credit notes stand above: a refund names one and knows no more of it.
CreditNoteId = Annotated[UUID, TypeId("crn")]


class Refund(Base):
    """Money that goes back; its id is the provider's idempotency key, so that it goes back once at most."""

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("status IN ('processing', 'succeeded', 'failed')", name="status"),
        CheckConstraint("amount_minor > 0", name="amount"),
        Index(None, "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"), index=True)
    # A credit note has one at most; None: what is given back was the customer's balance.
    credit_note_id: Mapped[UUID | None] = mapped_column(ForeignKey("credit_notes.id"), unique=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"), index=True)
    amount_minor: Mapped[int]
    currency: Mapped[str]
    status: Mapped[RefundStatus] = mapped_column(Text)
    failure_code: Mapped[str | None]
    # Names the request that began it, so that its retry after a crash goes on with it.
    request_key: Mapped[UUID] = mapped_column(unique=True)
    sequence: Mapped[int]
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


class RefundView(BaseModel):
    """A refund as it is read."""

    id: UUID
    payment_id: UUID
    credit_note_id: UUID | None
    customer_id: UUID
    amount_minor: int
    currency: str
    status: RefundStatus
    failure_code: str | None
    created_at: datetime
    settled_at: datetime | None
