"""The ledger: read by who keeps it, balanced whatever happened, and changed by nobody."""

import asyncpg
import pytest

from core.testing import problem

FINALIZED = "SELECT id FROM invoices WHERE status = 'open'"


async def test_a_paid_invoice_is_two_transactions_that_sum_to_zero(payer, make_price, keeper):
    subscription = await payer.subscribe(await make_price(tax_rate="0.21"))
    customer_id, invoice = subscription["customer_id"], subscription["latest_invoice"]
    booked = (await keeper.get("/v1/ledger/transactions")).json()
    finalized, paid = booked["data"]
    assert booked["next_cursor"] is None
    assert (finalized["kind"], finalized["source"]) == ("invoice_finalized", invoice["id"])
    assert (paid["kind"], paid["source"]) == ("payment_succeeded", invoice["last_payment"]["id"])
    assert [tuple(flat(entry)) for entry in finalized["entries"]] == [
        ("receivable", customer_id, 1210, "EUR"),
        ("revenue", None, -1000, "EUR"),
        ("tax_payable", None, -210, "EUR"),
    ]
    assert [tuple(flat(entry)) for entry in paid["entries"]] == [
        ("provider_clearing", None, 1210, "EUR"),
        ("receivable", customer_id, -1210, "EUR"),
    ]
    accounts = (await keeper.get("/v1/ledger/accounts")).json()["data"]
    assert {account["account"]: account["balance"]["amount"] for account in accounts} == {
        "receivable": 0,
        "revenue": -1000,
        "tax_payable": -210,
        "provider_clearing": 1210,
    }


def flat(entry):
    yield from (entry["account"], entry["customer_id"], entry["amount"]["amount"], entry["amount"]["currency"])


async def test_what_is_receivable_is_what_remains_of_open_invoices(unpaid, payer, make_price, rows):
    _, incomplete = unpaid
    for terms in ({"unit_amount": "33.3", "tax_rate": "0.21"}, {"tax_rate": "0.055"}):
        await payer.subscribe(await make_price(**terms), quantity=7)
    receivable = "SELECT sum(amount_minor)::int FROM ledger_entries WHERE account = 'receivable'"
    remaining = "SELECT sum(amount_due_minor - amount_paid_minor)::int AS sum FROM invoices"
    clearing = "SELECT sum(amount_minor)::int FROM ledger_entries WHERE account = 'provider_clearing'"
    charged = "SELECT sum(amount_minor)::int FROM sandbox_charges WHERE status = 'succeeded'"
    assert await rows(receivable) == await rows(remaining) == [{"sum": 1000}]
    assert await rows(clearing) == await rows(charged)
    assert await rows("SELECT sum(amount_minor)::int FROM ledger_entries") == [{"sum": 0}]
    assert incomplete["latest_invoice"]["amount_remaining"]["amount"] == 1000


async def test_accounts_of_two_currencies_are_two_accounts(payer, buyer, make_price, keeper):
    await buyer.add_card()
    await payer.subscribe(await make_price(unit_amount="7", currency="JPY"))
    await buyer.subscribe(await make_price(unit_amount="5", currency="KWD"))
    accounts = (await keeper.get("/v1/ledger/accounts")).json()["data"]
    clearing = [account["balance"] for account in accounts if account["account"] == "provider_clearing"]
    assert clearing == [{"amount": 7, "currency": "JPY"}, {"amount": 5, "currency": "KWD"}]


async def test_the_books_have_pages(payer, price, keeper):
    await payer.subscribe(price)
    first = (await keeper.get("/v1/ledger/transactions", limit=1)).json()
    second = (await keeper.get("/v1/ledger/transactions", limit=1, cursor=first["next_cursor"])).json()
    assert [page["data"][0]["kind"] for page in (first, second)] == ["invoice_finalized", "payment_succeeded"]


async def test_only_who_keeps_the_books_reads_them(buyer, client):
    for path in ("/v1/ledger/transactions", "/v1/ledger/accounts"):
        assert problem(await buyer.get(path)) == (403, "insufficient_scope")
        assert problem(await client.get(path)) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "change",
    [
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
        "INSERT INTO invoice_lines SELECT uuidv7(), invoice_id, 9, description, 1, 1, 1, 0, 0, false, period_start,"
        " period_end FROM invoice_lines",
    ],
)
async def test_the_database_refuses_what_would_spoil_the_books(unpaid, rows, change):
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await rows(change)


async def test_the_payment_state_of_a_finalized_invoice_moves(unpaid, rows):
    await rows(
        "UPDATE invoices SET status = 'paid', amount_paid_minor = amount_due_minor, paid_at = now(), sequence = 2"
    )
    assert await rows("SELECT status FROM invoices") == [{"status": "paid"}]
