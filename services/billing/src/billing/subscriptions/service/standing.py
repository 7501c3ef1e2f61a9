"""The states of a subscription."""

from dataclasses import dataclass

from billing.invoices.models import Invoice
from billing.subscriptions.models import Subscription
from billing.subscriptions.repository import SubscriptionRepository
from core.events import Events
from core.ids import format_id


@dataclass(frozen=True, slots=True)
class Standing:
    """The states of a subscription, each change announced."""

    repository: SubscriptionRepository
    events: Events

    async def create(self, subscription: Subscription) -> None:
        await self.repository.add(subscription)
        await self._announce(subscription, "subscription.created")

    async def follow(self, invoice: Invoice) -> None:
        """Activates the subscription that waited for this invoice to be paid."""
        if invoice.subscription_id is None:
            return
        subscription = await self.repository.locked(invoice.subscription_id)
        if subscription.status == "incomplete":
            subscription.status = "active"
            subscription.sequence += 1
            await self.repository.flush()
            await self._announce(subscription, "subscription.activated")

    async def _announce(self, subscription: Subscription, event: str) -> None:
        data = {
            "id": format_id("sub", subscription.id),
            "customer_id": format_id("cus", subscription.customer_id),
            "plan_id": format_id("plan", subscription.plan_id),
            "price_id": format_id("price", subscription.price_id),
            "quantity": subscription.quantity,
            "status": subscription.status,
            "current_period_end": subscription.current_period_end.isoformat(),
        }
        await self.events.emit(event, subject=data["id"], sequence=subscription.sequence, data=data)
