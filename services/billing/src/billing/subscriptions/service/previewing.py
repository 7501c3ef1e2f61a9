"""The invoice that a change of a subscription would lead to, computed without any effect."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.invoices.rules import Item, Totals
from billing.subscriptions.models import Subscription
from billing.subscriptions.repository import SubscriptionRepository
from billing.subscriptions.rules import Period
from billing.subscriptions.service.invoicing import Invoicing
from billing.subscriptions.service.quoting import Change, Quoting
from billing.subscriptions.service.views import SubscriptionNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an invoice would say."""

    subscription: Subscription
    currency: str
    period: Period
    items: Sequence[Item]
    totals: Totals


@dataclass(frozen=True, slots=True)
class Previews:
    """Reads and computes; nothing is locked or written."""

    repository: SubscriptionRepository
    quoting: Quoting
    invoicing: Invoicing

    async def preview(self, subscription_id: UUID, change: Change, *, user_id: UUID) -> Preview:
        """The invoice that a change makes, or where it makes none, the next one as it would be by it.

        Raises:
            SubscriptionNotFound: the user has no such subscription.
            and what `Quoting.quote` raises.
        """
        found = await self.repository.of_user(subscription_id, user_id)
        if found is None:
            raise SubscriptionNotFound
        subscription, customer = found
        quote = await self.quoting.quote(subscription, customer, change, at_any_time=True)
        new = quote.next_items(ends=subscription.cancel_at_period_end)
        items = [*await self.invoicing.pending(subscription.id), *new]
        amounts = [(item.tax_rate, item.net_minor) for item in items]
        run = quote.effect.run
        return Preview(
            subscription=subscription,
            currency=quote.present.offer.price.currency,
            period=Period(items[-1].period_start, items[-1].period_end) if items else run.period,
            items=items,
            totals=Totals.of(amounts, balance_minor=customer.balance_minor),
        )
