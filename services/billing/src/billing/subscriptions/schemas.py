"""What a subscription looks like on the wire."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StrictInt
from pydantic_core import PydanticCustomError

from billing.catalog.models import PlanId, PriceId
from billing.catalog.schemas import TRIAL_DAYS_MAX
from billing.customers.models import CustomerId
from billing.invoices.models import SubscriptionId
from billing.invoices.rules import Item, Taxed, by_rate
from billing.invoices.schemas import InvoiceRead, InvoiceTaxRead
from billing.money import QUANTITY_MAX, Currency, DecimalText, Money
from billing.payments.models import PaymentMethodId
from billing.subscriptions.models import SubscriptionStatus, SubscriptionView
from billing.subscriptions.rules import Effective, Proration
from billing.subscriptions.service import Preview, When
from core.web.pages import Instant
from core.web.patches import MergePatch


def _text(value: object) -> object:
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise PydanticCustomError("datetime_string", "Input should be an instant such as '2025-06-16T07:30:00Z'")
    return value


def _finite(at: datetime) -> datetime:
    """The first instant of the calendar, which some clients send for none, is minus infinity to asyncpg."""
    if at == datetime.min.replace(tzinfo=UTC):
        raise PydanticCustomError("datetime_finite", "Input should be later than the first instant of the calendar")
    return at


_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
# Anything else, such as a number, would be read as seconds, or as milliseconds if it is large.
InstantText = Annotated[Instant, BeforeValidator(_text), AfterValidator(_finite)]
Quantity = Annotated[StrictInt, Field(ge=1, le=QUANTITY_MAX, description="1 for a flat price.")]


class SubscriptionCreate(BaseModel, extra="forbid"):
    """What to subscribe to."""

    price_id: PriceId
    quantity: Quantity = 1
    payment_method_id: PaymentMethodId | None = Field(default=None, description="Left out: the default one.")
    trial_days: Annotated[StrictInt, Field(ge=0, le=TRIAL_DAYS_MAX)] | None = Field(
        default=None,
        description="At most those of the price, or `BILLING_TRIAL_DAYS_MAX`. Left out: those of the price; none for "
        "who has had the plan before.",
    )
    billing_cycle_anchor: InstantText | None = Field(
        default=None,
        description="The instant that periods are counted from: in the past, or at most one period ahead. The first "
        "period ends at the next of them, and costs its share. Left out: now.",
    )


class SubscriptionPatch(MergePatch):
    """A change of what is subscribed to; what is left out stays as it is."""

    price_id: PriceId
    quantity: Quantity
    proration: Proration = Field(
        description="What becomes of the rest of the period: an invoice now (left out: this), lines of the next "
        "invoice, or nothing."
    )
    effective: Effective = Field(description="When it takes effect; left out: now.")
    proration_at: InstantText = Field(
        description="Computes with this instant of the running period, such as that of a preview a moment ago; at most "
        "`BILLING_PRORATION_BACK_S` ago. Left out: now."
    )


class InvoicePreview(BaseModel, extra="forbid"):
    """A change of a subscription, to be computed and not made; what is left out stays as it is."""

    subscription_id: SubscriptionId
    price_id: PriceId | None = None
    quantity: Quantity | None = None
    proration: Proration = "invoice_now"
    effective: Effective = "now"
    proration_at: InstantText | None = Field(
        default=None, description="Any instant of what was charged last that has not ended."
    )


class SubscriptionCancel(BaseModel, extra="forbid"):
    """When a subscription ends."""

    when: When = "now"


class SubscriptionRead(BaseModel):
    """A subscription; `incomplete` until its first invoice is paid."""

    id: SubscriptionId
    status: SubscriptionStatus
    customer_id: CustomerId
    plan_id: PlanId
    price_id: PriceId
    quantity: int
    payment_method_id: PaymentMethodId | None
    billing_cycle_anchor: datetime
    current_period_start: datetime
    current_period_end: datetime
    cancel_at_period_end: bool
    next_price_id: PriceId | None = Field(description="What it changes to at the end of the period.")
    next_quantity: int | None
    ended_at: datetime | None
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
            billing_cycle_anchor=subscription.anchor_at,
            current_period_start=subscription.current_period_start,
            current_period_end=subscription.current_period_end,
            cancel_at_period_end=subscription.cancel_at_period_end,
            next_price_id=subscription.next_price_id,
            next_quantity=subscription.next_quantity,
            ended_at=subscription.ended_at,
            created_at=subscription.created_at,
            latest_invoice=subscription.latest_invoice and InvoiceRead.of(subscription.latest_invoice),
        )


class PreviewLineRead(BaseModel):
    """A line of an invoice that there is not."""

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
    def of(cls, item: Item, tax_minor: int, currency: str) -> Self:
        return cls(
            description=item.description,
            quantity=item.quantity,
            unit_amount=item.unit_amount,
            net=Money(amount=item.net_minor, currency=currency),
            tax_rate=item.tax_rate,
            tax=Money(amount=tax_minor, currency=currency),
            proration=item.proration,
            period_start=item.period_start,
            period_end=item.period_end,
        )


class InvoicePreviewRead(BaseModel):
    """An invoice as it would be; it has neither id nor number, and nobody owes it."""

    status: Literal["draft"] = "draft"
    currency: Currency
    subtotal: Money
    taxes: list[InvoiceTaxRead]
    total: Money
    amount_due: Money = Field(description="What the balance of the customer leaves of the total.")
    lines: list[PreviewLineRead]
    customer_id: CustomerId
    subscription_id: SubscriptionId
    period_start: datetime
    period_end: datetime

    @classmethod
    def of(cls, preview: Preview) -> Self:
        currency, totals = preview.currency, preview.totals
        taxed = list(zip(preview.items, totals.taxes_minor, strict=True))
        rates = by_rate([Taxed(item.tax_rate, item.net_minor, tax_minor) for item, tax_minor in taxed])
        return cls(
            currency=currency,
            subtotal=Money(amount=totals.subtotal_minor, currency=currency),
            taxes=[InvoiceTaxRead.of(each, currency) for each in rates],
            total=Money(amount=totals.total_minor, currency=currency),
            amount_due=Money(amount=totals.amount_due_minor, currency=currency),
            lines=[PreviewLineRead.of(item, tax_minor, currency) for item, tax_minor in taxed],
            customer_id=preview.subscription.customer_id,
            subscription_id=preview.subscription.id,
            period_start=preview.period.start,
            period_end=preview.period.end,
        )
