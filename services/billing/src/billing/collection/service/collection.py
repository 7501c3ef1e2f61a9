"""What is written about the collection of an invoice before the provider is asked, and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from billing.collection.rules import next_attempt
from billing.customers.models import Customer
from billing.customers.service import Customers
from billing.invoices.models import Invoice
from billing.invoices.service import Invoices
from billing.ledger.rules import fee_taken, payment_succeeded, payment_succeeded_late
from billing.ledger.service import Ledger
from billing.payments.models import Payment, PaymentMethod
from billing.payments.provider import Outcome
from billing.payments.service import PaymentMethodRequired, PaymentMethods, Payments
from core.idempotency import IdempotencyKeyReused
from core.ids import format_id


class Follower(Protocol):
    """Who stands above, and is told in the transaction in which it happens.

    Nobody ever reads a paid invoice beside a subscription that waits for it.
    """

    async def paid(self, invoice: Invoice) -> None:
        """All that an invoice asked for has come in."""
        ...

    async def declined(self, invoice: Invoice) -> None:
        """An attempt to collect an open invoice that nobody asked for has failed; there will be another."""
        ...

    async def given_up(self, invoice: Invoice) -> None:
        """There will be none: the last one failed, or the provider says that no other can succeed."""
        ...

    async def voided(self, invoice: Invoice) -> None:
        """Nobody asks for an invoice any more."""
        ...

    async def credited(self, invoice: Invoice, nets_minor: Mapping[UUID, int]) -> bool:
        """So much of its lines is taken back, net, by the ids of the lines; False: so much was given back otherwise."""
        ...

    async def method_of(self, invoice: Invoice) -> UUID | None:
        """What it is to be paid with; None: whatever is the customer's default."""
        ...


