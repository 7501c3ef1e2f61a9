"""How a subscription begins, and what is refused."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from billing.catalog.models import Offer, Price
from billing.catalog.service import Catalog
from billing.collection.service import Collecting, Collection
from billing.customers.models import Customer
from billing.payments.models import Payment, PaymentMethod
from billing.subscriptions.models import Subscription, SubscriptionView
from billing.subscriptions.repository import SubscriptionRepository
from billing.subscriptions.rules import Run, Terms, boundary, charged, first_item, period_at
from billing.subscriptions.service.invoicing import Invoicing
from billing.subscriptions.service.quoting import AlreadySubscribed, QuantityNotAllowed
from billing.subscriptions.service.requests import Requests
from billing.subscriptions.service.standing import Standing
from core.clock import Clock
from core.errors import FieldError, Invalid
from core.ids import new_id


class AnchorNotAllowed(Invalid):
    """Periods are counted from an instant that is at most one of them ahead, and from no other where a trial ends."""

    code = "billing_cycle_anchor_not_allowed"

    def __init__(self) -> None:
        super().__init__(errors=(FieldError("#/billing_cycle_anchor", self.code, self.title()),))


class TrialNotAllowed(Invalid):
    """A trial of a plan is given once, and is no longer than that of the price or what may be asked for."""

    code = "trial_not_allowed"

    def __init__(self) -> None:
        super().__init__(errors=(FieldError("#/trial_days", self.code, self.title()),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody subscribes to; `request_key` is the same for every attempt of one request."""

    user_id: UUID
    price_id: UUID
    quantity: int
    payment_method_id: UUID | None
    # None: that of the price.
    trial_days: int | None
    # None: periods are counted from now, or from the end of the trial.
    billing_cycle_anchor: datetime | None
    request_key: UUID

    def terms(self) -> dict[str, Any]:
        """What is asked for as JSON, by which a retry is known."""
        asked_for = asdict(self)
        del asked_for["request_key"], asked_for["user_id"]
        return {name: None if value is None else str(value) for name, value in asked_for.items()}


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """What is written when somebody subscribes, before the provider is asked: in one transaction."""

    repository: SubscriptionRepository
    requests: Requests
    invoicing: Invoicing
    standing: Standing
    catalog: Catalog
    collection: Collection
    clock: Clock
    trial_days_max: int

    async def begin(self, order: Order) -> tuple[UUID, Payment | None]:
        """Puts subscription, invoice and payment on record, or finds those that this request began before.

        Raises:
            CustomerClosed: this customer buys nothing any more.
            PriceNotFound, QuantityNotAllowed, AlreadySubscribed, CurrencyMismatch: this customer cannot buy it.
            TrialNotAllowed, AnchorNotAllowed: not with that trial; its periods cannot be counted from there.
            PaymentMethodNotFound, PaymentMethodRequired: there is nothing to pay it with.
            IdempotencyKeyReused: the request that began it was another one.
        """
        # Locked: of two requests of one customer the second sees what the first has done.
        customer = await self.collection.customers.buying(order.user_id)
        begun = await self.requests.begun(order.request_key, order.terms())
        if begun is not None:
            return begun, await self.collection.payments.of_request(order.request_key)
        offer = await self.catalog.offer(order.price_id)
        await self._refuse(order, offer.price, customer)
        trial_days = await self._trial_days(order, offer.price, customer)
        subscription = self._subscription(order, offer.price, customer, trial_days=trial_days)
        method = await self._method(order, subscription, offer.price, customer)
        await self.standing.create(subscription)
        await self.requests.keep(order.request_key, subscription.id, order.terms())
        if subscription.status == "trialing":
            return subscription.id, None
        return subscription.id, await self._invoice(
            subscription, offer, customer, method, request_key=order.request_key
        )

    async def _refuse(self, order: Order, price: Price, customer: Customer) -> None:
        if price.model == "flat" and order.quantity != 1:
            raise QuantityNotAllowed
        if await self.repository.live(customer_id=customer.id, plan_id=price.plan_id):
            raise AlreadySubscribed
        self.collection.customers.keep_to_currency(customer, price.currency)

    async def _method(
        self, order: Order, subscription: Subscription, price: Price, customer: Customer
    ) -> PaymentMethod | None:
        """What the first invoice is paid with; a method that is named must be there even if nothing is due yet."""
        if order.payment_method_id is None and (subscription.status == "trialing" or not price.unit_amount):
            return None
        return await self.collection.methods.chosen(customer, order.payment_method_id)

    async def _trial_days(self, order: Order, price: Price, customer: Customer) -> int:
        """The trial that is asked for, else that of the price; whoever has had the plan before gets none."""
        is_used = await self.repository.had(customer_id=customer.id, plan_id=price.plan_id)
        if order.trial_days is None:
            return 0 if is_used else price.trial_days
        if order.trial_days and (is_used or order.trial_days > max(price.trial_days, self.trial_days_max)):
            raise TrialNotAllowed
        return order.trial_days

    def _subscription(self, order: Order, price: Price, customer: Customer, *, trial_days: int) -> Subscription:
        now = self.clock.now()
        trial_end = now + timedelta(days=trial_days)
        anchor_at = order.billing_cycle_anchor or trial_end
        if order.billing_cycle_anchor is not None and (trial_days or anchor_at > boundary(now, price.interval, 1)):
            raise AnchorNotAllowed
        return Subscription(
            id=new_id(),
            customer_id=customer.id,
            plan_id=price.plan_id,
            price_id=price.id,
            quantity=order.quantity,
            payment_method_id=order.payment_method_id,
            status="trialing" if trial_days else "incomplete",
            anchor_at=anchor_at,
            current_period_start=now,
            current_period_end=trial_end if trial_days else period_at(anchor_at, price.interval, now).end,
            sequence=1,
            created_at=now,
        )

    async def _invoice(
        self,
        subscription: Subscription,
        offer: Offer,
        customer: Customer,
        method: PaymentMethod | None,
        *,
        request_key: UUID,
    ) -> Payment | None:
        """Issues the invoice of the first period; gives the payment to collect, if there is anything to pay."""
        run = Run.of(subscription)
        item = first_item(Terms(offer, subscription.quantity), run.period, anchor_at=run.anchor_at)
        replace(run, coverage=charged(item)).onto(subscription)
        invoice = await self.invoicing.issue(subscription, customer, [item], reason="subscription_create")
        if invoice.status == "paid":
            await self.standing.paid(invoice)
            return None
        assert method is not None  # noqa: S101 - only a price of nothing needs none, and its invoice is paid
        return await self.collection.begin_with(invoice, method, request_key=request_key)


@dataclass(frozen=True, slots=True)
class Subscribing:
    """The steps of subscribing: `begin` opens a transaction of its own, the rest is written in that of the request."""

    begin: Callable[[], AbstractAsyncContextManager[Subscriptions]]
    collecting: Collecting
    subscriptions: Subscriptions

    async def subscribe(self, order: Order) -> SubscriptionView:
        """Subscribes and collects the first invoice; a payment that fails leaves the subscription incomplete.

        Raises:
            what `Subscriptions.begin` raises.
        """
        async with self.begin() as subscriptions:
            subscription_id, payment = await subscriptions.begin(order)
        if payment is not None:
            await self.collecting.collect(payment)
        return await self.subscriptions.invoicing.view(subscription_id)
