"""What payment methods and payments look like on the wire."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field, StrictBool

from billing.customers.models import CustomerId
from billing.money import Money
from billing.payments.models import (
    PaymentId,
    PaymentMethod,
    PaymentMethodId,
    PaymentMethodView,
    PaymentStatus,
    PaymentView,
)
from core.ids import TypeId
from core.web.pages import PageQuery
from core.web.text import Line

# Invoices stand above: a payment names one and knows no more of it.
InvoiceId = Annotated[UUID, TypeId("inv")]


class PaymentMethodCreate(BaseModel, extra="forbid"):
    """A payment method, by the token that the provider gave for it."""

    provider_token: Line = Field(examples=["pm_card_visa"])
    default: StrictBool = Field(
        default=False, description="Whether to charge it from now on; the first one becomes the default in any case."
    )


class PaymentMethodRead(BaseModel, from_attributes=True):
    """A payment method; no card number is ever here."""

    id: PaymentMethodId
    brand: str
    last4: str
    default: bool = Field(validation_alias="is_default")
    created_at: datetime

    @classmethod
    def of(cls, method: PaymentMethod | PaymentMethodView) -> Self:
        return cls.model_validate(method)


class PaymentQuery(PageQuery):
    """Which payments to list."""

    invoice_id: InvoiceId | None = Field(default=None, description="Attempts to collect this invoice.")
    customer_id: CustomerId | None = Field(default=None, description="Attempts to collect an invoice of this customer.")
    status: PaymentStatus | None = Field(default=None, description="What has become of it.")


class PaymentRead(BaseModel):
    """An attempt to collect an invoice."""

    id: PaymentId
    invoice_id: InvoiceId
    customer_id: CustomerId
    payment_method_id: PaymentMethodId | None = Field(description="Null once the method is removed.")
    status: PaymentStatus
    decline_code: str | None
    automatic: bool = Field(description="Whether nobody asked for it, as when a period begins.")
    amount: Money
    fee: Money = Field(description="What the payment provider kept for itself.")
    refunded: Money = Field(description="What was given back, or is about to be.")
    created_at: datetime
    settled_at: datetime | None

    @classmethod
    def of(cls, payment: PaymentView) -> Self:
        def money(minor: int) -> Money:
            return Money(amount=minor, currency=payment.currency)

        return cls(
            id=payment.id,
            invoice_id=payment.invoice_id,
            customer_id=payment.customer_id,
            payment_method_id=payment.payment_method_id,
            status=payment.status,
            decline_code=payment.decline_code,
            automatic=payment.automatic,
            amount=money(payment.amount_minor),
            fee=money(payment.fee_minor),
            refunded=money(payment.refunded_minor),
            created_at=payment.created_at,
            settled_at=payment.settled_at,
        )
