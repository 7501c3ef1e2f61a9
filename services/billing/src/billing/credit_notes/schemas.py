"""What credit notes look like on the wire."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from billing.credit_notes.models import (
    CreditNoteId,
    CreditNoteLineId,
    CreditNoteLineView,
    CreditNoteView,
    RefundOfView,
)
from billing.credit_notes.service import Order
from billing.customers.models import CustomerId
from billing.customers.schemas import CustomerFilter
from billing.invoices.models import InvoiceId, InvoiceLineId
from billing.invoices.rules import LINES_MAX, Taxed, by_rate
from billing.invoices.schemas import InvoiceTaxRead
from billing.money import Currency, DecimalText, Money, NonzeroMoney
from billing.payments.models import RefundStatus
from billing.refunds.models import RefundId
from core.web.text import Line


class CreditNoteLineCreate(BaseModel, extra="forbid"):
    """What is taken back of a line; its tax follows."""

    invoice_line_id: InvoiceLineId
    net_amount: NonzeroMoney = Field(
        description="Before tax: at most what is left of the line. That of a line below zero, such as a discount, is "
        "below zero."
    )


def _each_once(lines: list[CreditNoteLineCreate]) -> list[CreditNoteLineCreate]:
    if len({line.invoice_line_id for line in lines}) < len(lines):
        raise PydanticCustomError("duplicate_line", "Each line of the invoice should be named once")
    return lines


class CreditNoteCreate(BaseModel, extra="forbid"):
    """A correction of an open or paid invoice.

    On an open one it first takes off what is still to be paid; the rest, and all of it on a paid one, is refunded or
    goes to the customer's balance. Where one of the two is said, the other is what is left; where none is, all goes to
    the balance.
    """

    invoice_id: InvoiceId
    lines: Annotated[list[CreditNoteLineCreate], Field(min_length=1, max_length=LINES_MAX), AfterValidator(_each_once)]
    refund_amount: Money | None = Field(default=None, description="Goes back to what the invoice was paid with.")
    credit_amount: Money | None = Field(default=None, description="Goes to the customer's balance.")
    reason: Line = Field(examples=["Returned"])

    def order(self) -> Order:
        """The same, as the business has it."""
        return Order(
            invoice_id=self.invoice_id,
            nets={line.invoice_line_id: line.net_amount for line in self.lines},
            refund=self.refund_amount,
            credit=self.credit_amount,
            reason=self.reason,
        )


class CreditNoteFilter(CustomerFilter):
    """Which credit notes to list."""

    invoice_id: InvoiceId | None = Field(default=None, description="Nothing but those of this invoice.")


class CreditNoteLineRead(BaseModel):
    """What is taken back of a line of the invoice."""

    id: CreditNoteLineId
    invoice_line_id: InvoiceLineId
    description: str
    net: Money
    tax_rate: DecimalText = Field(description="`0.21` is 21 %.")
    tax: Money

    @classmethod
    def of(cls, line: CreditNoteLineView, currency: str) -> Self:
        return cls(
            id=line.id,
            invoice_line_id=line.invoice_line_id,
            description=line.description,
            net=Money(amount=line.net_minor, currency=currency),
            tax_rate=line.tax_rate,
            tax=Money(amount=line.tax_minor, currency=currency),
        )


class RefundOfRead(BaseModel, from_attributes=True):
    """What became of the refund of a credit note; one that fails is on the customer's balance."""

    id: RefundId
    status: RefundStatus
    failure_code: str | None

    @classmethod
    def of(cls, refund: RefundOfView) -> Self:
        return cls.model_validate(refund)


class CreditNoteRead(BaseModel):
    """A credit note; nothing but what became of its refund ever changes.

    `total` is `applied_amount`, which came off what was to be paid, and `credit_amount` and `refund_amount`.
    """

    id: CreditNoteId
    number: str
    invoice_id: InvoiceId
    customer_id: CustomerId
    currency: Currency
    reason: str
    subtotal: Money
    taxes: list[InvoiceTaxRead]
    total: Money
    applied_amount: Money
    credit_amount: Money
    refund_amount: Money
    lines: list[CreditNoteLineRead]
    refund: RefundOfRead | None
    created_at: datetime

    @classmethod
    def of(cls, note: CreditNoteView) -> Self:
        def money(minor: int) -> Money:
            return Money(amount=minor, currency=note.currency)

        taxed = by_rate([Taxed(line.tax_rate, line.net_minor, line.tax_minor) for line in note.lines])
        return cls(
            id=note.id,
            number=note.number,
            invoice_id=note.invoice_id,
            customer_id=note.customer_id,
            currency=note.currency,
            reason=note.reason,
            subtotal=money(note.subtotal_minor),
            taxes=[InvoiceTaxRead.of(each, note.currency) for each in taxed],
            total=money(note.total_minor),
            applied_amount=money(note.applied_minor),
            credit_amount=money(note.credit_minor),
            refund_amount=money(note.refund_minor),
            lines=[CreditNoteLineRead.of(line, note.currency) for line in note.lines],
            refund=note.refund and RefundOfRead.of(note.refund),
            created_at=note.created_at,
        )
