"""What a change of a subscription would come to, and what is refused: the same for who asks and for who decides."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from billing.customers.models import Customer
from billing.customers.service import Customers
from billing.invoices.rules import Item
from billing.invoices.service import InvalidTransition
from billing.payments.service import PaymentInProgress
from billing.subscriptions.models import Subscription
from billing.subscriptions.repository import SubscriptionRepository
from billing.subscriptions.rules import (
    Effect,
    Effective,
    Proration,
    Run,
    Terms,
    changed,
    renewed,
    restarts,
    to_the_second,
)
from billing.subscriptions.service.invoicing import Invoicing
from core.clock import Clock
from core.errors import Conflict, FieldError, Invalid


class AlreadySubscribed(Conflict):
    """The customer is subscribed to this plan already."""

    code = "already_subscribed"


class RenewalDue(Conflict):
    """The period has just ended; the next one is about to be billed."""

    code = "renewal_due"
    # A moment later the same request finds the next period.
    is_final = False


class TooManyChanges(Conflict):
    """As many changes wait for the next invoice as can."""

    code = "too_many_changes"


class QuantityNotAllowed(Invalid):
    """A flat price is bought once."""

    code = "quantity_not_allowed"

    def __init__(self) -> None:
        super().__init__(errors=(FieldError("#/quantity", self.code, self.title()),))


class ProrationNotAllowed(Invalid):
    """A change of interval begins a period of its own, which is invoiced now."""

    code = "proration_not_allowed"

    def __init__(self) -> None:
        super().__init__(errors=(FieldError("#/proration", self.code, self.title()),))


class InstantNotCovered(Invalid):
    """The change is not within the time that was charged last, or is too long ago or too early."""

    code = "instant_not_covered"

    def __init__(self) -> None:
        super().__init__(errors=(FieldError("#/proration_at", self.code, self.title()),))


# Lines that wait for the next invoice, two a change: an invoice is answered with all its lines.
PENDING_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What somebody wants changed, and when; None: as it is."""

    price_id: UUID | None = None
    quantity: int | None = None
    proration: Proration = "invoice_now"
    effective: Effective = "now"
    # The instant that is computed with, where it is not the present one.
    proration_at: datetime | None = None

    def terms(self) -> dict[str, Any]:
        """The same as JSON, by which a retry is known."""
        return {name: None if value is None else str(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a change comes to; `planned` is what is subscribed to from the next period on."""

    present: Terms
    planned: Terms
    effect: Effect
    is_invoiced: bool

    def next_items(self, *, ends: bool) -> list[Item]:
        """The lines of the next invoice, beside those that wait for it; `ends`: there is no next period."""
        if self.is_invoiced:
            return [*self.effect.items]
        following = () if ends else renewed(self.effect.run, self.present, self.planned).items
        return [*self.effect.items, *following]


@dataclass(frozen=True, slots=True)
class Quoting:
    """Computes changes; writes nothing."""

    repository: SubscriptionRepository
    invoicing: Invoicing
    customers: Customers
    clock: Clock
    # How long ago a change may be computed at: whoever could choose would have used what they give back.
    back: timedelta

    async def quote(
        self, subscription: Subscription, customer: Customer, change: Change, *, at_any_time: bool = False
    ) -> Quote:
        """What a change would come to; `at_any_time`: also at an instant that is long ago or has not come yet.

        Raises:
            InvalidTransition, RenewalDue, PaymentInProgress: the subscription cannot be changed (now).
            InstantNotCovered, ProrationNotAllowed, TooManyChanges: it cannot be changed like that.
            PriceNotFound, QuantityNotAllowed, AlreadySubscribed, CurrencyMismatch: not to that.
        """
        await self._refuse(subscription)
        run = Run.of(subscription)
        at, now = self._instants(run, change, at_any_time=at_any_time)
        present, planned = await self.invoicing.present(subscription), await self.invoicing.planned(subscription)
        if change.price_id is None and change.quantity is None:
            return Quote(present=present, planned=planned, effect=Effect(run), is_invoiced=False)
        base = planned if change.effective == "period_end" else present
        wanted = await self._wanted(subscription, customer, change, base)
        if change.effective == "period_end":
            return Quote(present=present, planned=wanted, effect=Effect(run), is_invoiced=False)
        if wanted == present:
            return Quote(present=present, planned=present, effect=Effect(run), is_invoiced=False)
        effect = changed(run, present, wanted, at=at, now=now, proration=change.proration)
        is_invoiced = bool(effect.items) and change.proration != "next_invoice"
        if effect.items and not is_invoiced:
            await self._refuse_to_wait(subscription, present, wanted)
        return Quote(present=wanted, planned=wanted, effect=effect, is_invoiced=is_invoiced)

    async def _refuse(self, subscription: Subscription) -> None:
        if subscription.status not in {"active", "trialing"}:
            raise InvalidTransition(f"The subscription is {subscription.status}.")
        if self.clock.now() >= subscription.current_period_end:
            raise RenewalDue
        # What is given back is what was paid, and that is not known yet.
        if await self.repository.owes(subscription.id):
            raise PaymentInProgress

    async def _refuse_to_wait(self, subscription: Subscription, present: Terms, wanted: Terms) -> None:
        if restarts(present, wanted):
            raise ProrationNotAllowed
        if len(await self.repository.pending(subscription.id)) >= PENDING_MAX:
            raise TooManyChanges

    def _instants(self, run: Run, change: Change, *, at_any_time: bool) -> tuple[datetime, datetime]:
        """The instant that is prorated at, and the one at which a period that begins anew does so."""
        now, at = self.clock.now(), change.proration_at
        first = run.period.start if run.coverage is None else max(run.period.start, run.coverage.period.start)
        if at is not None:
            is_allowed = at_any_time or to_the_second(now - self.back) <= at <= now
            if not (is_allowed and to_the_second(first) <= at < run.period.end):
                raise InstantNotCovered
            now = max(now, at)
        return max(first, to_the_second(at or now)), max(first, to_the_second(now))

    async def _wanted(self, subscription: Subscription, customer: Customer, change: Change, base: Terms) -> Terms:
        offer = base.offer if change.price_id is None else await self.invoicing.catalog.offer(change.price_id)
        wanted = Terms(offer, change.quantity or base.quantity)
        if wanted.offer.price.model == "flat" and wanted.quantity != 1:
            raise QuantityNotAllowed
        self.customers.keep_to_currency(customer, offer.price.currency)
        subscribed = await self.repository.live(customer_id=customer.id, plan_id=offer.price.plan_id)
        if any(each != subscription.id for each in subscribed):
            raise AlreadySubscribed
        return wanted
