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
    CUSTOMER_CREDIT = "customer_credit"
    REFUNDS_PAYABLE = "refunds_payable"
    FEES = "fees"
    BAD_DEBT = "bad_debt"


# Kept customer by customer: what each of them owes us, and we owe each of them.
OF_CUSTOMERS = frozenset({Account.RECEIVABLE, Account.CUSTOMER_CREDIT, Account.REFUNDS_PAYABLE})


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


def balance_applied(source: str, *, customer_id: UUID, currency: str, amount_minor: int) -> Posting:
    """The customer's balance pays a part of an invoice; of a negative total, a negative amount goes to the balance."""
    return _moved(
        "balance_applied", source, Account.CUSTOMER_CREDIT, Account.RECEIVABLE, customer_id, currency, amount_minor
    )


def balance_given_back(source: str, *, customer_id: UUID, currency: str, amount_minor: int) -> Posting:
    """What the balance had paid of an invoice that is void, back to the balance."""
    return _moved(
        "balance_given_back", source, Account.RECEIVABLE, Account.CUSTOMER_CREDIT, customer_id, currency, amount_minor
    )


def invoice_voided(source: str, *, customer_id: UUID, currency: str, net_minor: int, tax_minor: int) -> Posting:
    """What was booked when it was finalized, the other way round, but for what credit notes have taken back."""
    return _posting(
        "invoice_voided",
        source,
        Entry(Account.REVENUE, net_minor, currency),
        Entry(Account.TAX_PAYABLE, tax_minor, currency),
        Entry(Account.RECEIVABLE, -(net_minor + tax_minor), currency, customer_id),
    )


def invoice_written_off(source: str, *, customer_id: UUID, currency: str, amount_minor: int) -> Posting:
    """Nobody expects what remains of an invoice any more."""
    return _moved(
        "invoice_written_off", source, Account.BAD_DEBT, Account.RECEIVABLE, customer_id, currency, amount_minor
    )


def write_off_reversed(source: str, *, customer_id: UUID, currency: str, amount_minor: int) -> Posting:
    """An invoice that was written off is paid, or voided, after all."""
    return _moved(
        "write_off_reversed", source, Account.RECEIVABLE, Account.BAD_DEBT, customer_id, currency, amount_minor
    )


def payment_succeeded(source: str, *, customer_id: UUID, currency: str, amount_minor: int) -> Posting:
    """The provider holds the money for us; the customer owes that much less."""
    return _moved(
        "payment_succeeded", source, Account.PROVIDER_CLEARING, Account.RECEIVABLE, customer_id, currency, amount_minor
    )


def payment_succeeded_late(source: str, *, customer_id: UUID, currency: str, amount_minor: int) -> Posting:
    """The provider holds money for an invoice that asks for none any more: it is the customer's."""
    return _moved(
        "payment_succeeded_late",
        source,
        Account.PROVIDER_CLEARING,
        Account.CUSTOMER_CREDIT,
        customer_id,
        currency,
        amount_minor,
    )


def fee_taken(source: str, *, currency: str, amount_minor: int) -> Posting:
    """The provider has kept its fee for a payment."""
    return _moved("fee_taken", source, Account.FEES, Account.PROVIDER_CLEARING, None, currency, amount_minor)


def credit_note_issued(
    source: str,
    *,
    customer_id: UUID,
    currency: str,
    net_minor: int,
    tax_minor: int,
    applied_minor: int,
    credit_minor: int,
    refund_minor: int,
) -> Posting:
    """What was earned is earned no more: it comes off what is owed, goes to the balance, or will be given back."""
    return _posting(
        "credit_note_issued",
        source,
        Entry(Account.REVENUE, net_minor, currency),
        Entry(Account.TAX_PAYABLE, tax_minor, currency),
        Entry(Account.RECEIVABLE, -applied_minor, currency, customer_id),
        Entry(Account.CUSTOMER_CREDIT, -credit_minor, currency, customer_id),
        Entry(Account.REFUNDS_PAYABLE, -refund_minor, currency, customer_id),
    )


def balance_refunded(source: str, *, customer_id: UUID, currency: str, amount_minor: int) -> Posting:
    """A part of the customer's balance is about to be given back to who paid it."""
    return _moved(
        "balance_refunded",
        source,
        Account.CUSTOMER_CREDIT,
        Account.REFUNDS_PAYABLE,
        customer_id,
        currency,
        amount_minor,
    )


def refund_succeeded(source: str, *, customer_id: UUID, currency: str, amount_minor: int) -> Posting:
    """The provider has given it back."""
    return _moved(
        "refund_succeeded",
        source,
        Account.REFUNDS_PAYABLE,
        Account.PROVIDER_CLEARING,
        customer_id,
        currency,
        amount_minor,
    )


def refund_failed(source: str, *, customer_id: UUID, currency: str, amount_minor: int) -> Posting:
    """The provider could not give it back: it is on the customer's balance."""
    return _moved(
        "refund_failed", source, Account.REFUNDS_PAYABLE, Account.CUSTOMER_CREDIT, customer_id, currency, amount_minor
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


def _moved(  # noqa: PLR0917 - in the order in which a bookkeeper says it: kind, source, debit, credit, whose
    kind: str, source: str, debit: Account, credit: Account, customer_id: UUID | None, currency: str, amount_minor: int
) -> Posting:
    """One amount from one account to another; the entries of accounts that are kept by customer name theirs."""
    return _posting(
        kind,
        source,
        Entry(debit, amount_minor, currency, customer_id if debit in OF_CUSTOMERS else None),
        Entry(credit, -amount_minor, currency, customer_id if credit in OF_CUSTOMERS else None),
    )
