"""What is written about a refund before the provider is asked, and after, and what is refused on the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from billing.customers.models import Customer
from billing.customers.service import CurrencyMismatch, Customers
from billing.invoices.models import Invoice
from billing.invoices.service import InvalidTransition
from billing.ledger.rules import Posting, balance_refunded, refund_failed, refund_returned, refund_succeeded
from billing.ledger.service import Ledger
from billing.money import Money
from billing.payments.models import Payment
from billing.payments.provider import RefundOutcome
from billing.payments.service import PaymentNotFound, Payments
from billing.refunds.announcements import RefundState
from billing.refunds.models import Refund
from billing.refunds.repository import RefundRepository
from billing.refunds.rules import supersedes
from core.clock import Clock
from core.errors import Conflict, NotFound
from core.events import Events
from core.idempotency import IdempotencyKeyReused
from core.ids import format_id, new_id


class RefundNotFound(NotFound):
    """There is no such refund."""

    code = "refund_not_found"


class RefundExceedsPayment(Conflict):
    """There is not as much left of the payment as is to be given back."""

    code = "refund_exceeds_payment"


class RefundExceedsBalance(Conflict):
    """The customer's balance is smaller than what is to be given back."""

    code = "refund_exceeds_balance"


@dataclass(frozen=True, slots=True)
class Refunds:
    """Money that goes back to who paid it: of a payment, never more than it brought.

    The customer is locked first, always: two transactions never wait for each other crosswise.
    """

    repository: RefundRepository
    customers: Customers
    payments: Payments
    ledger: Ledger
    events: Events
    clock: Clock
    settle_after: timedelta

    async def begin(self, payment_id: UUID, amount: Money, *, request_key: UUID) -> Refund:
        """Puts a refund of the customer's balance on record, or finds the one that this request began before.

        Raises:
            PaymentNotFound, InvalidTransition, RefundExceedsPayment: the payment cannot be given back, or not as much.
            CurrencyMismatch, RefundExceedsBalance: the customer does not have this in credit.
            IdempotencyKeyReused: the request that began it was another one.
        """
        payer_id = await self.repository.payer_of(payment_id)
        if payer_id is None:
            raise PaymentNotFound
        customer = await self.customers.by_id(payer_id)
        begun = await self.repository.of_request(request_key)
        if begun is not None:
            if (begun.payment_id, begun.amount_minor, begun.currency) != (payment_id, amount.amount, amount.currency):
                raise IdempotencyKeyReused
            return begun
        payment = await self.payments.locked(payment_id)
        if payment.status != "succeeded":
            raise InvalidTransition(f"The payment is {payment.status}.")
        if payment.currency != amount.currency:
            raise CurrencyMismatch(f"The payment was in {payment.currency}.")
        if customer.balance_minor < amount.amount:
            raise RefundExceedsBalance
        refund = await self.begin_with(payment, customer, amount_minor=amount.amount, request_key=request_key)
        booked = await self._book(balance_refunded, refund)
        await self.customers.credit(customer, -refund.amount_minor, kind=booked.kind, source=booked.source)
        return refund

    async def begin_with(
        self,
        payment: Payment,
        customer: Customer,
        *,
        amount_minor: int,
        request_key: UUID,
        credit_note_id: UUID | None = None,
    ) -> Refund:
        """Puts a refund on record, and a reminder to ask the provider should this process not live to.

        Customer and payment are locked; the caller books where the money comes from.

        Raises:
            RefundExceedsPayment: it is more than what is left of the payment.
        """
        if payment.refunded_minor + amount_minor > payment.amount_minor:
            raise RefundExceedsPayment
        payment.refunded_minor += amount_minor
        refund = Refund(
            id=new_id(),
            payment_id=payment.id,
            credit_note_id=credit_note_id,
            customer_id=customer.id,
            amount_minor=amount_minor,
            currency=payment.currency,
            status="processing",
            failure_code=None,
            request_key=request_key,
            sequence=1,
            created_at=self.clock.now(),
            settled_at=None,
        )
        await self.repository.add(refund)
        await self._announce(refund)
        await self.remind(refund)
        return refund

    async def paid(self, invoice: Invoice) -> Payment | None:
        """The payment that paid an invoice, locked; None if it was paid otherwise, or is not paid."""
        payment_id = await self.repository.paid(invoice.id)
        return None if payment_id is None else await self.payments.locked(payment_id)

    async def settle(self, refund_id: UUID, outcome: RefundOutcome) -> Refund:
        """Writes what became of a refund, and all that follows from it; what says nothing new changes nothing.

        Raises:
            RefundNotFound: there is none.
        """
        customer = await self.customers.by_id((await self.refund(refund_id)).customer_id)
        refund = await self.repository.locked(refund_id)
        if not supersedes(outcome.status, refund.status):
            return refund
        had_succeeded, refund.status = refund.status == "succeeded", outcome.status
        refund.failure_code = outcome.failure_code
        refund.settled_at = self.clock.now()
        refund.sequence += 1
        await self.repository.flush()
        await self._announce(refund)
        if outcome.status == "succeeded":
            await self._book(refund_succeeded, refund)
        else:
            await self._failed(refund, customer, had_succeeded=had_succeeded)
        return refund

    async def refund(self, refund_id: UUID) -> Refund:
        """A refund that is on record.

        Raises:
            RefundNotFound: there is none.
        """
        refund = await self.repository.refund(refund_id)
        if refund is None:
            raise RefundNotFound
        return refund

    async def of_credit_note(self, credit_note_id: UUID) -> Refund | None:
        """What a credit note gives back."""
        return await self.repository.of_credit_note(credit_note_id)

    async def is_under_way(self, customer_id: UUID) -> bool:
        """Whether a customer has a refund whose outcome is not known."""
        return await self.repository.processing(customer_id) > 0

    async def remind(self, refund: Refund) -> None:
        """Has the provider asked in a while, if the outcome is not known by then."""
        refund_id = format_id("rfd", refund.id)
        # A subject of its own: a delayed event holds back later ones of its subject, such as refund.succeeded.
        subject, data = f"{refund_id}/settlement", {"id": refund_id}
        await self.events.emit("refund.settle", subject=subject, data=data, delay=self.settle_after)

    async def count_announced(self) -> int:
        """How many refunds there are."""
        return await self.repository.count()

    async def retell(self, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Tells the next ones again as they are; their ids, in order."""
        refunds = await self.repository.following(after, limit=limit)
        for refund in refunds:
            await self._announce(refund)
        return [refund.id for refund in refunds]

    async def _failed(self, refund: Refund, customer: Customer, *, had_succeeded: bool) -> None:
        """What could not be given back is the customer's all the same, and the payment has it again."""
        payment = await self.payments.locked(refund.payment_id)
        payment.refunded_minor -= refund.amount_minor
        if had_succeeded:
            await self._book(refund_returned, refund)
        booked = await self._book(refund_failed, refund)
        await self.customers.credit(customer, refund.amount_minor, kind=booked.kind, source=booked.source)

    async def _book(self, posting: Callable[..., Posting], refund: Refund) -> Posting:
        booked = posting(
            format_id("rfd", refund.id),
            customer_id=refund.customer_id,
            currency=refund.currency,
            amount_minor=refund.amount_minor,
        )
        await self.ledger.post(booked)
        return booked

    async def _announce(self, refund: Refund) -> None:
        state = RefundState(
            id=format_id("rfd", refund.id),
            payment_id=format_id("pay", refund.payment_id),
            credit_note_id=format_id("crn", refund.credit_note_id) if refund.credit_note_id else None,
            customer_id=format_id("cus", refund.customer_id),
            status=refund.status,
            failure_code=refund.failure_code,
            amount=Money(amount=refund.amount_minor, currency=refund.currency),
        )
        await self.events.emit(f"refund.{refund.status}", subject=state.id, sequence=refund.sequence, data=state)
