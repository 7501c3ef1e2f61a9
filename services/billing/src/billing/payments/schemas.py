"""What payment methods look like on the wire."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field, StrictBool

from billing.payments.models import PaymentMethod, PaymentMethodId, PaymentMethodView
from core.web.text import Line


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
