"""The postings: each sums to zero, and nothing else is booked."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.ledger.rules import (
    Account,
    Entry,
    Posting,
    UnbalancedError,
    check_balanced,
    invoice_finalized,
    invoice_voided,
    payment_succeeded,
)

CUSTOMER = UUID(int=1)
amounts = st.integers(1, 2**53)


@given(net=amounts, tax=st.integers(0, 2**53))
def test_a_finalized_invoice_is_owed_earned_and_taxed(net, tax):
    posting = invoice_finalized("inv_1", customer_id=CUSTOMER, currency="EUR", net_minor=net, tax_minor=tax)
    check_balanced(posting)
    assert posting.entries[0] == Entry(Account.RECEIVABLE, net + tax, "EUR", CUSTOMER)
    assert sum(entry.amount_minor for entry in posting.entries) == 0
    assert all(entry.amount_minor for entry in posting.entries)


@given(net=amounts, tax=st.integers(0, 2**53))
def test_a_voided_invoice_is_booked_back_to_the_cent(net, tax):
    both = [
        posting("inv_1", customer_id=CUSTOMER, currency="EUR", net_minor=net, tax_minor=tax)
        for posting in (invoice_finalized, invoice_voided)
    ]
    check_balanced(both[1])
    booked, back = [{each.account: (each.amount_minor, each.customer_id) for each in one.entries} for one in both]
    assert back == {account: (-amount, customer) for account, (amount, customer) in booked.items()}


@given(amount=amounts)
def test_a_payment_is_held_by_the_provider_and_no_longer_owed(amount):
    posting = payment_succeeded("pay_1", customer_id=CUSTOMER, currency="EUR", amount_minor=amount)
    check_balanced(posting)
    held, owed = posting.entries
    assert held == Entry(Account.PROVIDER_CLEARING, amount, "EUR")
    assert owed == Entry(Account.RECEIVABLE, -amount, "EUR", CUSTOMER)


@pytest.mark.parametrize(
    "entries",
    [
        (),
        (Entry(Account.REVENUE, 0, "EUR"),),
        (Entry(Account.REVENUE, -1, "EUR"), Entry(Account.RECEIVABLE, 2, "EUR")),
        (Entry(Account.REVENUE, -1, "EUR"), Entry(Account.RECEIVABLE, 1, "USD")),
    ],
)
def test_what_does_not_balance_is_never_booked(entries):
    with pytest.raises(UnbalancedError):
        check_balanced(Posting("test", "inv_1", entries))
