"""How a subscription is changed while it runs, and what that is charged."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

from billing.collection.service import Collecting, Collection
from billing.customers.models import Customer
from billing.payments.models import Payment
from billing.subscriptions.models import Subscription, SubscriptionView
from billing.subscriptions.service.invoicing import Invoicing
from billing.subscriptions.service.quoting import Change, Quote, Quoting
from billing.subscriptions.service.requests import Requests
from billing.subscriptions.service.standing import Standing
from core.web.etags import Preconditions


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is written when a subscription changes, before the provider is asked: in one transaction."""

    requests: Requests
    quoting: Quoting
    invoicing: Invoicing
    standing: Standing
    collection: Collection

    async def begin(
        self, subscription_id: UUID, change: Change, *, user_id: UUID, request_key: UUID, preconditions: Preconditions
    ) -> Payment | None:
        """Changes it, and puts invoice and payment on record; or finds the payment that this request began before.

        Raises:
            CustomerClosed: this customer changes nothing any more.
            SubscriptionNotFound: they have no such subscription.
            PreconditionRequired, PreconditionFailed: it is not said, or not so, which version is changed.
            PaymentMethodNotFound, PaymentMethodRequired: something is due, and there is nothing to pay it with.
            IdempotencyKeyReused: the request that took effect was another one.
            and what `Quoting.quote` raises.
        """
        customer = await self.collection.customers.buying(user_id)
        terms = {"subscription_id": str(subscription_id), **change.terms()}
        # Before the version is looked at, which is the one that this request has made.
        if await self.requests.begun(request_key, terms) is not None:
            return await self.collection.payments.of_request(request_key)
        subscription = await self.standing.locked(subscription_id, customer_id=customer.id)
        preconditions.check(subscription.sequence)
        plan_id = subscription.plan_id
        quote = await self.quoting.quote(subscription, customer, change)
        if not self._write(subscription, quote):
            return None
        await self.requests.keep(request_key, subscription.id, terms)
        is_other_plan = subscription.plan_id != plan_id
        await self.standing.changed(subscription, "subscription.updated", is_other_plan=is_other_plan)
        return await self._charge(subscription, customer, quote, request_key=request_key)

    def _write(self, subscription: Subscription, quote: Quote) -> bool:
        """Puts the subscription on other terms; False where they are those that it has."""
        price, is_planned = quote.present.offer.price, quote.planned != quote.present
        after = {
            "plan_id": price.plan_id,
            "price_id": price.id,
            "quantity": quote.present.quantity,
            "next_price_id": quote.planned.offer.price.id if is_planned else None,
            "next_quantity": quote.planned.quantity if is_planned else None,
        }
        if all(getattr(subscription, name) == value for name, value in after.items()):
            return False
        for name, value in after.items():
            setattr(subscription, name, value)
        quote.effect.run.onto(subscription)
        return True

    async def _charge(
        self, subscription: Subscription, customer: Customer, quote: Quote, *, request_key: UUID
    ) -> Payment | None:
        items = quote.effect.items
        if not quote.is_invoiced:
            await self.invoicing.put_off(subscription, items)
            return None
        invoice = await self.invoicing.issue(subscription, customer, items, reason="subscription_update")
        if invoice.status == "paid":
            return None
        method = await self.collection.methods.chosen(customer, subscription.payment_method_id)
        return await self.collection.begin_with(invoice, method, request_key=request_key, automatic=True)


@dataclass(frozen=True, slots=True)
class Changing:
    """The steps of a change: `begin` opens a transaction of its own, the rest is written in that of the request."""

    begin: Callable[[], AbstractAsyncContextManager[Changes]]
    collecting: Collecting
    changes: Changes

    async def change(
        self, subscription_id: UUID, change: Change, *, user_id: UUID, request_key: UUID, preconditions: Preconditions
    ) -> SubscriptionView:
        """Changes a subscription and collects what is due; where that fails, it is changed and behind with its payment.

        Raises:
            what `Changes.begin` raises.
        """
        async with self.begin() as changes:
            payment = await changes.begin(
                subscription_id, change, user_id=user_id, request_key=request_key, preconditions=preconditions
            )
        if payment is not None:
            await self.collecting.collect(payment)
        return await self.changes.invoicing.view(subscription_id)
