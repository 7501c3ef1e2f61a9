"""When a line of the provider's books and ours say the same, and what is said where they do not."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from billing.payments.provider import Movement
from core.ids import format_id

Kind = Literal["charge", "refund"]
_PREFIXES = {"charge": "pay", "refund": "rfd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What we know of a payment or a refund, and what the ledger's clearing account has of it."""

    id: UUID
    kind: Kind
    payment_id: UUID
    status: str
    amount_minor: int
    fee_minor: int
    currency: str
    created_at: datetime
    booked_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that two books say otherwise; `about` is the id of a payment or refund, or the source of a posting."""

    what: Literal["unknown_here", "unknown_there", "payment", "amount", "status", "fee", "booked", "stray_posting"]
    about: str
    theirs: str
    ours: str


def name_of(line: Movement | Record) -> str:
    """The id of the payment or refund as it is on the wire."""
    return format_id(_PREFIXES[line.kind], line.id)


def net_minor(line: Movement | Record) -> int:
    """What the provider holds for us by it: a charge less its fee, a refund below zero; nothing until it succeeds."""
    if line.status != "succeeded":
        return 0
    return line.amount_minor - line.fee_minor if line.kind == "charge" else -line.amount_minor


def is_under_way(theirs: Movement, ours: Record) -> bool:
    """Whether one of the two does not know yet what becomes of it."""
    return ours.status == "processing" or theirs.status in {"unknown", "processing"}


def differences(theirs: Movement, ours: Record) -> Iterator[Difference]:
    """What the two say otherwise of one payment or refund; of what is under way, the amount alone."""

    def differ(what: Literal["payment", "amount", "status", "fee", "booked"], their: str, our: str) -> Difference:
        return Difference(what=what, about=name_of(ours), theirs=their, ours=our)

    if theirs.payment_id != ours.payment_id:
        yield differ("payment", format_id("pay", theirs.payment_id), format_id("pay", ours.payment_id))
    if (theirs.amount_minor, theirs.currency) != (ours.amount_minor, ours.currency):
        yield differ("amount", money(theirs.amount_minor, theirs.currency), money(ours.amount_minor, ours.currency))
    if is_under_way(theirs, ours):
        return
    if theirs.status != ours.status:
        yield differ("status", theirs.status, ours.status)
    elif theirs.fee_minor != ours.fee_minor:
        yield differ("fee", money(theirs.fee_minor, theirs.currency), money(ours.fee_minor, ours.currency))
    if ours.booked_minor != net_minor(ours):
        yield differ("booked", money(net_minor(theirs), theirs.currency), money(ours.booked_minor, ours.currency))


def unknown_here(theirs: Movement) -> Difference:
    """The provider has what we have not."""
    return Difference(what="unknown_here", about=name_of(theirs), theirs=_told(theirs), ours="-")


def unknown_there(ours: Record) -> Difference:
    """We have as succeeded what the provider has not."""
    return Difference(what="unknown_there", about=name_of(ours), theirs="-", ours=_told(ours))


def stray_posting(source: str, booked: str) -> Difference:
    """The ledger has money at the provider that no payment brought and no refund took."""
    return Difference(what="stray_posting", about=source, theirs="-", ours=booked)


def money(amount_minor: int, currency: str) -> str:
    """An amount as a report shows it: in minor units."""
    return f"{amount_minor} {currency}"


def _told(line: Movement | Record) -> str:
    return f"{line.status} {money(line.amount_minor, line.currency)}"
