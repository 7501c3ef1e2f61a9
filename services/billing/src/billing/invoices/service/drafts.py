"""How a one-off invoice is written, line by line, until it is finalized."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from billing.customers.models import Customer
from billing.invoices.models import Invoice, InvoiceLine, InvoiceView
from billing.invoices.rules import Item, are_too_large
from billing.invoices.service.documents import InvalidTransition, Invoices, line_of
from core.errors import Conflict
from core.ids import new_id


class InvoiceEmpty(Conflict):
    """An invoice without lines is not finalized."""

    code = "invoice_empty"


class InvoiceTooLarge(Conflict):
    """The invoice has as many lines, or comes to as much, as an invoice can."""

    code = "invoice_too_large"


@dataclass(frozen=True, slots=True)
class Drafts:
    """One-off invoices that are no documents yet; only a draft changes.

    The customer is locked before the invoice, as always.
    """

    invoices: Invoices

    async def begin(self, *, customer_id: UUID, currency: str) -> InvoiceView:
        """A new one, without lines.

        Raises:
            CustomerNotFound, CustomerClosed: there is nobody to bill.
            CurrencyMismatch: the customer's account is in another currency.
        """
        customer = await self.invoices.customers.by_id(customer_id)
        self.invoices.customers.refuse_closed(customer)
        self.invoices.customers.refuse_currency(customer, currency)
        now = self.invoices.clock.now()
        invoice = Invoice(
            id=new_id(),
            customer_id=customer.id,
            subscription_id=None,
            reason="manual",
            status="draft",
            currency=currency,
            period_start=now,
            period_end=now,
            created_at=now,
        )
        await self.invoices.repository.add(invoice)
        return await self.invoices.view(invoice.id)

    async def add_line(
        self, invoice_id: UUID, *, description: str, quantity: Decimal, unit_amount: Decimal, tax_rate: Decimal
    ) -> InvoiceView:
        """Adds a line at the end.

        Raises:
            InvoiceNotFound, InvalidTransition: there is no such draft.
            CustomerClosed: nobody is billed with it any more.
            InvoiceTooLarge: it would be too much.
        """
        customer, invoice, lines = await self._locked(invoice_id)
        self.invoices.customers.refuse_closed(customer)
        item = Item(
            description=description,
            quantity=quantity,
            unit_amount=unit_amount,
            tax_rate=tax_rate,
            period_start=invoice.period_start,
            period_end=invoice.period_end,
        )
        lines.append(line_of(invoice.id, len(lines), item))
        if are_too_large([(line.tax_rate, line.net_minor) for line in lines]):
            raise InvoiceTooLarge
        await self.invoices.repository.put_lines(lines)
        return await self.invoices.view(invoice_id)

    async def delete(self, invoice_id: UUID) -> None:
        """Removes a draft with its lines.

        Raises:
            InvoiceNotFound, InvalidTransition: there is no such draft.
        """
        await self._locked(invoice_id)
        await self.invoices.repository.remove_draft(invoice_id)

    async def finalize(self, invoice_id: UUID) -> InvoiceView:
        """Makes a document of a draft.

        Raises:
            InvoiceNotFound, InvalidTransition, InvoiceEmpty: there is no such draft, or nothing on it.
            CustomerClosed, CurrencyMismatch: the customer cannot be billed with it any more.
        """
        customer, invoice, lines = await self._locked(invoice_id)
        self.invoices.customers.refuse_closed(customer)
        if not lines:
            raise InvoiceEmpty
        self.invoices.customers.keep_to_currency(customer, invoice.currency)
        await self.invoices.finalize(invoice, lines, customer)
        return await self.invoices.view(invoice_id)

    async def _locked(self, invoice_id: UUID) -> tuple[Customer, Invoice, list[InvoiceLine]]:
        customer = await self.invoices.customers.by_id(await self.invoices.customer_of(invoice_id))
        invoice = await self.invoices.locked(invoice_id)
        if invoice.status != "draft":
            raise InvalidTransition(f"The invoice is {invoice.status}.")
        return customer, invoice, list(await self.invoices.repository.lines(invoice_id))
