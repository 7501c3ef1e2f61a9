"""How what a subscription costs comes onto an invoice."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.catalog.service import Catalog
from billing.customers.models import Customer
from billing.invoices.models import Invoice, InvoiceReason
from billing.invoices.rules import Item
from billing.invoices.service import Invoices
from billing.subscriptions.models import PendingItem, Subscription, SubscriptionView
from billing.subscriptions.repository import SubscriptionRepository
from billing.subscriptions.rules import Terms
from core.ids import new_id


@dataclass(frozen=True, slots=True)
class Invoicing:
    """What a subscription costs: now, and with the next invoice."""

    repository: SubscriptionRepository
    catalog: Catalog
    invoices: Invoices

    async def present(self, subscription: Subscription) -> Terms:
        """What is subscribed to."""
        return Terms(await self.catalog.offer(subscription.price_id), subscription.quantity)

    async def planned(self, subscription: Subscription) -> Terms:
        """What is subscribed to from the next period on."""
        offer = await self.catalog.offer(subscription.next_price_id or subscription.price_id)
        return Terms(offer, subscription.next_quantity or subscription.quantity)

    async def pending(self, subscription_id: UUID) -> list[Item]:
        """The lines that wait for the next invoice."""
        return [_item(pending) for pending in await self.repository.pending(subscription_id)]

    async def put_off(self, subscription: Subscription, items: Sequence[Item]) -> None:
        """Has lines wait for the next invoice."""
        await self.repository.add_pending(_pending(subscription.id, item) for item in items)

    async def issue(
        self, subscription: Subscription, customer: Customer, items: Sequence[Item], *, reason: InvoiceReason
    ) -> Invoice:
        """Issues an invoice of all lines that wait, and of these, for the period of the last of them.

        Customer and subscription are locked.
        """
        pending = map(_item, await self.repository.take_pending(subscription.id))
        assert customer.currency is not None  # noqa: S101 - the subscription has settled it
        return await self.invoices.issue(
            customer, [*pending, *items], currency=customer.currency, subscription_id=subscription.id, reason=reason
        )

    async def issue_pending(self, subscription: Subscription, customer: Customer) -> Invoice | None:
        """Issues the last invoice of a subscription; None where no line waits for one."""
        if not await self.repository.pending(subscription.id):
            return None
        return await self.issue(subscription, customer, [], reason="subscription_update")

    async def give_back(self, customer: Customer) -> None:
        """Bills what waits for the next invoices of a customer who leaves, where it is in their favour."""
        for subscription in await self.repository.live_of(customer.id):
            if sum(item.net_minor for item in await self.pending(subscription.id)) < 0:
                await self.issue_pending(subscription, customer)

    async def view(self, subscription_id: UUID) -> SubscriptionView:
        """The subscription with its last invoice as they are read, with what this transaction has changed."""
        view = await self.repository.view(subscription_id)
        return view.model_copy(update={"latest_invoice": await self.invoices.latest_of(subscription_id)})


def _item(pending: PendingItem) -> Item:
    return Item(
        description=pending.description,
        quantity=pending.quantity,
        unit_amount=pending.unit_amount,
        tax_rate=pending.tax_rate,
        period_start=pending.period_start,
        period_end=pending.period_end,
        proration=True,
    )


def _pending(subscription_id: UUID, item: Item) -> PendingItem:
    return PendingItem(
        id=new_id(),
        subscription_id=subscription_id,
        description=item.description,
        quantity=item.quantity,
        unit_amount=item.unit_amount,
        tax_rate=item.tax_rate,
        period_start=item.period_start,
        period_end=item.period_end,
    )
