"""The ledger: read by who keeps it, balanced whatever happened, and changed by nobody."""

import asyncpg
import pytest

from core.testing import problem


async def balances(keeper):
    accounts = (await keeper.get("/v1/ledger/accounts")).json()["data"]
    return {(each["account"], each["balance"]["currency"]): each["balance"]["amount"] for each in accounts}


async def booked(keeper, **filters):
    """Every transaction, by what it books."""
    transactions = await keeper.all("/v1/ledger/transactions", limit=2, **filters)
    return {(each["kind"], each["source"]): each["entries"] for each in transactions}


async def test_a_paid_invoice_is_two_transactions_that_sum_to_zero(payer, make_price, keeper):
    subscription = await payer.subscribe(await make_price(tax_rate="0.21"))
    customer_id, invoice = subscription["customer_id"], subscription["latest_invoice"]
    transactions = await booked(keeper)
    finalized = transactions["invoice_finalized", invoice["id"]]
    paid = transactions["payment_succeeded", invoice["last_payment"]["id"]]
    assert [tuple(flat(entry)) for entry in finalized] == [
        ("receivable", customer_id, 1210, "EUR"),
        ("revenue", None, -1000, "EUR"),
        ("tax_payable", None, -210, "EUR"),
    ]
    assert [tuple(flat(entry)) for entry in paid] == [
        ("provider_clearing", None, 1210, "EUR"),
        ("receivable", customer_id, -1210, "EUR"),
    ]


def flat(entry):
    yield from (entry["account"], entry["customer_id"], entry["amount"]["amount"], entry["amount"]["currency"])


async def test_what_is_receivable_is_what_remains_of_open_invoices(unpaid, payer, make_price, rows):
    buyer, _ = unpaid
    for terms in ({"unit_amount": "33.3", "tax_rate": "0.21"}, {"tax_rate": "0.055"}):
        await payer.subscribe(await make_price(**terms), quantity=7)
    receivable = "SELECT sum(amount_minor)::int FROM ledger_entries WHERE account = 'receivable'"
    remaining = "SELECT sum(amount_due_minor - amount_paid_minor)::int AS sum FROM invoices"
    clearing = "SELECT sum(amount_minor)::int FROM ledger_entries WHERE account = 'provider_clearing'"
    charged = "SELECT sum(amount_minor - fee_minor)::int AS sum FROM sandbox_charges WHERE status = 'succeeded'"
    assert await rows(receivable) == await rows(remaining)
    assert await rows(clearing) == await rows(charged)
    assert await rows("SELECT sum(amount_minor)::int FROM ledger_entries") == [{"sum": 0}]
    (open_invoice,) = (await buyer.get("/v1/invoices")).json()["data"]
    assert open_invoice["amount_remaining"]["amount"] == 1000


async def test_each_account_has_a_balance_in_each_currency(payer, buyer, make_price, keeper):
    await buyer.add_card()
    await payer.subscribe(await make_price(unit_amount="7", currency="JPY", tax_rate="1"))
    await buyer.subscribe(await make_price(unit_amount="5", currency="KWD"))
    assert {account: amount for account, amount in (await balances(keeper)).items() if account[1] != "EUR"} == {
        ("provider_clearing", "JPY"): 14,
        ("provider_clearing", "KWD"): 5,
        ("receivable", "JPY"): 0,
        ("receivable", "KWD"): 0,
        ("revenue", "JPY"): -7,
        ("revenue", "KWD"): -5,
        ("tax_payable", "JPY"): -7,
    }


