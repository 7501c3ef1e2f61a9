"""How it is given up to collect an invoice, because who keeps the books says so."""

from dataclasses import dataclass
from uuid import UUID

from billing.collection.service.collection import Collection
from billing.customers.models import Customer
from billing.invoices.models import Invoice, InvoiceStatus, InvoiceView
from billing.invoices.service import InvalidTransition


@dataclass(frozen=True, slots=True)
class Waiving:
    """What is done to an invoice that nobody is to pay, or will; money that is under way is waited for."""

    collection: Collection

    async def void(self, invoice_id: UUID) -> InvoiceView:
        """Takes back what an invoice asks for; it keeps its number.

        Raises:
            InvoiceNotFound: there is none.
            InvalidTransition: it is neither open nor uncollectible.
            PaymentInProgress: a payment of it is under way.
        """
        customer, invoice = await self._locked(invoice_id, "open", "uncollectible")
        await self.collection.invoices.void(invoice, customer)
        await self.collection.follower.voided(invoice)
        return await self.collection.invoices.view(invoice_id)

    async def mark_uncollectible(self, invoice_id: UUID) -> InvoiceView:
        """Writes off what remains of an open invoice; it may still be paid.

        Raises:
            InvoiceNotFound: there is none.
            InvalidTransition: it is not open.
            PaymentInProgress: a payment of it is under way.
        """
        _, invoice = await self._locked(invoice_id, "open")
        await self.collection.follower.given_up(invoice)
        await self.collection.invoices.write_off(invoice)
        return await self.collection.invoices.view(invoice_id)

    async def _locked(self, invoice_id: UUID, *statuses: InvoiceStatus) -> tuple[Customer, Invoice]:
        invoices = self.collection.invoices
        customer = await self.collection.customers.by_id(await invoices.customer_of(invoice_id))
        invoice = await invoices.locked(invoice_id)
        if invoice.status not in statuses:
            raise InvalidTransition(f"The invoice is {invoice.status}.")
        await self.collection.payments.refuse_second(invoice_id)
        return customer, invoice
