"""How an invoice comes to be, is finalized and is paid, and what is refused on the way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.customers.models import Customer
from billing.customers.service import Customers
from billing.invoices.announcements import ANNOUNCED_AS, InvoiceState
from billing.invoices.models import Invoice, InvoiceLine, InvoiceReason, InvoiceView
from billing.invoices.repository import InvoiceRepository
from billing.invoices.rules import Item, Totals, as_it_stands, number
from billing.ledger.rules import (
    Posting,
    balance_applied,
    balance_given_back,
    invoice_finalized,
    invoice_voided,
    invoice_written_off,
    write_off_reversed,
)
from billing.ledger.service import Ledger
from billing.money import Money
from core.clock import Clock
from core.errors import Conflict, NotFound
from core.events import Events
from core.ids import format_id, new_id


class InvoiceNotFound(NotFound):
    """There is no such invoice."""

    code = "invoice_not_found"


class InvalidTransition(Conflict):
    """What is asked for cannot follow on the present state."""

    code = "invalid_transition"


@dataclass(frozen=True, slots=True)
class Invoices:
    """What customers owe."""

    repository: InvoiceRepository
    customers: Customers
    ledger: Ledger
    events: Events
    clock: Clock
    series: str
    seller: Mapping[str, Any]

    async def issue(
        self,
        customer: Customer,
        items: Sequence[Item],
        *,
        currency: str,
        subscription_id: UUID | None,
        reason: InvoiceReason,
    ) -> Invoice:
        """Drafts and finalizes an invoice for the period of its last item, of a customer who is locked.

        What the customer has in credit pays first; where nothing is left to pay, it is paid.
        """
        invoice = Invoice(
            id=new_id(),
            customer_id=customer.id,
            subscription_id=subscription_id,
            reason=reason,
            status="draft",
            currency=currency,
            period_start=items[-1].period_start,
            period_end=items[-1].period_end,
            created_at=self.clock.now(),
        )
        await self.repository.add(invoice)
        lines = [line_of(invoice.id, position, item) for position, item in enumerate(items)]
        await self.finalize(invoice, lines, customer)
        return invoice

    async def finalize(self, invoice: Invoice, lines: Sequence[InvoiceLine], customer: Customer) -> None:
        """Makes a document of a draft with its lines, of a customer who is locked, in their own currency."""
        totals = Totals.of([(line.tax_rate, line.net_minor) for line in lines], balance_minor=customer.balance_minor)
        for line, tax_minor in zip(lines, totals.taxes_minor, strict=True):
            line.tax_minor = tax_minor
        await self.repository.put_lines(lines)
        await self._book(invoice, invoice_finalized, net_minor=totals.subtotal_minor, tax_minor=totals.tax_minor)
        if applied := totals.balance_applied_minor:
            posted = await self._post(balance_applied, invoice, applied)
            await self.customers.credit(customer, -applied, kind=posted.kind, source=posted.source)
        invoice.number = await self.next_number(self.series)
        invoice.subtotal_minor = totals.subtotal_minor
        invoice.tax_minor = totals.tax_minor
        invoice.total_minor = totals.total_minor
        invoice.balance_applied_minor = totals.balance_applied_minor
        invoice.amount_due_minor = totals.amount_due_minor
        invoice.seller = self.seller
        invoice.buyer = {"customer_id": format_id("cus", customer.id), "user_id": format_id("usr", customer.user_id)}
        invoice.finalized_at = invoice.due_at = self.clock.now()
        invoice.status = "open"
        await self._moved(invoice)
        if not invoice.amount_due_minor:
            await self.mark_paid(invoice)

    async def payable(self, invoice_id: UUID, customer: Customer) -> Invoice:
        """An invoice of this customer that waits for its money; nobody else changes it until the transaction ends.

        Raises:
            InvoiceNotFound: the customer has no such invoice, or it is a draft.
            InvalidTransition: it is paid or void.
        """
        invoice = await self.locked(invoice_id)
        if invoice.customer_id != customer.id or invoice.status == "draft":
            raise InvoiceNotFound
        if invoice.status not in {"open", "uncollectible"}:
            raise InvalidTransition(f"The invoice is {invoice.status}.")
        return invoice

    async def customer_of(self, invoice_id: UUID) -> UUID:
        """Whose invoice it is, which never changes: to lock the customer before the invoice.

        Raises:
            InvoiceNotFound: there is none.
        """
        customer_id = await self.repository.customer_of(invoice_id)
        if customer_id is None:
            raise InvoiceNotFound
        return customer_id

    async def locked(self, invoice_id: UUID) -> Invoice:
        """The invoice; nobody else changes it until the transaction ends.

        Raises:
            InvoiceNotFound: there is none.
        """
        invoice = await self.repository.locked(invoice_id)
        if invoice is None:
            raise InvoiceNotFound
        return invoice

    async def mark_paid(self, invoice: Invoice) -> None:
        """Takes note that all that remained has come in; the caller has posted it."""
        if invoice.status == "uncollectible":
            await self._post(write_off_reversed, invoice, invoice.remaining_minor)
        invoice.amount_paid_minor += invoice.remaining_minor
        invoice.status = "paid"
        invoice.paid_at = self.clock.now()
        invoice.next_attempt_at = None
        await self._moved(invoice)

    async def open(self, customer_id: UUID) -> Sequence[Invoice]:
        """Those of a customer that wait for their money; nobody else changes them until the transaction ends."""
        return await self.repository.open(customer_id)

    async def put_off(self, invoice: Invoice, *, until: datetime | None) -> None:
        """Takes note of an attempt to collect it that has failed; None: there is no other."""
        invoice.attempts += 1
        invoice.first_failed_at = invoice.first_failed_at or self.clock.now()
        invoice.next_attempt_at = until
        await self.repository.flush()

    async def leave(self, invoice: Invoice) -> None:
        """Tries it no more by itself; it stays owed."""
        invoice.next_attempt_at = None
        await self.repository.flush()

    async def write_off(self, invoice: Invoice) -> None:
        """Gives up the hope for an open invoice; it may still be paid."""
        await self._post(invoice_written_off, invoice, invoice.remaining_minor)
        invoice.status = "uncollectible"
        invoice.next_attempt_at = None
        await self._moved(invoice)

    async def void(self, invoice: Invoice, customer: Customer) -> None:
        """Takes back what an invoice asks for, and gives back what the balance has paid of it; it keeps its number."""
        if invoice.status == "uncollectible":
            await self._post(write_off_reversed, invoice, invoice.remaining_minor)
        invoice.status = "void"
        invoice.next_attempt_at = None
        await self._moved(invoice)
        await self._book(
            invoice,
            invoice_voided,
            net_minor=invoice.subtotal_minor - invoice.credited_net_minor,
            tax_minor=invoice.tax_minor - invoice.credited_tax_minor,
        )
        if applied := invoice.balance_applied_minor:
            posted = await self._post(balance_given_back, invoice, applied)
            await self.customers.credit(customer, applied, kind=posted.kind, source=posted.source)

    async def take_back(self, invoice: Invoice, *, net_minor: int, tax_minor: int, applied_minor: int) -> None:
        """Takes note of a credit note, and of what it takes off the amount due; the caller has posted it."""
        invoice.credited_net_minor += net_minor
        invoice.credited_tax_minor += tax_minor
        invoice.credited_minor += applied_minor
        if invoice.status == "open" and not invoice.remaining_minor:
            await self.mark_paid(invoice)
        else:
            await self.repository.flush()

    async def next_number(self, series: str) -> str:
        """The next number of a series in this year, which nobody else gets: the last thing of a transaction to ask for.

        It is taken if the transaction commits, and until then others wait for it.
        """
        year = self.clock.now().year
        return number(series=series, year=year, position=await self.repository.next_number(series, year))

    async def remove_drafts(self, customer_id: UUID) -> None:
        """Removes what is no document yet."""
        await self.repository.remove_drafts(customer_id)

    async def view(self, invoice_id: UUID) -> InvoiceView:
        """The invoice as it is read, with what this transaction has changed."""
        return as_it_stands(await self.repository.view(invoice_id))

    async def latest_of(self, subscription_id: UUID) -> InvoiceView | None:
        """The last invoice of a subscription, with what this transaction has changed."""
        return await self.repository.latest_of(subscription_id)

    async def count_announced(self) -> int:
        """How many invoices others know of."""
        return await self.repository.count_announced()

    async def retell(self, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Tells the next of them again as they are; their ids, in order."""
        invoices = await self.repository.announced(after=after, limit=limit)
        for invoice in invoices:
            await self._announce(invoice)
        return [invoice.id for invoice in invoices]

    async def _book(self, invoice: Invoice, posting: Callable[..., Posting], **amounts: int) -> Posting:
        source = format_id("inv", invoice.id)
        booked = posting(source, customer_id=invoice.customer_id, currency=invoice.currency, **amounts)
        await self.ledger.post(booked)
        return booked

    async def _post(self, posting: Callable[..., Posting], invoice: Invoice, amount_minor: int) -> Posting:
        return await self._book(invoice, posting, amount_minor=amount_minor)

    async def _moved(self, invoice: Invoice) -> None:
        invoice.sequence += 1
        await self.repository.flush()
        await self._announce(invoice)

    async def _announce(self, invoice: Invoice) -> None:
        def money(minor: int) -> Money:
            return Money(amount=minor, currency=invoice.currency)

        state = InvoiceState.model_validate(
            {
                "id": format_id("inv", invoice.id),
                "number": invoice.number,
                "status": invoice.status,
                "customer_id": format_id("cus", invoice.customer_id),
                "subscription_id": invoice.subscription_id and format_id("sub", invoice.subscription_id),
                "total": money(invoice.total_minor),
                "amount_due": money(invoice.amount_due_minor),
                "amount_paid": money(invoice.amount_paid_minor),
            }
        )
        type_ = ANNOUNCED_AS[invoice.status]
        await self.events.emit(type_, subject=state.id, sequence=invoice.sequence, data=state)


def line_of(invoice_id: UUID, position: int, item: Item) -> InvoiceLine:
    """What is stored of an item; its tax depends on the other lines, and comes when the invoice is finalized."""
    return InvoiceLine(
        id=new_id(),
        invoice_id=invoice_id,
        position=position,
        description=item.description,
        quantity=item.quantity,
        unit_amount=item.unit_amount,
        net_minor=item.net_minor,
        tax_rate=item.tax_rate,
        tax_minor=0,
        proration=item.proration,
        period_start=item.period_start,
        period_end=item.period_end,
    )
