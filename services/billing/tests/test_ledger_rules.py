"""The postings: each sums to zero, whatever its amounts, and nothing else is booked."""

from inspect import getmembers
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.ledger import rules
from billing.ledger.rules import (
    OF_CUSTOMERS,
    Account,
    Entry,
    Posting,
    Transfer,
    UnbalancedError,
    check_balanced,
    credit_note_issued,
    invoice_finalized,
    invoice_voided,
    payment_succeeded,
)

CUSTOMER = UUID(int=1)
amounts = st.integers(1, 2**53)
signed = st.integers(-(2**53), 2**53)
# Debit and credit of each kind that moves one amount, as the table of the domain has them.
TRANSFERS = {
    "balance_applied": ("customer_credit", "receivable"),
    "balance_given_back": ("receivable", "customer_credit"),
    "balance_refunded": ("customer_credit", "refunds_payable"),
    "fee_taken": ("fees", "provider_clearing"),
    "invoice_written_off": ("bad_debt", "receivable"),
    "payment_succeeded": ("provider_clearing", "receivable"),
    "payment_succeeded_late": ("provider_clearing", "customer_credit"),
    "refund_failed": ("refunds_payable", "customer_credit"),
    "refund_returned": ("provider_clearing", "refunds_payable"),
    "refund_succeeded": ("refunds_payable", "provider_clearing"),
    "write_off_reversed": ("receivable", "bad_debt"),
}


def is_booked(posting):
    """Whether it is nothing, or balances and says whose its entries are."""
    if posting.entries:
        check_balanced(posting)
    whose = {entry.customer_id is not None for entry in posting.entries if entry.account in OF_CUSTOMERS}
    return whose <= {True} and all(entry.amount_minor for entry in posting.entries)


def test_each_kind_moves_its_amount_between_its_two_accounts():
    transfers = dict(getmembers(rules, lambda member: isinstance(member, Transfer)))
    assert {name: (each.debit, each.credit) for name, each in transfers.items()} == TRANSFERS
    assert all(each.kind == name for name, each in transfers.items())


@given(st.sampled_from(sorted(TRANSFERS)), signed)
def test_a_transfer_of_any_amount_balances(name, amount):
    posting = getattr(rules, name)("inv_1", customer_id=CUSTOMER, currency="EUR", amount_minor=amount)
    assert is_booked(posting)
    assert [entry.amount_minor for entry in posting.entries] == ([amount, -amount] if amount else [])


@given(st.sampled_from([invoice_finalized, invoice_voided]), signed, signed)
def test_an_invoice_of_any_amounts_balances(kind, net, tax):
    assert is_booked(kind("inv_1", customer_id=CUSTOMER, currency="EUR", net_minor=net, tax_minor=tax))


@given(st.integers(0, 2**50), st.integers(0, 2**50), st.integers(0, 2**50), st.data())
def test_a_credit_note_balances_however_it_is_used(applied, credit, refund, data):
    total = applied + credit + refund
    tax = data.draw(st.integers(0, total))
    uses = {"applied_minor": applied, "credit_minor": credit, "refund_minor": refund}
    amounts = {"net_minor": total - tax, "tax_minor": tax, **uses}
    assert is_booked(credit_note_issued("crn_1", customer_id=CUSTOMER, currency="EUR", **amounts))


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
        (Entry(Account.REVENUE, -1, "EUR"), Entry(Account.RECEIVABLE, 2, "EUR", CUSTOMER)),
        (Entry(Account.REVENUE, -1, "EUR"), Entry(Account.RECEIVABLE, 1, "USD", CUSTOMER)),
        # Whose debt?
        (Entry(Account.REVENUE, -1, "EUR"), Entry(Account.RECEIVABLE, 1, "EUR")),
    ],
)
def test_what_does_not_balance_is_never_booked(entries):
    with pytest.raises(UnbalancedError):
        check_balanced(Posting("test", "inv_1", entries))
