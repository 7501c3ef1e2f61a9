"""A provider that moves no money: what it answers depends on the token alone, by the names of Stripe's test cards.

It keeps books of its own in transactions of its own, as a real provider would: they outlive a crash of billing.
"""

import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.payments.models import SandboxCharge, SandboxDetachment
from billing.payments.provider.port import Card, Outcome, PaymentMethodRefused
from core.clock import Clock
from core.database import Database

SUCCEEDED = Outcome("succeeded")
UNKNOWN = Outcome("unknown")
INSUFFICIENT_FUNDS = Outcome("failed", "insufficient_funds")
DETACHED = Outcome("failed", "payment_method_detached")

# Charged, but the answer is lost on its way back.
_LOST = "pm_sandbox_timeout_then_ok"
# Accepted, and charged a while later: the first to ask for it finds that it has arrived.
_LATE = "pm_sandbox_async_ok"

_LAST4 = {
    "pm_card_visa": "4242",
    "pm_card_visa_chargeDeclined": "0002",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "9995",
    "pm_card_visa_chargeDeclinedLostCard": "9987",
    "pm_card_chargeCustomerFail": "0341",
    "pm_card_authenticationRequired": "3155",
    _LOST: "0101",
    _LATE: "0102",
}
_OUTCOMES = {
    "pm_card_visa_chargeDeclined": Outcome("failed", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": INSUFFICIENT_FUNDS,
    "pm_card_visa_chargeDeclinedLostCard": Outcome("failed", "lost_card", retryable=False),
    "pm_card_chargeCustomerFail": Outcome("failed", "generic_decline"),
    "pm_card_authenticationRequired": Outcome("requires_action", "authentication_required"),
    _LATE: UNKNOWN,
}
# Declines the first n charges of a method, for lack of funds.
_FAIL_N = re.compile(r"pm_sandbox_fail_n_([1-9])")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The provider of laptops and tests."""

    database: Database
    clock: Clock

    async def attach(self, token: str, *, method_id: UUID) -> Card:
        """Keeps the method that a token stands for."""
        if token not in _LAST4 and not _FAIL_N.fullmatch(token):
            raise PaymentMethodRefused
        return Card(reference=f"{token}/{method_id}", brand="visa", last4=_LAST4.get(token, "0103"))

    async def detach(self, reference: str) -> None:
        """Charges the method no more."""
        async with self.database.transaction() as session:
            await session.execute(insert(SandboxDetachment).values(reference=reference).on_conflict_do_nothing())

    async def charge(self, payment_id: UUID, *, amount_minor: int, currency: str, reference: str) -> Outcome:
        """Charges once for a payment id; asked again, says what its books say."""
        token = reference.partition("/")[0]
        async with self.database.transaction() as session:
            decided = await _decide(session, token, reference)
            values = {
                "payment_id": payment_id,
                "reference": reference,
                "amount_minor": amount_minor,
                "currency": currency,
                "status": decided.status,
                "decline_code": decided.decline_code,
                "created_at": self.clock.now(),
            }
            booking = insert(SandboxCharge).values(**values).on_conflict_do_nothing()
            first = await session.scalar(booking.returning(SandboxCharge.payment_id)) is not None
            booked = await session.get_one(SandboxCharge, payment_id)
        return UNKNOWN if first and token == _LOST else _outcome(booked)

    async def fetch(self, payment_id: UUID) -> Outcome | None:
        """What its books say."""
        arrived = update(SandboxCharge).where(
            SandboxCharge.payment_id == payment_id, SandboxCharge.reference.startswith(f"{_LATE}/", autoescape=True)
        )
        async with self.database.transaction() as session:
            await session.execute(arrived.values(status="succeeded"))
            booked = await session.get(SandboxCharge, payment_id)
        return None if booked is None else _outcome(booked)


async def _decide(session: AsyncSession, token: str, reference: str) -> Outcome:
    if await session.get(SandboxDetachment, reference) is not None:
        return DETACHED
    if fails := _FAIL_N.fullmatch(token):
        failed = select(func.count()).where(SandboxCharge.reference == reference, SandboxCharge.status == "failed")
        declined = await session.scalar(failed) or 0
        return INSUFFICIENT_FUNDS if declined < int(fails[1]) else SUCCEEDED
    return _OUTCOMES.get(token, SUCCEEDED)


def _outcome(booked: SandboxCharge) -> Outcome:
    return Outcome(booked.status, booked.decline_code)
