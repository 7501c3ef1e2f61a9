"""What billing asks of a payment provider."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from billing.payments.models import ChargeStatus
from core.errors import FieldError, Invalid


class PaymentMethodRefused(Invalid):
    """The payment provider does not know this payment method."""

    code = "payment_method_refused"

    def __init__(self) -> None:
        super().__init__(errors=(FieldError("#/provider_token", self.code, self.title()),))


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


class Provider(Protocol):
    """Moves money. It is never called while a transaction is open: it may be slow, and cannot be rolled back."""

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
