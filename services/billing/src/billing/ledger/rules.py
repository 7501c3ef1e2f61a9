"""What is booked when: each event of the business as a posting that sums to zero."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Account(StrEnum):
    """The accounts; a debit raises what is ours, a credit what we owe or have earned."""

    RECEIVABLE = "receivable"
    REVENUE = "revenue"
    TAX_PAYABLE = "tax_payable"
    PROVIDER_CLEARING = "provider_clearing"


@dataclass(frozen=True, slots=True)
class Entry:
    """One side: positive is a debit, negative a credit, in minor units."""

    account: Account
    amount_minor: int
    currency: str
    customer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Posting:
    """A transaction to be booked; `kind` and `source` (an id as it is on the wire) say what for."""

    kind: str
    source: str
    entries: tuple[Entry, ...]


class UnbalancedError(Exception):
    """A posting has fewer than two entries, or does not sum to zero in each currency: an error of ours."""


def invoice_finalized(source: str, *, customer_id: UUID, currency: str, net_minor: int, tax_minor: int) -> Posting:
    """The customer owes the total; we have earned the net, and owe the tax."""
    return _posting(
        "invoice_finalized",
        source,
        Entry(Account.RECEIVABLE, net_minor + tax_minor, currency, customer_id),
        Entry(Account.REVENUE, -net_minor, currency),
        Entry(Account.TAX_PAYABLE, -tax_minor, currency),
    )


def invoice_voided(source: str, *, customer_id: UUID, currency: str, net_minor: int, tax_minor: int) -> Posting:
    """What was booked when it was finalized, the other way round."""
    return _posting(
        "invoice_voided",
        source,
        Entry(Account.REVENUE, net_minor, currency),
        Entry(Account.TAX_PAYABLE, tax_minor, currency),
        Entry(Account.RECEIVABLE, -(net_minor + tax_minor), currency, customer_id),
    )


def payment_succeeded(source: str, *, customer_id: UUID, currency: str, amount_minor: int) -> Posting:
    """The provider holds the money for us; the customer owes that much less."""
    return _posting(
        "payment_succeeded",
        source,
        Entry(Account.PROVIDER_CLEARING, amount_minor, currency),
        Entry(Account.RECEIVABLE, -amount_minor, currency, customer_id),
    )


def check_balanced(posting: Posting) -> None:
    """Accepts a posting, or stops what would spoil the books.

    Raises:
        UnbalancedError: it has fewer than two entries, or does not sum to zero in each currency.
    """
    sums = Counter[str]()
    for entry in posting.entries:
        sums[entry.currency] += entry.amount_minor
    if len(posting.entries) < 2 or any(sums.values()):
        raise UnbalancedError(f"{posting.kind} of {posting.source}: {dict(sums)}")


def _posting(kind: str, source: str, *entries: Entry) -> Posting:
    # A tax of nothing is not an entry.
    return Posting(kind, source, tuple(entry for entry in entries if entry.amount_minor))
