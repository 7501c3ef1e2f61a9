"""What lists ask of the database: as often for a page of many rows as for one row."""

import pytest

PAGES = ("/v1/subscriptions", "/v1/invoices", "/v1/credit-notes", "/v1/customers/me/balance-transactions")
BOOKS = ("/v1/customers", "/v1/plans", "/v1/payments", "/v1/refunds", "/v1/ledger/transactions", *PAGES[:3])


@pytest.fixture
async def customer(payer, make_price, credit, bookkeeper):
    """Somebody with three of everything that is listed: a page of one has the database read two."""
    for _ in range(3):
        await payer.add_card()
        invoice = (await payer.subscribe(await make_price()))["latest_invoice"]
        assert (await credit(invoice["id"], 500)).status_code == 201
        (payment,) = await bookkeeper.all("/v1/payments", invoice_id=invoice["id"])
        refund = {"payment_id": payment["id"], "amount": {"amount": 200, "currency": "EUR"}}
        assert (await bookkeeper.post("/v1/refunds", refund)).status_code == 201
    return payer


async def test_a_list_asks_as_often_for_many_rows_as_for_one(person, customer, bookkeeper, queries, subtests):
    for _ in range(2):
        await person().get("/v1/customers/me")
    lists = [(customer, path) for path in (*PAGES, "/v1/payment-methods")] + [(bookkeeper, path) for path in BOOKS]
    for reader, path in lists:
        with subtests.test(path):
            with queries() as for_one:
                assert len((await reader.get(path, limit=1)).json()["data"]) == 1
            with queries() as for_many:
                assert len((await reader.get(path, limit=100)).json()["data"]) > 2
            assert len(for_many) == len(for_one) > 0