@dataclass(frozen=True, slots=True)
class Collection:
    """What is written before the provider is asked, and after: each in one transaction.

    The customer is locked first, always: two transactions never wait for each other crosswise.
    """

    customers: Customers
    methods: PaymentMethods
    payments: Payments
    invoices: Invoices
    ledger: Ledger
    follower: Follower

    async def begin(
        self, invoice_id: UUID, *, user_id: UUID, payment_method_id: UUID | None, request_key: UUID
    ) -> Payment:
        """Puts a payment of an invoice on record, or finds the one that this request began before.

        Raises:
            CustomerClosed: this customer pays nothing any more.
            InvoiceNotFound, InvalidTransition, PaymentInProgress: the invoice cannot be paid (now).
            PaymentMethodNotFound, PaymentMethodRequired: there is nothing to pay it with.
            IdempotencyKeyReused: the request that began it was another one.
        """
        customer = await self.customers.buying(user_id)
        begun = await self.payments.of_request(request_key)
        if begun is not None:
            if begun.invoice_id != invoice_id or payment_method_id not in (None, begun.payment_method_id):
                raise IdempotencyKeyReused
            return begun
        invoice = await self.invoices.payable(invoice_id, customer)
        await self.payments.refuse_second(invoice_id)
        method = await self.methods.chosen(customer, payment_method_id)
        return await self.begin_with(invoice, method, request_key=request_key)

    async def begin_automatic(self, invoice: Invoice, customer: Customer) -> Payment | None:
        """Puts a payment that nobody asked for on record; without anything to pay with, an attempt that has failed.

        Of what is paid already, nothing. The customer is locked; the invoice is locked or new, and has no other payment
        in progress.
        """
        if invoice.status != "open":
            return None
        try:
            method = await self.methods.chosen(customer, await self.follower.method_of(invoice))
        except PaymentMethodRequired:
            await self.missed(invoice)
            return None
        return await self.begin_with(invoice, method, request_key=None, automatic=True)

    async def begin_due(self, invoice_id: UUID) -> Payment | None:
        """The same for the next attempt of an invoice, if it is due: it may have been paid, or tried, a moment ago."""
        invoice, customer = await self._locked(invoice_id)
        is_due = invoice.next_attempt_at is not None and invoice.next_attempt_at <= self.invoices.clock.now()
        if not is_due or customer.closing_at is not None or await self.payments.is_under_way(invoice_id):
            return None
        return await self.begin_automatic(invoice, customer)

    async def behind(self, customer_id: UUID) -> list[UUID]:
        """The invoices of a customer that an attempt has failed for, and that another will be made for."""
        customer = await self.customers.by_id(customer_id)
        return [invoice.id for invoice in await self.invoices.open(customer.id) if invoice.next_attempt_at is not None]

    async def begin_early(self, invoice_id: UUID, *, request_key: UUID) -> Payment | None:
        """Puts a payment of an invoice with the customer's new default on record, before the next attempt is due.

        Its customer has asked for it by naming a new default, so that its failure has no consequences: the next attempt
        stays due when it was. `request_key` names what it is an answer to, which may come twice.
        """
        invoice, customer = await self._locked(invoice_id)
        begun = await self.payments.of_request(request_key)
        if begun is not None:
            return begun
        is_behind = invoice.next_attempt_at is not None
        if not is_behind or customer.closing_at is not None or await self.payments.is_under_way(invoice_id):
            return None
        try:
            method = await self.methods.chosen(customer, None)
        except PaymentMethodRequired:
            return None
        return await self.begin_with(invoice, method, request_key=request_key)

    async def begin_with(
        self, invoice: Invoice, method: PaymentMethod, *, request_key: UUID | None, automatic: bool = False
    ) -> Payment:
        """Puts a payment of all that remains on record; the invoice is locked or new, and has no other in progress.

        `automatic`: nobody asked for it, and its failure has consequences.
        """
        return await self.payments.begin(
            invoice_id=invoice.id,
            amount_minor=invoice.remaining_minor,
            currency=invoice.currency,
            method=method,
            request_key=request_key,
            automatic=automatic,
        )

    async def settle(self, payment: Payment, outcome: Outcome) -> Payment:
        """Writes what became of a payment, and all that follows from it; what is known already, once."""
        invoice, customer = await self._locked(payment.invoice_id)
        settled = await self.payments.locked(payment.id)
        was_under_way = settled.status == "processing"
        if not await self.payments.record(settled, outcome):
            return settled
        if settled.status == "succeeded":
            await self._received(settled, invoice, customer)
        # From who leaves nothing is collected any more: the closing takes back what is open.
        elif settled.automatic and customer.closing_at is None:
            await self._failed(settled, invoice, is_hopeless=not outcome.retryable, is_first=was_under_way)
        return settled

    async def missed(self, invoice: Invoice) -> None:
        """Takes note that an attempt that nobody asked for has failed; the next one is put off, or there is none."""
        now = self.invoices.clock.now()
        until = next_attempt(first_failed_at=invoice.first_failed_at or now, failures=invoice.attempts + 1, now=now)
        await self.invoices.put_off(invoice, until=until)
        await self.follower.declined(invoice)
        if until is None:
            await self._abandon(invoice)

    async def give_up(self, customer: Customer) -> bool:
        """Takes back what a customer has not paid; False if there is some that a payment is under way for."""
        await self.invoices.remove_drafts(customer.id)
        is_settled = True
        for invoice in await self.invoices.open(customer.id):
            if await self.payments.is_under_way(invoice.id):
                is_settled = False
            else:
                await self.invoices.void(invoice, customer)
        return is_settled

    async def _locked(self, invoice_id: UUID) -> tuple[Invoice, Customer]:
        customer = await self.customers.by_id(await self.invoices.customer_of(invoice_id))
        return await self.invoices.locked(invoice_id), customer

    async def _failed(self, payment: Payment, invoice: Invoice, *, is_hopeless: bool, is_first: bool) -> None:
        """An attempt counts once, however much is told of it, and while nothing newer is known of its invoice."""
        if is_first and invoice.status == "open":
            await self.missed(invoice)
        if is_hopeless and invoice.status == "open" and await self.payments.is_last(payment):
            await self._abandon(invoice)

    async def _abandon(self, invoice: Invoice) -> None:
        await self.follower.given_up(invoice)
        await self.invoices.write_off(invoice)

    async def _received(self, payment: Payment, invoice: Invoice, customer: Customer) -> None:
        # What remains only ever shrinks, by credit notes: a payment is never less.
        taken = invoice.remaining_minor if invoice.status in {"open", "uncollectible"} else 0
        excess = payment.amount_minor - taken
        of_payment = {"source": format_id("pay", payment.id), "currency": payment.currency}
        late = payment_succeeded_late(**of_payment, customer_id=customer.id, amount_minor=excess)
        await self.ledger.post(
            payment_succeeded(**of_payment, customer_id=customer.id, amount_minor=taken),
            late,
            fee_taken(**of_payment, amount_minor=payment.fee_minor),
        )
        if taken:
            await self.invoices.mark_paid(invoice)
            await self.follower.paid(invoice)
        if excess:
            await self.customers.credit(customer, excess, kind=late.kind, source=late.source)
