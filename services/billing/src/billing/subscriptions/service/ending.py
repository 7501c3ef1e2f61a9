"""How a subscription is canceled, at once or at the end of its period, and how the latter is taken back."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from billing.collection.service import Collecting, Collection
from billing.customers.models import Customer
from billing.invoices.service import InvalidTransition
from billing.payments.models import Payment
from billing.subscriptions.models import Subscription, SubscriptionView
from billing.subscriptions.repository import LIVE
from billing.subscriptions.service.invoicing import Invoicing
from billing.subscriptions.service.quoting import RenewalDue
from billing.subscriptions.service.standing import Standing
from core.clock import Clock

When = Literal["now", "period_end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endings:
    """What is written when a subscription is canceled, before the provider is asked: in one transaction."""

    invoicing: Invoicing
    standing: Standing
    collection: Collection
    clock: Clock

    async def cancel(self, subscription_id: UUID, when: When, *, user_id: UUID) -> Payment | None:
        """Cancels it, and puts on record what is still to be collected.

        Raises:
            CustomerClosed: this customer has nothing left to cancel.
            SubscriptionNotFound: they have no such subscription.
            InvalidTransition: it has ended, or has not begun and so has no period that ends.
            PaymentInProgress: it has not begun, and its first payment is under way.
        """
        customer = await self.collection.customers.buying(user_id)
        subscription = await self.standing.locked(subscription_id, customer_id=customer.id)
        if subscription.status not in LIVE or (when == "period_end" and subscription.status == "incomplete"):
            raise InvalidTransition(f"The subscription is {subscription.status}.")
        if when == "now":
            return await self.end(subscription, customer)
        if not subscription.cancel_at_period_end:
            subscription.cancel_at_period_end = True
            await self.standing.changed(subscription, "subscription.updated")
        return None

    async def resume(self, subscription_id: UUID, *, user_id: UUID) -> SubscriptionView:
        """Takes back that it ends with its period.

        Raises:
            CustomerClosed, SubscriptionNotFound: there is nothing to go on with.
            InvalidTransition: it does not, or has ended.
            RenewalDue: the period is over.
        """
        customer = await self.collection.customers.buying(user_id)
        subscription = await self.standing.locked(subscription_id, customer_id=customer.id)
        if subscription.status not in LIVE or not subscription.cancel_at_period_end:
            raise InvalidTransition("The subscription is not about to end with its period.")
        if self.clock.now() >= subscription.current_period_end:
            raise RenewalDue
        subscription.cancel_at_period_end = False
        await self.standing.changed(subscription, "subscription.updated")
        return await self.invoicing.view(subscription_id)

    async def end(self, subscription: Subscription, customer: Customer) -> Payment | None:
        """Ends a subscription; both are locked. For the rest of its period nothing is given back.

        What waits for the next invoice comes onto a last one, what is owed stays owed and is not tried again, and what
        has not begun is owed no more.

        Raises:
            PaymentInProgress: it has not begun, and its first payment is under way.
        """
        invoices = self.collection.invoices
        for invoice in await invoices.open(customer.id):
            if invoice.subscription_id != subscription.id:
                continue
            if subscription.status == "incomplete":
                await self.collection.payments.refuse_second(invoice.id)
                await invoices.void(invoice, customer)
            else:
                await invoices.leave(invoice)
        await self.standing.end(subscription, "canceled")
        last = await self.invoicing.issue_pending(subscription, customer)
        if last is None or last.status == "paid":
            return None
        return await self.collection.begin_automatic(last, customer)


@dataclass(frozen=True, slots=True)
class Ending:
    """The steps of a cancellation: `begin` opens a transaction of its own, the rest is written in the request's."""

    begin: Callable[[], AbstractAsyncContextManager[Endings]]
    collecting: Collecting
    endings: Endings

    async def cancel(self, subscription_id: UUID, when: When, *, user_id: UUID) -> SubscriptionView:
        """Cancels a subscription, and collects what was put off until its next invoice.

        Raises:
            what `Endings.cancel` raises.
        """
        async with self.begin() as endings:
            payment = await endings.cancel(subscription_id, when, user_id=user_id)
        if payment is not None:
            await self.collecting.collect(payment)
        return await self.endings.invoicing.view(subscription_id)
