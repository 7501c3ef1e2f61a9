"""How an invoice comes to be, is finalized and is paid, and what is refused on the way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.customers.models import Customer
from billing.invoices.announcements import ANNOUNCED_AS, InvoiceState
from billing.invoices.models import Invoice, InvoiceLine, InvoiceView
from billing.invoices.repository import InvoiceQueries, InvoiceRepository
from billing.invoices.rules import Item, number, taxes
from billing.ledger.rules import Posting, invoice_finalized, invoice_voided
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
    ledger: Ledger
    events: Events
    clock: Clock
    series: str
    seller: Mapping[str, Any]

    async def issue(
        self, customer: Customer, items: Sequence[Item], *, currency: str, subscription_id: UUID | None
    ) -> Invoice:
        """Drafts and finalizes an invoice for the period of its first item; nothing to pay: it is paid."""
        invoice = Invoice(
            id=new_id(),
            customer_id=customer.id,
            subscription_id=subscription_id,
            status="draft",
            currency=currency,
            period_start=items[0].period_start,
            period_end=items[0].period_end,
            created_at=self.clock.now(),
        )
        lines = _lines(invoice.id, items)
        await self.repository.add(invoice, lines)
        invoice.subtotal_minor = sum(line.net_minor for line in lines)
        invoice.tax_minor = sum(line.tax_minor for line in lines)
        await self._finalize(invoice, customer)
        return invoice

    async def payable(self, invoice_id: UUID, customer: Customer) -> Invoice:
        """An invoice of this customer that waits for its money; nobody else changes it until the transaction ends.

        Raises:
            InvoiceNotFound: the customer has no such invoice.
            InvalidTransition: it is paid, void or a draft.
        """
        invoice = await self.locked(invoice_id)
        if invoice.customer_id != customer.id:
            raise InvoiceNotFound
        if invoice.status not in {"open", "uncollectible"}:
            raise InvalidTransition(f"The invoice is {invoice.status}.")
        return invoice

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
        """Takes note that all that was due has come in."""
        invoice.amount_paid_minor = invoice.amount_due_minor
        invoice.status = "paid"
        invoice.paid_at = self.clock.now()
        await self._moved(invoice)

    async def open(self, customer_id: UUID) -> Sequence[Invoice]:
        """Those of a customer that wait for their money; nobody else changes them until the transaction ends."""
        return await self.repository.open(customer_id)

    async def void(self, invoice: Invoice) -> None:
        """Takes back what an open invoice asks for; it keeps its number."""
        invoice.status = "void"
        await self._moved(invoice)
        await self._book(invoice, invoice_voided)

    async def remove_drafts(self, customer_id: UUID) -> None:
        """Removes what is no document yet."""
        await self.repository.remove_drafts(customer_id)

    async def view(self, invoice_id: UUID) -> InvoiceView:
        """The invoice as it is read, with what this transaction has changed."""
        return await self.repository.view(invoice_id)

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

    async def _finalize(self, invoice: Invoice, customer: Customer) -> None:
        now = self.clock.now()
        invoice.total_minor = invoice.amount_due_minor = invoice.subtotal_minor + invoice.tax_minor
        invoice.seller = self.seller
        invoice.buyer = {"customer_id": format_id("cus", customer.id), "user_id": format_id("usr", customer.user_id)}
        position = await self.repository.next_number(self.series, now.year)
        invoice.number = number(series=self.series, year=now.year, position=position)
        invoice.status = "open"
        invoice.finalized_at = invoice.due_at = now
        await self._moved(invoice)
        if invoice.total_minor:
            await self._book(invoice, invoice_finalized)
        else:
            await self.mark_paid(invoice)

    async def _book(self, invoice: Invoice, posting: Callable[..., Posting]) -> None:
        booked = posting(
            format_id("inv", invoice.id),
            customer_id=invoice.customer_id,
            currency=invoice.currency,
            net_minor=invoice.subtotal_minor,
            tax_minor=invoice.tax_minor,
        )
        await self.ledger.post(booked)

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


def _lines(invoice_id: UUID, items: Sequence[Item]) -> list[InvoiceLine]:
    shares = taxes([(item.tax_rate, item.net_minor) for item in items])
    return [
        InvoiceLine(
            id=new_id(),
            invoice_id=invoice_id,
            position=position,
            description=item.description,
            quantity=item.quantity,
            unit_amount=item.unit_amount,
            net_minor=item.net_minor,
            tax_rate=item.tax_rate,
            tax_minor=tax_minor,
            proration=item.proration,
            period_start=item.period_start,
            period_end=item.period_end,
        )
        for position, (item, tax_minor) in enumerate(zip(items, shares, strict=True))
    ]


@dataclass(frozen=True, slots=True)
class InvoiceViews:
    """A user's own invoices, as they are read."""

    queries: InvoiceQueries

    async def one(self, invoice_id: UUID, *, user_id: UUID) -> InvoiceView:
        """One invoice.

        Raises:
            InvoiceNotFound: the user has no such invoice.
        """
        invoice = await self.queries.one(invoice_id, user_id)
        if invoice is None:
            raise InvoiceNotFound
        return invoice

    async def page(self, *, user_id: UUID, after: tuple[datetime, UUID] | None, limit: int) -> list[InvoiceView]:
        return await self.queries.page(user_id, after, limit)

    async def latest_of(self, subscription_ids: Sequence[UUID]) -> dict[UUID | None, InvoiceView]:
        """The last invoice of each subscription that has one."""
        return {invoice.subscription_id: invoice for invoice in await self.queries.latest_of(subscription_ids)}
