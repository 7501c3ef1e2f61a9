"""What refunds look like on the wire."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from billing.customers.models import CustomerId
from billing.money import Money, PositiveMoney
from billing.payments.models import PaymentId, RefundStatus
from billing.refunds.models import CreditNoteId, Refund, RefundId, RefundView


class RefundCreate(BaseModel, extra="forbid"):
    """A part of the customer's balance, to be given back to what a payment was made with."""

    payment_id: PaymentId
    amount: PositiveMoney = Field(
        description="At most what is left of the payment, and the customer's balance. What was earned is taken back by "
        "a credit note, not here."
    )


class RefundRead(BaseModel):
    """Money that goes back to who paid it; one that fails is on the customer's balance."""

    id: RefundId
    payment_id: PaymentId
    credit_note_id: CreditNoteId | None
    customer_id: CustomerId
    amount: Money
    status: RefundStatus
    failure_code: str | None
    created_at: datetime
    settled_at: datetime | None

    @classmethod
    def of(cls, refund: Refund | RefundView) -> Self:
        return cls(
            id=refund.id,
            payment_id=refund.payment_id,
            credit_note_id=refund.credit_note_id,
            customer_id=refund.customer_id,
            amount=Money(amount=refund.amount_minor, currency=refund.currency),
            status=refund.status,
            failure_code=refund.failure_code,
            created_at=refund.created_at,
            settled_at=refund.settled_at,
        )
