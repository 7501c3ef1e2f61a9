"""What is written about the collection of an invoice before the provider is asked, and after."""

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
from billing.payments.service import PaymentMethods, Payments
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
        """Writes what became of a payment, and all that follows from it; a second time, nothing."""
        invoice, customer = await self._locked(payment.invoice_id)
        settled = await self.payments.locked(payment.id)
        is_first = settled.status == "processing"
        if not await self.payments.record(settled, outcome):
            return settled
        if settled.status == "succeeded":
            await self._received(settled, invoice, customer)
        elif settled.automatic and is_first:
            await self.missed(invoice, is_hopeless=not outcome.retryable)
        return settled

    async def missed(self, invoice: Invoice, *, is_hopeless: bool = False) -> None:
        """Takes note that an attempt that nobody asked for has failed; the next one is put off, or there is none."""
        if invoice.status != "open":
            return
        first_failed_at = invoice.first_failed_at or self.invoices.clock.now()
        following = next_attempt(first_failed_at=first_failed_at, failures=invoice.attempts + 1)
        until = None if is_hopeless else following
        await self.invoices.put_off(invoice, until=until)
        await self.follower.declined(invoice)
        if until is None:
            await self.follower.given_up(invoice)
            await self.invoices.write_off(invoice)

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

    async def _received(self, payment: Payment, invoice: Invoice, customer: Customer) -> None:
        source, amounts = (
            format_id("pay", payment.id),
            {"currency": payment.currency, "amount_minor": payment.amount_minor},
        )
        if invoice.status in {"open", "uncollectible"} and invoice.remaining_minor == payment.amount_minor:
            was_open = invoice.status == "open"
            await self.invoices.mark_paid(invoice)
            await self.ledger.post(payment_succeeded(source, customer_id=customer.id, **amounts))
            if was_open:
                await self.follower.paid(invoice)
        else:
            posting = payment_succeeded_late(source, customer_id=customer.id, **amounts)
            await self.ledger.post(posting)
            await self.customers.credit(customer, payment.amount_minor, kind=posting.kind, source=source)
        await self.ledger.post(fee_taken(source, currency=payment.currency, amount_minor=payment.fee_minor))
