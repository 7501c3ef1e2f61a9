"""How credit notes are stored and read; triggers keep them as they were issued."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from billing.payments.models import RefundStatus
from billing.tables import Base
from core.ids import TypeId

CreditNoteId = Annotated[UUID, TypeId("crn")]
CreditNoteLineId = Annotated[UUID, TypeId("cnl")]


class CreditNote(Base):
    """What is taken back of an invoice, and where it went: off what is owed, to the balance, or back to the payer."""

    __tablename__ = "credit_notes"
    __table_args__ = (
        CheckConstraint("subtotal_minor + tax_minor = total_minor", name="total"),
        CheckConstraint(
            "applied_minor >= 0 AND credit_minor >= 0 AND refund_minor >= 0"
            " AND applied_minor + credit_minor + refund_minor = total_minor",
            name="uses",
        ),
        Index(None, "created_at", "id"),
        Index(None, "customer_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))
    number: Mapped[str] = mapped_column(unique=True)
    currency: Mapped[str]
    reason: Mapped[str]
    subtotal_minor: Mapped[int]
    tax_minor: Mapped[int]
    total_minor: Mapped[int]
    applied_minor: Mapped[int]
    credit_minor: Mapped[int]
    refund_minor: Mapped[int]
    # As they are on the invoice.
    seller: Mapped[Mapping[str, Any]]
    buyer: Mapped[Mapping[str, Any]]
    # Names the request that issued it, so that its retry after a crash goes on with its refund.
    request_key: Mapped[UUID] = mapped_column(unique=True)
    sequence: Mapped[int]
    created_at: Mapped[datetime]


class CreditNoteLine(Base):
    __tablename__ = "credit_note_lines"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    credit_note_id: Mapped[UUID] = mapped_column(ForeignKey("credit_notes.id"), index=True)
    invoice_line_id: Mapped[UUID] = mapped_column(ForeignKey("invoice_lines.id"), index=True)
    position: Mapped[int]
    description: Mapped[str]
    net_minor: Mapped[int]
    tax_rate: Mapped[Decimal]
    tax_minor: Mapped[int]


class CreditNoteLineView(BaseModel):
    """A line as it is read with its credit note."""

    id: UUID
    invoice_line_id: UUID
    description: str
    net_minor: int
    tax_rate: Decimal
    tax_minor: int


class RefundOfView(BaseModel):
    """What a credit note gives back to the payer."""

    id: UUID
    status: RefundStatus
    failure_code: str | None


class CreditNoteView(BaseModel):
    """A credit note with its lines and its refund."""

    id: UUID
    invoice_id: UUID
    customer_id: UUID
    number: str
    currency: str
    reason: str
    subtotal_minor: int
    total_minor: int
    applied_minor: int
    credit_minor: int
    refund_minor: int
    created_at: datetime
    lines: list[CreditNoteLineView]
    refund: RefundOfView | None
