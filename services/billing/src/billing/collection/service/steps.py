"""The steps in which an invoice is collected: a provider that is asked inside a transaction cannot be rolled back.

1. A payment is put on record as `processing`, and committed. 2. The provider is asked, with the payment's id as its
key, while no transaction is open. 3. What it says is written. A process that dies in between leaves a payment in
progress: a retry of the request goes on with it, and so does the reminder that step 1 left; neither can charge twice.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

from billing.collection.service.collection import Collection
from billing.invoices.models import InvoiceView
from billing.payments.models import Payment
from billing.payments.provider import Outcome, Provider
from billing.payments.service import refuse_unless_succeeded

Begin = Callable[[], AbstractAsyncContextManager[Collection]]


@dataclass(frozen=True, slots=True)
class Collecting:
    """The three steps, for a request: `begin` opens a transaction of its own, `collection` is that of the request."""

    begin: Begin
    provider: Provider
    collection: Collection

    async def pay(
        self, invoice_id: UUID, *, user_id: UUID, payment_method_id: UUID | None, request_key: UUID
    ) -> InvoiceView:
        """Pays an invoice.

        Raises:
            PaymentDeclined, PaymentActionRequired, PaymentInProgress: it is not paid (yet).
            and what `Collection.begin` raises.
        """
        async with self.begin() as collection:
            payment = await collection.begin(
                invoice_id, user_id=user_id, payment_method_id=payment_method_id, request_key=request_key
            )
        refuse_unless_succeeded(await self.collect(payment))
        return await self.collection.invoices.view(invoice_id)

    async def collect(self, payment: Payment) -> Payment:
        """Asks the provider for a payment that is on record, and writes what it says."""
        if payment.status != "processing":
            return payment
        return await self.collection.settle(payment, await charge(self.provider, payment))


async def charge(provider: Provider, payment: Payment) -> Outcome:
    """Has the provider charge what is on record: once, because the payment's id is its key."""
    assert payment.reference is not None  # noqa: S101 - no customer is closed while a payment is under way
    return await provider.charge(
        payment.id, amount_minor=payment.amount_minor, currency=payment.currency, reference=payment.reference
    )
