"""What is done with what the provider tells: stored once, applied once, forgotten in time."""

from dataclasses import asdict, dataclass
from datetime import timedelta

import structlog

from billing.collection.service import Collection
from billing.payments.provider import News, Outcome, RefundOutcome
from billing.refunds.service import RefundNotFound, Refunds
from billing.webhooks.models import ProviderEvent
from billing.webhooks.repository import WebhookRepository
from core.clock import Clock
from core.events import Events
from core.ids import parse_id

log = structlog.get_logger("billing.webhooks")

KEPT = timedelta(days=30)
FORGOTTEN_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Webhooks:
    """What the provider has told; `clock` is the system's, because the provider does not live by billing's."""

    repository: WebhookRepository
    events: Events
    clock: Clock

    async def receive(self, provider: str, news: News) -> None:
        """Stores news, and has them applied after the commit; what has come before changes nothing."""
        row = asdict(news) | {"provider": provider, "received_at": self.clock.now()}
        if await self.repository.add(row):
            # A subject for each: what cannot be applied holds back no other, and their order makes no difference.
            subject, data = f"{provider}/{news.event_id}", {"provider": provider, "event_id": news.event_id}
            await self.events.emit("provider_event.received", subject=subject, data=data)

    async def forget_old(self) -> bool:
        """Deletes some of what came long ago; whether there may be more."""
        forgotten = await self.repository.forget(before=self.clock.now() - KEPT, limit=FORGOTTEN_AT_ONCE)
        return forgotten == FORGOTTEN_AT_ONCE


@dataclass(frozen=True, slots=True)
class Application:
    """Applies what was told, in one transaction with the note that it was: by what it says, never by when it came."""

    repository: WebhookRepository
    collection: Collection
    refunds: Refunds
    clock: Clock

    async def apply(self, provider: str, event_id: str) -> None:
        """Writes what follows from an event; a second time, or of nothing that is ours, nothing."""
        event = await self.repository.locked(provider, event_id)
        if event is None or event.applied_at is not None:
            return
        if event.subject is not None and not await self._settle(event, event.subject):
            log.warning("provider told of what is not on record", provider=provider, event_id=event_id)
        event.applied_at = self.clock.now()
        await self.repository.flush()

    async def _settle(self, event: ProviderEvent, subject: str) -> bool:
        """Whether it is about something that is on record."""
        if subject.startswith("rfd_"):
            return await self._settle_refund(event, subject)
        payment = await self.collection.payments.find(parse_id("pay", subject))
        if payment is None:
            return False
        await self.collection.settle(payment, _outcome(event))
        return True

    async def _settle_refund(self, event: ProviderEvent, subject: str) -> bool:
        try:
            await self.refunds.settle(parse_id("rfd", subject), _refund_outcome(event))
        except RefundNotFound:
            return False
        return True


def _outcome(event: ProviderEvent) -> Outcome:
    match event.status:
        case "succeeded" | "failed" | "requires_action" as status:
            return Outcome(status, event.code, event.retryable, event.fee_minor)
        case _:
            return Outcome("unknown")


def _refund_outcome(event: ProviderEvent) -> RefundOutcome:
    match event.status:
        case "succeeded" | "failed" as status:
            return RefundOutcome(status, event.code)
        case _:
            return RefundOutcome("processing")
