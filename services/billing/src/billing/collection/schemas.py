"""What a payment is asked for with."""

from pydantic import BaseModel, Field

from billing.payments.models import PaymentMethodId


class InvoicePay(BaseModel, extra="forbid"):
    """How to pay an invoice."""

    payment_method_id: PaymentMethodId | None = Field(default=None, description="Left out: the default one.")
