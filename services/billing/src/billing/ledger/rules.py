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
    """A posting would spoil the books: an error of ours."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A kind of posting that moves one amount, as a bookkeeper says it: what for, debit, credit."""

    kind: str
    debit: Account
    credit: Account

    def __call__(self, source: str, *, currency: str, amount_minor: int, customer_id: UUID | None = None) -> Posting:
        """The posting; of a negative amount, the other way round."""
        debit = _entry(self.debit, amount_minor, currency, customer_id)
        return _posting(self.kind, source, debit, _entry(self.credit, -amount_minor, currency, customer_id))


# The customer's balance pays a part of an invoice; of a negative total, a negative amount goes to the balance.
balance_applied = Transfer("balance_applied", Account.CUSTOMER_CREDIT, Account.RECEIVABLE)
# What the balance had paid of an invoice that is void, back to the balance.
balance_given_back = Transfer("balance_given_back", Account.RECEIVABLE, Account.CUSTOMER_CREDIT)
# Nobody expects what remains of an invoice any more.
invoice_written_off = Transfer("invoice_written_off", Account.BAD_DEBT, Account.RECEIVABLE)
# An invoice that was written off is paid, or voided, after all.
write_off_reversed = Transfer("write_off_reversed", Account.RECEIVABLE, Account.BAD_DEBT)
# The provider holds the money for us; the customer owes that much less.
payment_succeeded = Transfer("payment_succeeded", Account.PROVIDER_CLEARING, Account.RECEIVABLE)
# The provider holds money for an invoice that asks for none any more: it is the customer's.
payment_succeeded_late = Transfer("payment_succeeded_late", Account.PROVIDER_CLEARING, Account.CUSTOMER_CREDIT)
# The provider has kept its fee for a payment.
fee_taken = Transfer("fee_taken", Account.FEES, Account.PROVIDER_CLEARING)
# A part of the customer's balance is about to be given back to who paid it.
balance_refunded = Transfer("balance_refunded", Account.CUSTOMER_CREDIT, Account.REFUNDS_PAYABLE)
# The provider has given it back.
refund_succeeded = Transfer("refund_succeeded", Account.REFUNDS_PAYABLE, Account.PROVIDER_CLEARING)
# The provider could not give it back: it is on the customer's balance.
refund_failed = Transfer("refund_failed", Account.REFUNDS_PAYABLE, Account.CUSTOMER_CREDIT)
# What the provider had given back has come back to it: it is to be given back once more.
refund_returned = Transfer("refund_returned", Account.PROVIDER_CLEARING, Account.REFUNDS_PAYABLE)


def invoice_finalized(source: str, *, customer_id: UUID, currency: str, net_minor: int, tax_minor: int) -> Posting:
    """The customer owes the total; we have earned the net, and owe the tax."""
    return _posting(
        "invoice_finalized",
        source,
        _entry(Account.RECEIVABLE, net_minor + tax_minor, currency, customer_id),
        _entry(Account.REVENUE, -net_minor, currency, customer_id),
        _entry(Account.TAX_PAYABLE, -tax_minor, currency, customer_id),
    )


def invoice_voided(source: str, *, customer_id: UUID, currency: str, net_minor: int, tax_minor: int) -> Posting:
    """What was booked when it was finalized, the other way round, but for what credit notes have taken back."""
    return _posting(
        "invoice_voided",
        source,
        _entry(Account.REVENUE, net_minor, currency, customer_id),
        _entry(Account.TAX_PAYABLE, tax_minor, currency, customer_id),
        _entry(Account.RECEIVABLE, -(net_minor + tax_minor), currency, customer_id),
    )


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
        _entry(Account.REVENUE, net_minor, currency, customer_id),
        _entry(Account.TAX_PAYABLE, tax_minor, currency, customer_id),
        _entry(Account.RECEIVABLE, -applied_minor, currency, customer_id),
        _entry(Account.CUSTOMER_CREDIT, -credit_minor, currency, customer_id),
        _entry(Account.REFUNDS_PAYABLE, -refund_minor, currency, customer_id),
    )


def check_balanced(posting: Posting) -> None:
    """Accepts a posting, or stops what would spoil the books.

    Raises:
        UnbalancedError: it has fewer than two entries, does not sum to zero in each currency, or does not say whose
            an entry is.
    """
    sums = Counter[str]()
    for entry in posting.entries:
        sums[entry.currency] += entry.amount_minor
    is_anonymous = any(entry.account in OF_CUSTOMERS and entry.customer_id is None for entry in posting.entries)
    if len(posting.entries) < 2 or any(sums.values()) or is_anonymous:
        raise UnbalancedError(f"{posting.kind} of {posting.source}: {dict(sums)}")


def _posting(kind: str, source: str, *entries: Entry) -> Posting:
    # A tax of nothing is not an entry.
    return Posting(kind, source, tuple(entry for entry in entries if entry.amount_minor))


def _entry(account: Account, amount_minor: int, currency: str, customer_id: UUID | None) -> Entry:
    return Entry(account, amount_minor, currency, customer_id if account in OF_CUSTOMERS else None)
