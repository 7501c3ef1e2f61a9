"""What becomes of a subscription as time passes: its next period is billed, or it ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.collection.service import Collection
from billing.customers.models import Customer
from billing.invoices.rules import Item
from billing.payments.models import Payment
from billing.subscriptions.models import Subscription
from billing.subscriptions.repository import SubscriptionRepository
from billing.subscriptions.rules import INCOMPLETE_FOR, Run, renewed
from billing.subscriptions.service.ending import Endings
from billing.subscriptions.service.invoicing import Invoicing
from billing.subscriptions.service.standing import Standing
from core.clock import Clock


@dataclass(frozen=True, slots=True)
class Renewal:
    """A period that was billed; without a payment nothing is due, or there is nothing to pay it with."""

    payment: Payment | None
    # Whether the period that it was billed for has ended as well.
    is_due_again: bool = False


@dataclass(frozen=True, slots=True)
class Renewing:
    """What is written when the time of a subscription has come, before the provider is asked: in one transaction.

    Whoever comes to do what another has just done finds that nothing is due.
    """

    repository: SubscriptionRepository
    standing: Standing
    invoicing: Invoicing
    collection: Collection
    endings: Endings
    clock: Clock

    async def renew(self, subscription_id: UUID, *, customer_id: UUID) -> Renewal | None:
        """Bills the period that follows on one that has ended: one period, however many have passed.

        None: nothing is billed. It is not due (any more), or ends with its period.
        """
        customer = await self.collection.customers.by_id(customer_id)
        subscription = await self.repository.locked(subscription_id)
        # Who is behind is billed for no further period, and may end with the present one.
        is_running = subscription.status in {"trialing", "active"}
        ends = subscription.cancel_at_period_end and (is_running or subscription.status == "past_due")
        if not (is_running or ends) or subscription.current_period_end > self.clock.now():
            return None
        if ends:
            payment = await self.endings.end(subscription, customer)
            return None if payment is None else Renewal(payment)
        plan_id = subscription.plan_id
        items = await self._enter_next_period(subscription)
        # Before the invoice: from its number on, all other invoices wait for this transaction.
        is_other_plan = subscription.plan_id != plan_id
        await self.standing.changed(subscription, "subscription.renewed", is_other_plan=is_other_plan)
        payment = await self._invoice(subscription, customer, items)
        return Renewal(payment, is_due_again=subscription.current_period_end <= self.clock.now())

    async def expire(self, subscription_id: UUID, *, customer_id: UUID) -> None:
        """Ends a subscription whose first invoice has been open for too long, unless a payment is under way."""
        customer = await self.collection.customers.by_id(customer_id)
        open_ = await self.collection.invoices.open(customer_id)
        subscription = await self.repository.locked(subscription_id)
        if subscription.status != "incomplete" or subscription.created_at > self.clock.now() - INCOMPLETE_FOR:
            return
        for invoice in open_:
            if invoice.subscription_id == subscription_id:
                if await self.collection.payments.is_under_way(invoice.id):
                    return
                await self.collection.invoices.void(invoice, customer)
        await self.standing.end(subscription, "incomplete_expired")

    async def _enter_next_period(self, subscription: Subscription) -> Sequence[Item]:
        """Moves on by one period; what was put off until then takes effect."""
        present = planned = await self.invoicing.planned(subscription)
        if subscription.next_price_id is not None:
            present = await self.invoicing.present(subscription)
        price = planned.offer.price
        subscription.plan_id, subscription.price_id, subscription.quantity = price.plan_id, price.id, planned.quantity
        subscription.next_price_id = subscription.next_quantity = None
        effect = renewed(Run.of(subscription), present, planned)
        effect.run.onto(subscription)
        return effect.items

    async def _invoice(self, subscription: Subscription, customer: Customer, items: Sequence[Item]) -> Payment | None:
        invoice = await self.invoicing.issue(subscription, customer, items, reason="subscription_cycle")
        if invoice.status == "paid":
            await self.standing.paid(invoice)
            return None
        return await self.collection.begin_automatic(invoice, customer)
