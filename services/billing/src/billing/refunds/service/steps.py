"""The steps in which money goes back: a provider that is asked inside a transaction cannot be rolled back.

1. A refund is put on record as `processing`, and committed. 2. The provider is asked, with the refund's id as its key,
while no transaction is open. 3. What it says is written. A process that dies in between leaves a refund in progress: a
retry of the request goes on with it, and so does the reminder that step 1 left; neither can give back twice.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

from billing.money import Money
from billing.payments.provider import Provider, RefundOutcome
from billing.refunds.models import Refund
from billing.refunds.service.refunds import Refunds
from core.errors import Unavailable

Begin = Callable[[], AbstractAsyncContextManager[Refunds]]


@dataclass(frozen=True, slots=True)
class Refunding:
    """The three steps, for a request: `begin` opens a transaction of its own, `refunds` is that of the request."""

    begin: Begin
    provider: Provider
    refunds: Refunds

    async def refund(self, payment_id: UUID, amount: Money, *, request_key: UUID) -> Refund:
        """Gives a part of the customer's balance back to what they paid with.

        Raises:
            what `Refunds.begin` raises.
        """
        async with self.begin() as refunds:
            refund = await refunds.begin(payment_id, amount, request_key=request_key)
        return await self.give_back(refund)

    async def give_back(self, refund: Refund) -> Refund:
        """Asks the provider for a refund that is on record, and writes what it says."""
        if refund.status != "processing":
            return refund
        return await self.refunds.settle(refund.id, await _ask(self.provider, refund))


@dataclass(frozen=True, slots=True)
class RefundSettlement:
    """Finds out what became of a refund whose outcome nobody has heard."""

    begin: Begin
    provider: Provider

    async def settle(self, refund_id: UUID) -> None:
        """Asks the provider; while it does not know, a reminder asks again."""
        async with self.begin() as refunds:
            refund = await refunds.refund(refund_id)
        if refund.status != "processing":
            return
        outcome = await _ask(self.provider, refund)
        async with self.begin() as refunds:
            settled = await refunds.settle(refund_id, outcome)
            if settled.status == "processing":
                await refunds.remind(settled)


async def _ask(provider: Provider, refund: Refund) -> RefundOutcome:
    """Has the provider give back what is on record: once, because the refund's id is its key."""
    try:
        return await provider.refund(
            refund.id, payment_id=refund.payment_id, amount_minor=refund.amount_minor, currency=refund.currency
        )
    except Unavailable:
        # However long the provider is away: what is owed back is never given up, and a reminder asks again.
        return RefundOutcome("processing")
