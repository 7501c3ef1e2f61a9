"""How a credit note is issued, and what is refused on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.collection.service import Follower
from billing.credit_notes.announcements import CreditNoteState
from billing.credit_notes.models import CreditNote, CreditNoteLine, CreditNoteView
from billing.credit_notes.repository import CreditNoteRepository
from billing.credit_notes.rules import Uses
from billing.credit_notes.service.orders import CreditNoteExceedsInvoice, Order
from billing.customers.models import Customer
from billing.customers.service import CurrencyMismatch, Customers
from billing.invoices.models import Invoice
from billing.invoices.service import InvalidTransition, Invoices
from billing.ledger.rules import credit_note_issued
from billing.ledger.service import Ledger
from billing.money import Money
from billing.payments.models import Payment
from billing.payments.service import Payments
from billing.refunds.models import Refund
from billing.refunds.service import RefundExceedsPayment, Refunds
from core.clock import Clock
from core.errors import NotFound
from core.events import Events
from core.idempotency import IdempotencyKeyReused
from core.ids import format_id, new_id


class CreditNoteNotFound(NotFound):
    """There is no such credit note."""

    code = "credit_note_not_found"


@dataclass(frozen=True, slots=True)
class CreditNotes:
    """Corrections of finalized invoices: of each, never more than it came to."""

    repository: CreditNoteRepository
    customers: Customers
    invoices: Invoices
    payments: Payments
    refunds: Refunds
    ledger: Ledger
    follower: Follower
    events: Events
    clock: Clock
    series: str

    async def issue(self, order: Order, *, request_key: UUID) -> tuple[CreditNote, Refund | None]:
        """Issues a credit note and puts its refund on record, or finds what this request has issued before.

        Raises:
            InvoiceNotFound, InvalidTransition, PaymentInProgress: the invoice cannot be corrected (now).
            InvoiceLineUnknown, CreditNoteEmpty, CreditNoteExceedsInvoice: so much cannot be taken back of it.
            CurrencyMismatch, CreditNoteUnbalanced, RefundExceedsPayment: it cannot go where it is to go.
            IdempotencyKeyReused: the request that issued one was another one.
        """
        customer = await self.customers.by_id(await self.invoices.customer_of(order.invoice_id))
        issued = await self.repository.of_request(request_key)
        if issued is not None:
            await self._refuse_another(order, issued)
            return issued, await self.refunds.of_credit_note(issued.id)
        invoice = await self._correctable(order)
        note_id = new_id()
        lines = order.lines(await self.repository.creditable(invoice.id), note_id=note_id)
        note = self._note(order, invoice, lines, note_id=note_id, request_key=request_key)
        if not await self.follower.credited(invoice, order.nets_minor):
            raise CreditNoteExceedsInvoice
        payment = await self._refunded(note, invoice)
        await self._take_back(note, invoice, customer)
        note.number = await self.invoices.next_number(self.series)
        await self.repository.add(note, lines)
        await self._announce(note)
        if payment is None:
            return note, None
        refund = await self.refunds.begin_with(
            payment, customer, amount_minor=note.refund_minor, request_key=request_key, credit_note_id=note.id
        )
        return note, refund

    async def view(self, credit_note_id: UUID) -> CreditNoteView:
        """The credit note as it is read, with what this transaction has changed."""
        return await self.repository.view(credit_note_id)

    async def count_announced(self) -> int:
        """How many credit notes there are."""
        return await self.repository.count()

    async def retell(self, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Tells the next ones again; their ids, in order."""
        notes = await self.repository.following(after, limit=limit)
        for note in notes:
            await self._announce(note)
        return [note.id for note in notes]

    async def _refuse_another(self, order: Order, issued: CreditNote) -> None:
        said = (order.invoice_id, order.reason, order.nets_minor, order.currencies)
        was = (issued.invoice_id, issued.reason, await self.repository.nets(issued.id), {issued.currency})
        going = order.split(issued.total_minor, remaining_minor=issued.applied_minor)
        went = Uses(issued.applied_minor, issued.credit_minor, issued.refund_minor)
        if (said, going) != (was, went):
            raise IdempotencyKeyReused

    async def _correctable(self, order: Order) -> Invoice:
        invoice = await self.invoices.locked(order.invoice_id)
        if invoice.status not in {"open", "paid"}:
            raise InvalidTransition(f"The invoice is {invoice.status}.")
        await self.payments.refuse_second(invoice.id)
        if order.currencies != {invoice.currency}:
            raise CurrencyMismatch(f"The invoice is in {invoice.currency}.")
        return invoice

    def _note(
        self, order: Order, invoice: Invoice, lines: Sequence[CreditNoteLine], *, note_id: UUID, request_key: UUID
    ) -> CreditNote:
        net_minor, tax_minor = sum(line.net_minor for line in lines), sum(line.tax_minor for line in lines)
        going = order.uses(net_minor + tax_minor, invoice)
        assert invoice.seller is not None and invoice.buyer is not None  # noqa: S101, PT018 - it is finalized
        return CreditNote(
            id=note_id,
            invoice_id=invoice.id,
            customer_id=invoice.customer_id,
            # Taken last.
            number="",
            currency=invoice.currency,
            reason=order.reason,
            subtotal_minor=net_minor,
            tax_minor=tax_minor,
            total_minor=net_minor + tax_minor,
            applied_minor=going.applied_minor,
            credit_minor=going.credit_minor,
            refund_minor=going.refund_minor,
            seller=invoice.seller,
            buyer=invoice.buyer,
            request_key=request_key,
            sequence=1,
            created_at=self.clock.now(),
        )

    async def _refunded(self, note: CreditNote, invoice: Invoice) -> Payment | None:
        """The payment that the note gives back a part of."""
        if not note.refund_minor:
            return None
        payment = await self.refunds.paid(invoice)
        if payment is None:
            raise RefundExceedsPayment("No payment has paid this invoice.")
        return payment

    async def _take_back(self, note: CreditNote, invoice: Invoice, customer: Customer) -> None:
        was_open = invoice.status == "open"
        booked = credit_note_issued(
            format_id("crn", note.id),
            customer_id=customer.id,
            currency=note.currency,
            net_minor=note.subtotal_minor,
            tax_minor=note.tax_minor,
            applied_minor=note.applied_minor,
            credit_minor=note.credit_minor,
            refund_minor=note.refund_minor,
        )
        await self.ledger.post(booked)
        if note.credit_minor:
            await self.customers.credit(customer, note.credit_minor, kind=booked.kind, source=booked.source)
        await self.invoices.take_back(
            invoice, net_minor=note.subtotal_minor, tax_minor=note.tax_minor, applied_minor=note.applied_minor
        )
        if was_open and invoice.status == "paid":
            await self.follower.paid(invoice)

    async def _announce(self, note: CreditNote) -> None:
        def money(minor: int) -> Money:
            return Money(amount=minor, currency=note.currency)

        state = CreditNoteState(
            id=format_id("crn", note.id),
            number=note.number,
            invoice_id=format_id("inv", note.invoice_id),
            customer_id=format_id("cus", note.customer_id),
            total=money(note.total_minor),
            applied_amount=money(note.applied_minor),
            credit_amount=money(note.credit_minor),
            refund_amount=money(note.refund_minor),
        )
        await self.events.emit("credit_note.created", subject=state.id, sequence=note.sequence, data=state)
