"""The same steps where nobody waits for the answer: renewals, retries, and what a dead process has left.

Each step has a transaction of its own, and whoever comes to do what another has just done finds nothing to do.
"""

from dataclasses import dataclass
from uuid import UUID, uuid5

from billing.collection.service.steps import Begin, charge
from billing.payments.models import Payment
from billing.payments.provider import Outcome, Provider
from core.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Unattended:
    """Collects without a request; `begin` opens a transaction of its own."""

    begin: Begin
    provider: Provider

    async def collect(self, payment: Payment) -> Payment:
        """Asks the provider for a payment that is on record, and writes what it says.

        Does it not answer, the payment stays in progress: the reminder that each leaves asks again.
        """
        if payment.status != "processing":
            return payment
        outcome = await self._asked(payment)
        async with self.begin() as collection:
            return await collection.settle(payment, outcome)

    async def retry(self, invoice_id: UUID) -> Payment | None:
        """Makes the next attempt to collect an invoice, if it is due; None: it is not, or there is nothing to pay with.

        Raises:
            InvoiceNotFound: there is no such invoice.
        """
        async with self.begin() as collection:
            payment = await collection.begin_due(invoice_id)
        return None if payment is None else await self.collect(payment)

    async def retry_early(self, customer_id: UUID, *, occasion: UUID) -> None:
        """Tries all that a customer is behind with, at once: there is a new default method.

        `occasion` is the same however often this is told; a second time, what was begun goes on.
        """
        async with self.begin() as collection:
            behind = await collection.behind(customer_id)
        for invoice_id in behind:
            async with self.begin() as collection:
                payment = await collection.begin_early(invoice_id, request_key=uuid5(occasion, str(invoice_id)))
            if payment is not None:
                await self.collect(payment)

    async def settle(self, payment_id: UUID) -> None:
        """Finds out what became of a payment; while the provider does not know, a reminder asks again."""
        async with self.begin() as collection:
            payment = await collection.payments.payment(payment_id)
        if payment.status != "processing":
            return
        outcome = await self._asked(payment, fetches=True)
        async with self.begin() as collection:
            settled = await collection.settle(payment, outcome)
            if settled.status == "processing":
                await collection.payments.remind(settled)

    async def _asked(self, payment: Payment, *, fetches: bool = False) -> Outcome:
        try:
            found = await self.provider.fetch(payment.id) if fetches else None
            return found or await charge(self.provider, payment)
        except Unavailable:
            # However long the provider is away: money that is under way is never given up.
            return Outcome("unknown")
