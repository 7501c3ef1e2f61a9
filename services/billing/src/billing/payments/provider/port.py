"""What billing asks of a payment provider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from billing.payments.models import ChargeStatus, RefundStatus
from core.errors import BadRequest, FieldError, Invalid

# `processing`: the provider has it, and does not know yet; `unknown` of a charge says the same.
NewsStatus = Literal["processing", "requires_action", "failed", "succeeded"]


class PaymentMethodRefused(Invalid):
    """The payment provider does not know this payment method."""

    code = "payment_method_refused"

    def __init__(self) -> None:
        super().__init__(errors=(FieldError("#/provider_token", self.code, self.title()),))


class WebhookNotSigned(BadRequest):
    """The payment provider has not signed this, or not now."""

    code = "webhook_not_signed"


class WebhookMalformed(BadRequest):
    """The payment provider has signed what tells no event."""

    code = "webhook_malformed"


@dataclass(frozen=True, slots=True)
class Card:
    """A payment method as the provider keeps it; `reference` is what it is charged by."""

    reference: str
    brand: str
    last4: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a charge; `unknown` means that only asking again will tell."""

    status: ChargeStatus
    decline_code: str | None = None
    # Whether another attempt with the same method may succeed.
    retryable: bool = True
    # What the provider keeps of a charge that succeeded.
    fee_minor: int = 0


@dataclass(frozen=True, slots=True)
class RefundOutcome:
    """What became of a refund; while it is `processing`, only asking again will tell."""

    status: RefundStatus
    failure_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What the provider tells by itself: of a payment, of a refund, or of nothing that concerns us."""

    event_id: str
    type: str
    # The id of the payment or refund as it is on the wire; None: nothing of ours.
    subject: str | None = None
    status: NewsStatus | None = None
    # Why it was declined, or could not be given back.
    code: str | None = None
    retryable: bool = True
    fee_minor: int = 0
    # By the provider's clock.
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One line of the provider's books: a charge, or what was given back of one, as it stands now."""

    # Of the payment or the refund.
    id: UUID
    kind: Literal["charge", "refund"]
    # What was charged; of a refund, what it gives back from.
    payment_id: UUID
    status: ChargeStatus | RefundStatus
    amount_minor: int
    fee_minor: int
    currency: str
    # When it was asked for, by the provider's clock.
    created_at: datetime


class Provider(Protocol):
    """Moves money. It is never called while a transaction is open: it may be slow, and cannot be rolled back."""

    @property
    def name(self) -> str:
        """What it is called in the address of its webhooks."""
        ...

    @property
    def moves_money(self) -> bool:
        """Whether it does: what is for tests alone is refused beside one that does."""
        ...

    async def attach(self, token: str, *, method_id: UUID) -> Card:
        """Keeps the method that a token stands for.

        Raises:
            PaymentMethodRefused: the token stands for none.
        """
        ...

    async def detach(self, reference: str) -> None:
        """Gives up a method, however often it is called: what is not charged by now is declined.

        Raises:
            Unavailable: the provider cannot be asked right now.
        """
        ...

    async def charge(self, payment_id: UUID, *, amount_minor: int, currency: str, reference: str) -> Outcome:
        """Charges once for a payment id, however often it is called with it."""
        ...

    async def fetch(self, payment_id: UUID) -> Outcome | None:
        """What became of the charge for a payment id; None if the provider was never asked for one."""
        ...

    async def refund(self, refund_id: UUID, *, payment_id: UUID, amount_minor: int, currency: str) -> RefundOutcome:
        """Gives a part of a charge back, once for a refund id, however often it is called with it.

        Asked again, it says what became of the refund.

        Raises:
            Unavailable: the provider cannot be asked right now.
        """
        ...

    async def list_since(self, since: datetime, *, after: UUID | None = None, limit: int = 500) -> Sequence[Movement]:
        """What was asked of it at an instant of its own clock or later, in the order of time and id, a page at a time.

        The next page begins at the last line's `created_at`, after its id; a page of fewer than `limit` is the last.

        Raises:
            Unavailable: the provider cannot be asked right now.
        """
        ...

    def parse_webhook(self, raw: bytes, headers: Mapping[str, str]) -> News:
        """What a request that claims to come from it tells; asks nobody, and `headers` are looked up in lower case.

        Raises:
            WebhookNotSigned: anybody may have sent it, or somebody sends it again much later.
            WebhookMalformed: it is signed, and no event.
        """
        ...
