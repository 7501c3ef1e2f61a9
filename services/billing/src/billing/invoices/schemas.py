"""What an invoice looks like on the wire."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from billing.customers.models import CustomerId
from billing.invoices.models import (
    InvoiceId,
    InvoiceLineId,
    InvoiceStatus,
    InvoiceView,
    LineView,
    PaymentView,
    SubscriptionId,
)
from billing.invoices.rules import Taxed, by_rate
from billing.money import Currency, DecimalText, Money, Quantity, Rate, UnitAmount
from billing.payments.models import PaymentId, PaymentStatus
from core.web.text import Line


class InvoiceCreate(BaseModel, extra="forbid"):
    """A new one-off invoice."""

    customer_id: CustomerId
    currency: Currency


class InvoiceLineCreate(BaseModel, extra="forbid"):
    """A new line of a draft."""

    description: Line
    quantity: Quantity = Field(description="A negative one takes something back.")
    unit_amount: UnitAmount
    tax_rate: Rate


class InvoiceTaxRead(BaseModel):
    """The tax of one rate: rounded once, on the sum of its lines."""

    rate: DecimalText = Field(description="`0.21` is 21 %.")
    base: Money
    amount: Money

    @classmethod
    def of(cls, taxed: Taxed, currency: str) -> Self:
        base = Money(amount=taxed.net_minor, currency=currency)
        return cls(rate=taxed.rate, base=base, amount=Money(amount=taxed.tax_minor, currency=currency))


class InvoiceLineRead(BaseModel):
    """A line; `net` is the quantity times the unit amount, rounded half away from zero."""

    id: InvoiceLineId
    description: str
    quantity: DecimalText
    unit_amount: DecimalText = Field(description="Minor units.")
    net: Money
    tax_rate: DecimalText = Field(description="`0.21` is 21 %.")
    tax: Money
    proration: bool
    period_start: datetime
    period_end: datetime

    @classmethod
    def of(cls, line: LineView, currency: str) -> Self:
        return cls(
            id=line.id,
            description=line.description,
            quantity=line.quantity,
            unit_amount=line.unit_amount,
            net=Money(amount=line.net_minor, currency=currency),
            tax_rate=line.tax_rate,
            tax=Money(amount=line.tax_minor, currency=currency),
            proration=line.proration,
            period_start=line.period_start,
            period_end=line.period_end,
        )


class LastPaymentRead(BaseModel, from_attributes=True):
    """The last attempt to collect an invoice; a declined one says why."""

    id: PaymentId
    status: PaymentStatus
    decline_code: str | None

    @classmethod
    def of(cls, payment: PaymentView) -> Self:
        return cls.model_validate(payment)


class InvoiceRead(BaseModel):
    """An invoice; a draft has the amounts that it would have now, and any other moves in its payment state alone."""

    id: InvoiceId
    number: str | None
    status: InvoiceStatus
    currency: Currency
    subtotal: Money
    taxes: list[InvoiceTaxRead]
    total: Money
    amount_due: Money
    amount_paid: Money
    amount_remaining: Money
    lines: list[InvoiceLineRead]
    customer_id: CustomerId
    subscription_id: SubscriptionId | None
    period_start: datetime
    period_end: datetime
    created_at: datetime
    finalized_at: datetime | None
    due_at: datetime | None
    paid_at: datetime | None
    last_payment: LastPaymentRead | None

    @classmethod
    def of(cls, invoice: InvoiceView) -> Self:
        currency = invoice.currency
        taxed = by_rate([Taxed(line.tax_rate, line.net_minor, line.tax_minor) for line in invoice.lines])
        remaining = invoice.amount_due_minor - invoice.amount_paid_minor - invoice.credited_minor
        return cls(
            id=invoice.id,
            number=invoice.number,
            status=invoice.status,
            currency=currency,
            subtotal=Money(amount=invoice.subtotal_minor, currency=currency),
            taxes=[InvoiceTaxRead.of(each, currency) for each in taxed],
            total=Money(amount=invoice.total_minor, currency=currency),
            amount_due=Money(amount=invoice.amount_due_minor, currency=currency),
            amount_paid=Money(amount=invoice.amount_paid_minor, currency=currency),
            amount_remaining=Money(amount=remaining, currency=currency),
            lines=[InvoiceLineRead.of(line, currency) for line in invoice.lines],
            customer_id=invoice.customer_id,
            subscription_id=invoice.subscription_id,
            period_start=invoice.period_start,
            period_end=invoice.period_end,
            created_at=invoice.created_at,
            finalized_at=invoice.finalized_at,
            due_at=invoice.due_at,
            paid_at=invoice.paid_at,
            last_payment=invoice.last_payment and LastPaymentRead.of(invoice.last_payment),
        )