async def test_the_books_are_read_by_kind_source_and_customer(payer, buyer, make_price, bill, keeper):
    invoice = (await payer.subscribe(await make_price()))["latest_invoice"]
    other = await bill(buyer, "1 1 0")
    finalized, paid = ("invoice_finalized", invoice["id"]), ("payment_succeeded", invoice["last_payment"]["id"])
    of_other = {("invoice_finalized", other["id"])}
    assert (await booked(keeper, source=invoice["id"])).keys() == {finalized}
    assert (await booked(keeper, customer_id=invoice["customer_id"])).keys() == {finalized, paid}
    assert (await booked(keeper, customer_id=other["customer_id"], kind="invoice_finalized")).keys() == of_other
    kinds = await booked(keeper, kind="invoice_finalized")
    assert {finalized, *of_other} <= kinds.keys()
    assert {kind for kind, _ in kinds} == {"invoice_finalized"}
    assert await booked(keeper, kind="nothing") == {}
    cursor = (await keeper.get("/v1/ledger/transactions", limit=1)).json()["next_cursor"]
    response = await keeper.get("/v1/ledger/transactions", cursor=cursor, kind="invoice_finalized")
    assert problem(response) == (422, "invalid_cursor")


async def test_only_who_keeps_the_books_reads_them(buyer, nobody):
    for path in ("/v1/ledger/transactions", "/v1/ledger/accounts"):
        assert problem(await buyer.get(path)) == (403, "insufficient_scope")
        assert problem(await nobody.get(path)) == (401, "unauthenticated")


# Sums over all that was ever sold: in a shop of its own.
SETTINGS = {}
SPOILING = [
    "UPDATE ledger_entries SET amount_minor = amount_minor + 1",
    "DELETE FROM ledger_entries",
    "TRUNCATE ledger_entries",
    "UPDATE ledger_transactions SET kind = 'other'",
    "DELETE FROM ledger_transactions",
    "TRUNCATE ledger_transactions CASCADE",
    "INSERT INTO ledger_transactions VALUES (uuidv7(), 'nothing', 'inv_1', now())",
    "INSERT INTO ledger_entries SELECT id, 9, 'revenue', NULL, 1, 'EUR' FROM ledger_transactions LIMIT 1",
    "INSERT INTO ledger_transactions SELECT uuidv7(), kind, source, now() FROM ledger_transactions",
    "UPDATE invoices SET total_minor = 1",
    "UPDATE invoices SET number = 'INV-1'",
    """UPDATE invoices SET buyer = '{"name": "Other"}'""",
    "UPDATE invoices SET status = 'draft', number = NULL",
    "UPDATE invoices SET amount_paid_minor = amount_due_minor + 1",
    "DELETE FROM invoices",
    "UPDATE invoice_lines SET net_minor = 1",
    "DELETE FROM invoice_lines",
    "INSERT INTO invoice_lines SELECT uuidv7(), id, 9, '', 1, 1, 1, 0, 0, false, now(), now() FROM invoices",
    "TRUNCATE invoices CASCADE",
    "TRUNCATE invoice_lines CASCADE",
    "UPDATE customers SET balance_minor = -1",
    "UPDATE prices SET unit_amount = 1",
    "DELETE FROM prices",
    "TRUNCATE prices CASCADE",
    "UPDATE balance_transactions SET amount_minor = 1",
    "DELETE FROM balance_transactions",
    "TRUNCATE balance_transactions",
    "UPDATE credit_notes SET total_minor = 1",
    "DELETE FROM credit_notes",
    "TRUNCATE credit_notes CASCADE",
    "UPDATE credit_note_lines SET net_minor = 1",
    "DELETE FROM credit_note_lines",
    "TRUNCATE credit_note_lines",
]


async def test_the_database_refuses_what_would_spoil_the_books(unpaid, rows, subtests):
    for change in SPOILING:
        with subtests.test(change=change), pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await rows(change)


async def test_the_payment_state_of_a_finalized_invoice_moves(unpaid, rows):
    await rows("BEGIN")
    await rows(
        "UPDATE invoices SET status = 'paid', amount_paid_minor = amount_due_minor, paid_at = now(), sequence = 9"
    )
    assert await rows("SELECT DISTINCT status FROM invoices") == [{"status": "paid"}]
    await rows("ROLLBACK")
