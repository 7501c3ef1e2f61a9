"""How a subscription begins, and what is refused."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from billing.catalog.models import Offer, Price
from billing.catalog.service import Catalog
from billing.collection.service import Collecting, Collection
from billing.customers.models import Customer
from billing.invoices.rules import Item
from billing.payments.models import Payment, PaymentMethod
from billing.subscriptions.models import Subscription, SubscriptionView
from billing.subscriptions.repository import SubscriptionRepository
from billing.subscriptions.rules import boundary
from billing.subscriptions.service.standing import Standing
from core.clock import Clock
from core.errors import Conflict, FieldError, Invalid
from core.idempotency import IdempotencyKeyReused
from core.ids import new_id


class AlreadySubscribed(Conflict):
    """The customer is subscribed to this plan already."""

    code = "already_subscribed"


class QuantityNotAllowed(Invalid):
    """A flat price is bought once."""

    code = "quantity_not_allowed"

    def __init__(self) -> None:
        super().__init__(errors=(FieldError("#/quantity", self.code, self.title()),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody subscribes to; `request_key` is the same for every attempt of one request."""

    user_id: UUID
    price_id: UUID
    quantity: int
    payment_method_id: UUID | None
    request_key: UUID


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """What is written when somebody subscribes, before the provider is asked: in one transaction."""

    repository: SubscriptionRepository
    standing: Standing
    catalog: Catalog
    collection: Collection
    clock: Clock

    async def begin(self, order: Order) -> tuple[UUID, Payment | None]:
        """Puts subscription, invoice and payment on record, or finds those that this request began before.

        Raises:
            CustomerClosed: this customer buys nothing any more.
            PriceNotFound, QuantityNotAllowed, AlreadySubscribed, CurrencyMismatch: this customer cannot buy it.
            PaymentMethodNotFound, PaymentMethodRequired: there is nothing to pay it with.
            IdempotencyKeyReused: the request that began it was another one.
        """
        # Locked: of two requests of one customer the second sees what the first has done.
        customer = await self.collection.customers.buying(order.user_id)
        begun = await self.repository.of_request(order.request_key)
        if begun is not None:
            asked_for = (begun.price_id, begun.quantity, begun.payment_method_id)
            if asked_for != (order.price_id, order.quantity, order.payment_method_id):
                raise IdempotencyKeyReused
            return begun.id, await self.collection.payments.of_request(order.request_key)
        offer = await self.catalog.offer(order.price_id)
        price = offer.price
        await self._refuse(order, price, customer)
        method = await self._method(order, price, customer)
        subscription = self._subscription(order, price, customer)
        await self.standing.create(subscription)
        if price.trial_days:
            return subscription.id, None
        return subscription.id, await self._invoice(subscription, offer, customer, method)

    async def view(self, subscription_id: UUID) -> SubscriptionView:
        """The subscription as it is read, with what this transaction has changed."""
        view = await self.repository.view(subscription_id)
        latest = await self.collection.invoices.latest_of(subscription_id)
        return view.model_copy(update={"latest_invoice": latest})

    async def _refuse(self, order: Order, price: Price, customer: Customer) -> None:
        if price.model == "flat" and order.quantity != 1:
            raise QuantityNotAllowed
        if await self.repository.live(customer_id=customer.id, plan_id=price.plan_id) is not None:
            raise AlreadySubscribed
        self.collection.customers.keep_to_currency(customer, price.currency)

    async def _method(self, order: Order, price: Price, customer: Customer) -> PaymentMethod | None:
        """What the first invoice is paid with; a method that is named must be there even if nothing is due yet."""
        if order.payment_method_id is None and (price.trial_days or not price.unit_amount):
            return None
        return await self.collection.methods.chosen(customer, order.payment_method_id)

    def _subscription(self, order: Order, price: Price, customer: Customer) -> Subscription:
        now = self.clock.now()
        trial_end = now + timedelta(days=price.trial_days)
        return Subscription(
            id=new_id(),
            customer_id=customer.id,
            plan_id=price.plan_id,
            price_id=price.id,
            quantity=order.quantity,
            payment_method_id=order.payment_method_id,
            status="trialing" if price.trial_days else "incomplete",
            anchor_at=trial_end,
            current_period_start=now,
            current_period_end=trial_end if price.trial_days else boundary(now, price.interval, 1),
            request_key=order.request_key,
            sequence=1,
            created_at=now,
        )

    async def _invoice(
        self, subscription: Subscription, offer: Offer, customer: Customer, method: PaymentMethod | None
    ) -> Payment | None:
        """Issues the invoice of the first period; gives the payment to collect, if there is anything to pay."""
        item = Item(
            description=offer.plan_name,
            quantity=Decimal(subscription.quantity),
            unit_amount=offer.price.unit_amount,
            tax_rate=offer.price.tax_rate,
            period_start=subscription.current_period_start,
            period_end=subscription.current_period_end,
        )
        invoice = await self.collection.invoices.issue(
            customer,
            [item],
            currency=offer.price.currency,
            subscription_id=subscription.id,
            reason="subscription_create",
        )
        subscription.covered_net_minor = item.net_minor
        subscription.covered_tax_rate = item.tax_rate
        subscription.covered_from, subscription.covered_until = item.period_start, item.period_end
        if invoice.status == "paid":
            await self.standing.paid(invoice)
            return None
        assert method is not None  # noqa: S101 - only a price of nothing needs none, and its invoice is paid
        return await self.collection.begin_with(invoice, method, request_key=subscription.request_key)


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
        return await self.subscriptions.view(subscription_id)
