"""What a subscription looks like on the wire."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StrictInt

from billing.catalog.models import PlanId, PriceId
from billing.customers.models import CustomerId
from billing.invoices.models import SubscriptionId
from billing.invoices.schemas import InvoiceRead
from billing.money import QUANTITY_MAX
from billing.payments.models import PaymentMethodId
from billing.subscriptions.models import SubscriptionStatus, SubscriptionView


class SubscriptionCreate(BaseModel, extra="forbid"):
    """What to subscribe to."""

    price_id: PriceId
    quantity: Annotated[StrictInt, Field(ge=1, le=QUANTITY_MAX, description="1 for a flat price.")] = 1
    payment_method_id: PaymentMethodId | None = Field(default=None, description="Left out: the default one.")


class SubscriptionRead(BaseModel):
    """A subscription; `incomplete` until its first invoice is paid."""

    id: SubscriptionId
    status: SubscriptionStatus
    customer_id: CustomerId
    plan_id: PlanId
    price_id: PriceId
    quantity: int
    payment_method_id: PaymentMethodId | None
    current_period_start: datetime
    current_period_end: datetime
    created_at: datetime
    latest_invoice: InvoiceRead | None

    @classmethod
    def of(cls, subscription: SubscriptionView) -> Self:
        return cls(
            id=subscription.id,
            status=subscription.status,
            customer_id=subscription.customer_id,
            plan_id=subscription.plan_id,
            price_id=subscription.price_id,
            quantity=subscription.quantity,
            payment_method_id=subscription.payment_method_id,
            current_period_start=subscription.current_period_start,
            current_period_end=subscription.current_period_end,
            created_at=subscription.created_at,
            latest_invoice=subscription.latest_invoice and InvoiceRead.of(subscription.latest_invoice),
        )
