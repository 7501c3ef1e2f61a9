"""The states of a subscription."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.entitlements.service import Entitlements
from billing.invoices.models import Invoice
from billing.payments.models import PaymentMethod
from billing.subscriptions.announcements import ANNOUNCED_AS, SubscriptionState
from billing.subscriptions.models import Subscription, SubscriptionStatus
from billing.subscriptions.repository import SubscriptionRepository
from billing.subscriptions.rules import Charge, Run, is_left, uncovered
from billing.subscriptions.service.views import SubscriptionNotFound
from core.clock import Clock
from core.events import Events
from core.ids import format_id


@dataclass(frozen=True, slots=True)
class Standing:
    """The states of a subscription, each change announced."""

    repository: SubscriptionRepository
    entitlements: Entitlements
    events: Events
    clock: Clock

    async def create(self, subscription: Subscription) -> None:
        await self.repository.add(subscription)
        await self._follow(subscription)

    async def locked(self, subscription_id: UUID, *, customer_id: UUID) -> Subscription:
        """A subscription of a customer who is locked.

        Raises:
            SubscriptionNotFound: the customer has no such subscription.
        """
        subscription = await self.repository.locked_of(customer_id, subscription_id)
        if subscription is None:
            raise SubscriptionNotFound
        return subscription

    async def paid(self, invoice: Invoice) -> None:
        """Activates the subscription that waited for this invoice to be paid, and for no other."""
        subscription = await self._of(invoice)
        if subscription is None or subscription.status not in {"incomplete", "trialing", "past_due"}:
            return
        if not await self.repository.owes(subscription.id):
            await self._move(subscription, "active")

    async def declined(self, invoice: Invoice) -> None:
        """Takes note that the subscription is behind with its payments."""
        subscription = await self._of(invoice)
        if subscription is None:
            return
        if subscription.status in {"trialing", "active"}:
            await self._move(subscription, "past_due")
        elif subscription.status == "canceled":
            # What somebody owes who has canceled is theirs to pay: nothing tries it again.
            invoice.next_attempt_at = None

    async def given_up(self, invoice: Invoice) -> None:
        """Ends the subscription whose invoice nobody will collect."""
        subscription = await self._of(invoice)
        if subscription is None:
            return
        if subscription.status == "past_due":
            await self.end(subscription, "canceled")
        elif subscription.status == "incomplete":
            await self.end(subscription, "incomplete_expired")

    async def voided(self, invoice: Invoice) -> None:
        """Ends the subscription that waited for this invoice to begin; one that was behind may be so no more.

        What nobody has paid is given back to nobody when something changes.
        """
        subscription = await self._of(invoice)
        if subscription is None:
            return
        uncovered(Run.of(subscription), (await self.repository.charges(invoice.id)).values()).onto(subscription)
        if subscription.status == "incomplete":
            await self.end(subscription, "incomplete_expired")
        elif subscription.status == "past_due" and not await self.repository.owes(subscription.id):
            await self._move(subscription, "active")

    async def credited(self, invoice: Invoice, nets_minor: Mapping[UUID, int]) -> bool:
        """Takes note that so much was taken back: it is not given back a second time when something changes.

        Nor is taken back what a change has given back already.
        """
        subscription = await self._of(invoice)
        if subscription is None:
            return True
        charges = await self.repository.charges(invoice.id)
        taken_back = [Charge(net_minor, charges[line_id].period) for line_id, net_minor in nets_minor.items()]
        if not is_left(await self.repository.charges_beside(invoice), taken_back):
            return False
        uncovered(Run.of(subscription), taken_back).onto(subscription)
        return True

    async def method_of(self, invoice: Invoice) -> UUID | None:
        """What the subscription of an invoice is paid with; None: whatever is the customer's default."""
        if invoice.subscription_id is None:
            return None
        return (await self.repository.one(invoice.subscription_id)).payment_method_id

    async def end(self, subscription: Subscription, status: SubscriptionStatus) -> None:
        """Ends a subscription that is locked."""
        subscription.ended_at = self.clock.now()
        await self._move(subscription, status)

    async def cancel_all(self, customer_id: UUID) -> None:
        """Cancels all that a customer subscribes to, at once."""
        for subscription in await self.repository.live_of(customer_id):
            await self.end(subscription, "canceled")

    async def needs(self, method: PaymentMethod) -> bool:
        """Whether something is to be paid with a payment method of a customer who is locked."""
        return await self.repository.needs_method(method)

    async def forget(self, method: PaymentMethod) -> None:
        """Forgets that subscriptions were paid with a payment method."""
        await self.repository.clear_method(method.id)

    async def erase(self, customer_id: UUID) -> None:
        """Forgets what a customer's subscriptions were paid with, what was asked of them, and what was never billed."""
        await self.repository.erase(customer_id)

    async def count_announced(self) -> int:
        """How many subscriptions others know of."""
        return await self.repository.count()

    async def retell(self, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Tells the next of them again as they are; their ids, in order."""
        subscriptions = await self.repository.following(after=after, limit=limit)
        for subscription in subscriptions:
            await self._announce(subscription)
        return [subscription.id for subscription in subscriptions]

    async def changed(self, subscription: Subscription, type_: str, *, is_other_plan: bool = False) -> None:
        """Writes and tells what has changed beside the state of a subscription that is locked."""
        subscription.sequence += 1
        await self.repository.flush()
        await self._announce(subscription, type_=type_)
        if is_other_plan:
            await self._entitle(subscription)

    async def _of(self, invoice: Invoice) -> Subscription | None:
        return None if invoice.subscription_id is None else await self.repository.locked(invoice.subscription_id)

    async def _move(self, subscription: Subscription, status: SubscriptionStatus) -> None:
        subscription.status = status
        subscription.sequence += 1
        await self.repository.flush()
        await self._follow(subscription)

    async def _follow(self, subscription: Subscription) -> None:
        """Tells a change of state, and has what the customer may use keep up with it."""
        await self._announce(subscription)
        await self._entitle(subscription)

    async def _entitle(self, subscription: Subscription) -> None:
        plans = await self.repository.entitling(subscription.customer_id)
        await self.entitlements.update(subscription.customer_id, plans)

    async def _announce(self, subscription: Subscription, *, type_: str | None = None) -> None:
        state = SubscriptionState.model_validate(
            {
                "id": format_id("sub", subscription.id),
                "customer_id": format_id("cus", subscription.customer_id),
                "plan_id": format_id("plan", subscription.plan_id),
                "price_id": format_id("price", subscription.price_id),
                "quantity": subscription.quantity,
                "status": subscription.status,
                "current_period_end": subscription.current_period_end,
                "cancel_at_period_end": subscription.cancel_at_period_end,
            }
        )
        type_ = type_ or ANNOUNCED_AS[subscription.status]
        await self.events.emit(type_, subject=state.id, sequence=subscription.sequence, data=state)
