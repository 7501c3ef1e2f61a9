"""A provider that moves no money: what it answers depends on the token alone, by the names of Stripe's test cards.

It keeps books of its own in transactions of its own, as a real provider would: they outlive a crash of billing. Their
times are those of the system's clock, because no provider lives by the clock of a customer.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy import func, literal, select, tuple_, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.money import product, rounded
from billing.payments.models import SandboxCharge, SandboxDetachment, SandboxRefund
from billing.payments.provider.port import Card, Movement, News, Outcome, PaymentMethodRefused, RefundOutcome
from billing.payments.provider.sandbox_events import Charged, GivenBack, read, written
from billing.payments.provider.signatures import Signatures
from billing.tables import Rows
from core.clock import Clock
from core.database import Database

SIGNATURE_HEADER = "Sandbox-Signature"
# What it keeps of a charge that succeeds.
FEE_RATE = Decimal("0.015")

SUCCEEDED = Outcome("succeeded")
UNKNOWN = Outcome("unknown")
INSUFFICIENT_FUNDS = Outcome("failed", "insufficient_funds")
DETACHED = Outcome("failed", "payment_method_detached")

# Charged, but the answer is lost on its way back.
_LOST = "pm_sandbox_timeout_then_ok"
# Accepted, and charged a while later: the first to ask for it finds that it has arrived.
_LATE = "pm_sandbox_async_ok"

# Charged as any other, and nothing can be given back to it.
_REFUND_FAILS = "pm_sandbox_refund_fails"
# Given back, but the answer is lost on its way.
_REFUND_LOST = "pm_sandbox_refund_timeout_then_ok"

_LAST4 = {
    "pm_card_visa": "4242",
    "pm_card_visa_chargeDeclined": "0002",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "9995",
    "pm_card_visa_chargeDeclinedLostCard": "9987",
    "pm_card_chargeCustomerFail": "0341",
    "pm_card_authenticationRequired": "3155",
    _LOST: "0101",
    _LATE: "0102",
    _REFUND_FAILS: "0104",
    _REFUND_LOST: "0105",
}
_OUTCOMES = {
    "pm_card_visa_chargeDeclined": Outcome("failed", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": INSUFFICIENT_FUNDS,
    "pm_card_visa_chargeDeclinedLostCard": Outcome("failed", "lost_card"),
    "pm_card_chargeCustomerFail": Outcome("failed", "generic_decline"),
    "pm_card_authenticationRequired": Outcome("requires_action", "authentication_required"),
    _LATE: UNKNOWN,
}
# No other attempt with the same method will succeed.
_HARD = frozenset({"lost_card"})
# Declines the first n charges of a method, for lack of funds.
_FAIL_N = re.compile(r"pm_sandbox_fail_n_([1-9])")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook as it is sent."""

    raw: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The provider of laptops and tests."""

    database: Database
    clock: Clock
    signatures: Signatures

    @property
    def name(self) -> str:
        return "sandbox"

    @property
    def moves_money(self) -> bool:
        return False

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
        token = _token(reference)
        async with self.database.transaction() as session:
            decided = await _decide(session, token, reference)
            values = {
                "payment_id": payment_id,
                "reference": reference,
                "amount_minor": amount_minor,
                "currency": currency,
                "status": decided.status,
                "decline_code": decided.decline_code,
                "fee_minor": _fee(amount_minor) if decided.status == "succeeded" else 0,
                "created_at": self.clock.now(),
            }
            booking = insert(SandboxCharge).values(**values).on_conflict_do_nothing()
            first = await session.scalar(booking.returning(SandboxCharge.payment_id)) is not None
            booked = await session.get_one(SandboxCharge, payment_id)
        return UNKNOWN if first and token == _LOST else _outcome(booked)

    async def fetch(self, payment_id: UUID) -> Outcome | None:
        """What its books say."""
        async with self.database.transaction() as session:
            booked = await session.get(SandboxCharge, payment_id, with_for_update=True)
            if booked is not None and booked.status == "unknown":
                booked.status, booked.fee_minor = "succeeded", _fee(booked.amount_minor)
        return None if booked is None else _outcome(booked)

    async def refund(self, refund_id: UUID, *, payment_id: UUID, amount_minor: int, currency: str) -> RefundOutcome:
        """Gives back once for a refund id; asked again, says what its books say."""
        async with self.database.transaction() as session:
            charge = await session.get(SandboxCharge, payment_id, with_for_update=True)
            decided = await _decide_refund(session, charge, amount_minor)
            values = {
                "refund_id": refund_id,
                "payment_id": payment_id,
                "amount_minor": amount_minor,
                "currency": currency,
                "status": decided.status,
                "failure_code": decided.failure_code,
                "created_at": self.clock.now(),
            }
            booking = insert(SandboxRefund).values(**values).on_conflict_do_nothing()
            first = await session.scalar(booking.returning(SandboxRefund.refund_id)) is not None
            booked = await session.get_one(SandboxRefund, refund_id)
        is_lost = first and charge is not None and _token(charge.reference) == _REFUND_LOST
        return RefundOutcome("processing") if is_lost else RefundOutcome(booked.status, booked.failure_code)

    async def list_since(self, since: datetime, *, after: UUID | None = None, limit: int = 500) -> Sequence[Movement]:
        """Its charges and refunds, a page at a time."""
        lines = union_all(_charges(), _refunds()).subquery()
        is_next = lines.c.created_at >= since
        if after is not None:
            is_next = tuple_(lines.c.created_at, lines.c.id) > (since, after)
        page = select(lines).where(is_next).order_by(lines.c.created_at, lines.c.id).limit(limit)
        async with self.database.transaction() as session:
            rows = (await session.execute(page)).mappings()
            return [Movement(**{str(name): value for name, value in row.items()}) for row in rows]

    def parse_webhook(self, raw: bytes, headers: Mapping[str, str]) -> News:
        """What somebody tells in its name."""
        self.signatures.check(raw, headers.get(SIGNATURE_HEADER.lower()), now=self.clock.now())
        return read(raw)

    async def told(self, kind: Literal["charge", "refund"], subject_id: UUID) -> Delivery | None:
        """The webhook that tells how a charge or refund stands now; None: its books have none.

        By itself it sends none: nobody listens to it on a laptop, and tests choose what is told when.
        """
        async with self.database.transaction() as session:
            data, status = await _state(session, kind, subject_id)
        if data is None:
            return None
        now = self.clock.now()
        raw = written(kind, status, data, at=now)
        return Delivery(raw, {SIGNATURE_HEADER: self.signatures.sign(raw, at=now)})


async def _decide(session: AsyncSession, token: str, reference: str) -> Outcome:
    if await session.get(SandboxDetachment, reference) is not None:
        return DETACHED
    if fails := _FAIL_N.fullmatch(token):
        failed = select(func.count()).where(SandboxCharge.reference == reference, SandboxCharge.status == "failed")
        declined = await session.scalar(failed) or 0
        return INSUFFICIENT_FUNDS if declined < int(fails[1]) else SUCCEEDED
    return _OUTCOMES.get(token, SUCCEEDED)


async def _decide_refund(session: AsyncSession, charge: SandboxCharge | None, amount_minor: int) -> RefundOutcome:
    if charge is None or charge.status != "succeeded":
        return RefundOutcome("failed", "charge_not_found")
    given_back = select(func.coalesce(func.sum(SandboxRefund.amount_minor), 0)).where(
        SandboxRefund.payment_id == charge.payment_id, SandboxRefund.status == "succeeded"
    )
    if (await session.scalar(given_back) or 0) + amount_minor > charge.amount_minor:
        return RefundOutcome("failed", "amount_too_large")
    is_refused = _token(charge.reference) == _REFUND_FAILS
    return RefundOutcome("failed", "account_closed") if is_refused else RefundOutcome("succeeded")


def _token(reference: str) -> str:
    return reference.partition("/")[0]


def _outcome(booked: SandboxCharge) -> Outcome:
    return Outcome(booked.status, booked.decline_code, booked.decline_code not in _HARD, booked.fee_minor)


def _fee(amount_minor: int) -> int:
    return rounded(product(amount_minor, FEE_RATE))


async def _state(session: AsyncSession, kind: str, subject_id: UUID) -> tuple[Charged | GivenBack | None, str]:
    if kind == "refund":
        refund = await session.get(SandboxRefund, subject_id)
        return (None, "") if refund is None else (GivenBack(id=subject_id, code=refund.failure_code), refund.status)
    charge = await session.get(SandboxCharge, subject_id)
    if charge is None:
        return None, ""
    outcome = _outcome(charge)
    told = Charged(id=subject_id, code=outcome.decline_code, retryable=outcome.retryable, fee=outcome.fee_minor)
    return told, outcome.status


def _charges() -> Rows:
    return select(
        SandboxCharge.payment_id.label("id"),
        literal("charge").label("kind"),
        SandboxCharge.payment_id,
        SandboxCharge.status,
        SandboxCharge.amount_minor,
        SandboxCharge.fee_minor,
        SandboxCharge.currency,
        SandboxCharge.created_at,
    )


def _refunds() -> Rows:
    return select(
        SandboxRefund.refund_id.label("id"),
        literal("refund").label("kind"),
        SandboxRefund.payment_id,
        SandboxRefund.status,
        SandboxRefund.amount_minor,
        literal(0).label("fee_minor"),
        SandboxRefund.currency,
        SandboxRefund.created_at,
    )
