"""How an invoice is collected: in steps, because a provider that is asked inside a transaction cannot be rolled back.

1. A payment is put on record as `processing`, and committed. 2. The provider is asked, with the payment's id as its
key, while no transaction is open. 3. What it says is written. A process that dies in between leaves a payment in
progress: a retry of the request goes on with it, and so does the reminder that step 1 left; neither can charge twice.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

from billing.customers.service import Customers
from billing.invoices.models import Invoice, InvoiceView
from billing.invoices.service import Invoices
from billing.ledger.rules import payment_succeeded
from billing.ledger.service import Ledger
from billing.payments.models import Payment, PaymentMethod
from billing.payments.provider import Outcome, Provider
from billing.payments.service import PaymentMethods, Payments, refuse_unless_succeeded
from core.errors import Unavailable
from core.idempotency import IdempotencyKeyReused
from core.ids import format_id

# Who stands above is told in the transaction in which an invoice is paid, so that nobody ever reads a paid invoice
# beside a subscription that waits for it.
Follow = Callable[[Invoice], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Collection:
    """What is written before the provider is asked, and after: each in one transaction."""

    customers: Customers
    methods: PaymentMethods
    payments: Payments
    invoices: Invoices
    ledger: Ledger
    follow: Follow

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

    async def begin_with(self, invoice: Invoice, method: PaymentMethod, *, request_key: UUID) -> Payment:
        """Puts a payment of all that remains on record; the invoice is locked or new, and has no other in progress."""
        return await self.payments.begin(
            invoice_id=invoice.id,
            amount_minor=invoice.amount_due_minor - invoice.amount_paid_minor,
            currency=invoice.currency,
            method=method,
            request_key=request_key,
        )

    async def settle(self, payment: Payment, outcome: Outcome) -> Payment:
        """Writes what became of a payment, and all that follows from it; a second time, nothing."""
        # The invoice first, as in `begin`: two transactions never wait for each other crosswise.
        invoice = await self.invoices.locked(payment.invoice_id)
        settled = await self.payments.locked(payment.id)
        if await self.payments.record(settled, outcome) and settled.status == "succeeded":
            received = payment_succeeded(
                format_id("pay", settled.id),
                customer_id=invoice.customer_id,
                currency=settled.currency,
                amount_minor=settled.amount_minor,
            )
            await self.ledger.post(received)
            await self.invoices.mark_paid(invoice)
            await self.follow(invoice)
        return settled

    async def give_up(self, customer_id: UUID) -> bool:
        """Takes back what a customer has not paid; False if there is some that a payment is under way for."""
        await self.invoices.remove_drafts(customer_id)
        is_settled = True
        for invoice in await self.invoices.open(customer_id):
            if await self.payments.is_under_way(invoice.id):
                is_settled = False
            else:
                await self.invoices.void(invoice)
        return is_settled


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


@dataclass(frozen=True, slots=True)
class Settlement:
    """Finds out what became of a payment whose process did not live to see it."""

    begin: Begin
    provider: Provider

    async def settle(self, payment_id: UUID) -> None:
        """Asks the provider; while it does not know, a reminder asks again."""
        async with self.begin() as collection:
            payment = await collection.payments.payment(payment_id)
        if payment.status != "processing":
            return
        try:
            outcome = await self.provider.fetch(payment_id) or await charge(self.provider, payment)
        except Unavailable:
            # However long the provider is away: money that is under way is never given up.
            outcome = Outcome("unknown")
        async with self.begin() as collection:
            settled = await collection.settle(payment, outcome)
            if settled.status == "processing":
                await collection.payments.remind(settled)


async def charge(provider: Provider, payment: Payment) -> Outcome:
    """Has the provider charge what is on record: once, because the payment's id is its key."""
    assert payment.reference is not None  # noqa: S101 - no customer is closed while a payment is under way
    return await provider.charge(
        payment.id, amount_minor=payment.amount_minor, currency=payment.currency, reference=payment.reference
    )
