"""How payments begin and end, and what is refused on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from billing.money import Money
from billing.payments.announcements import PaymentState
from billing.payments.models import Payment, PaymentMethod
from billing.payments.provider import Outcome
from billing.payments.repository import PaymentRepository
from billing.payments.rules import supersedes
from core.clock import Clock
from core.errors import Conflict, NotFound, PaymentFailed
from core.events import Events
from core.ids import format_id, new_id


class PaymentNotFound(NotFound):
    """There is no such payment."""

    code = "payment_not_found"


class PaymentInProgress(Conflict):
    """A payment of this invoice is in progress; what becomes of it will show on the invoice."""

    code = "payment_in_progress"
    # The same request, asked again, finds out more.
    is_final = False


class PaymentDeclined(PaymentFailed):
    """The payment was declined."""

    # The decline is a fact that stays on record.
    keeps_changes = True


class PaymentActionRequired(PaymentFailed):
    """The bank wants its customer to confirm the payment."""

    code = "payment_action_required"
    keeps_changes = True


@dataclass(frozen=True, slots=True)
class Payments:
    """Attempts to collect invoices, one at a time each."""

    repository: PaymentRepository
    events: Events
    clock: Clock
    settle_after: timedelta

    async def begin(
        self,
        *,
        invoice_id: UUID,
        amount_minor: int,
        currency: str,
        method: PaymentMethod,
        request_key: UUID | None,
        automatic: bool,
    ) -> Payment:
        """Puts an attempt on record, and a reminder to ask the provider about it should this process not live to."""
        payment = Payment(
            id=new_id(),
            invoice_id=invoice_id,
            payment_method_id=method.id,
            reference=method.reference,
            amount_minor=amount_minor,
            currency=currency,
            status="processing",
            decline_code=None,
            automatic=automatic,
            fee_minor=0,
            refunded_minor=0,
            request_key=request_key,
            sequence=1,
            created_at=self.clock.now(),
            settled_at=None,
        )
        await self.repository.add(payment)
        await self._announce(payment)
        await self.remind(payment)
        return payment

    async def payment(self, payment_id: UUID) -> Payment:
        """A payment that is on record."""
        return await self.repository.payment(payment_id)

    async def find(self, payment_id: UUID) -> Payment | None:
        """The same, if it is."""
        return await self.repository.find(payment_id)

    async def locked(self, payment_id: UUID) -> Payment:
        """The same, as it is now; nobody else settles it until the transaction ends."""
        return await self.repository.locked(payment_id)

    async def refuse_second(self, invoice_id: UUID) -> None:
        """Accepts an invoice that is locked and has no attempt whose outcome is not known.

        Raises:
            PaymentInProgress: it has one.
        """
        if await self.is_under_way(invoice_id):
            raise PaymentInProgress

    async def is_under_way(self, invoice_id: UUID) -> bool:
        """Whether an invoice that is locked has an attempt whose outcome is not known."""
        return await self.repository.processing(invoice_id) is not None

    async def is_last(self, payment: Payment) -> bool:
        """Whether no other attempt to collect its invoice, which is locked, has begun since."""
        return await self.repository.last_of(payment.invoice_id) == payment.id

    async def of_request(self, request_key: UUID) -> Payment | None:
        """The payment that a request has begun."""
        return await self.repository.of_request(request_key)

    async def record(self, payment: Payment, outcome: Outcome) -> bool:
        """Writes what became of an attempt that is locked; False where it says nothing new."""
        if outcome.status == "unknown" or not supersedes(outcome.status, payment.status):
            return False
        payment.status = outcome.status
        payment.decline_code = outcome.decline_code
        payment.fee_minor = outcome.fee_minor
        payment.settled_at = self.clock.now()
        payment.sequence += 1
        await self.repository.flush()
        await self._announce(payment)
        return True

    async def remind(self, payment: Payment) -> None:
        """Has the provider asked in a while, if the outcome is not known by then."""
        payment_id = format_id("pay", payment.id)
        # A subject of its own: a delayed event holds back later ones of its subject, such as payment.succeeded.
        subject, data = f"{payment_id}/settlement", {"id": payment_id}
        await self.events.emit("payment.settle", subject=subject, data=data, delay=self.settle_after)

    async def count_announced(self) -> int:
        """How many payments there are."""
        return await self.repository.count()

    async def retell(self, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Tells the next ones again as they are; their ids, in order."""
        payments = await self.repository.following(after, limit=limit)
        for payment in payments:
            await self._announce(payment)
        return [payment.id for payment in payments]

    async def _announce(self, payment: Payment) -> None:
        state = PaymentState(
            id=format_id("pay", payment.id),
            invoice_id=format_id("inv", payment.invoice_id),
            status=payment.status,
            decline_code=payment.decline_code,
            amount=Money(amount=payment.amount_minor, currency=payment.currency),
        )
        await self.events.emit(f"payment.{payment.status}", subject=state.id, sequence=payment.sequence, data=state)


def refuse_unless_succeeded(payment: Payment) -> None:
    """Turns what became of a payment into the answer to who asked for it.

    Raises:
        PaymentDeclined, PaymentActionRequired, PaymentInProgress: it has not succeeded.
    """
    if payment.status == "failed":
        raise PaymentDeclined(f"The payment was declined: {payment.decline_code}.")
    if payment.status == "requires_action":
        raise PaymentActionRequired
    if payment.status == "processing":
        raise PaymentInProgress
