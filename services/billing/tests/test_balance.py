"""What customers have in credit: every change of it, in order, for them and for who keeps the books."""

import pytest

from core.testing import problem

MINE = "/v1/customers/me/balance-transactions"


def euro(amount):
    return {"amount": amount, "currency": "EUR"}


@pytest.fixture
async def history(payer, bookkeeper, bill, paid):
    """Somebody with 10 EUR in credit, of which the next invoice took 4 and a refund 5."""
    paid = await paid(payer, "1 1000 0")
    lines = [{"invoice_line_id": paid["lines"][0]["id"], "net_amount": euro(1000)}]
    note = await bookkeeper.post("/v1/credit-notes", {"invoice_id": paid["id"], "lines": lines, "reason": "Returned"})
    used = await bill(payer, "1 400 0")
    refund = await bookkeeper.post("/v1/refunds", {"payment_id": paid["last_payment"]["id"], "amount": euro(500)})
    return note.json(), used, refund.json()


async def test_each_change_says_what_for_and_what_the_balance_came_to(payer, history):
    note, used, refund = history
    changes = await payer.all(MINE)
    assert [(each["kind"], each["source"], each["amount"], each["balance"]) for each in changes] == [
        ("credit_note_issued", note["id"], euro(1000), euro(1000)),
        ("balance_applied", used["id"], euro(-400), euro(600)),
        ("balance_refunded", refund["id"], euro(-500), euro(100)),
    ]
    assert changes[0].keys() == {"id", "kind", "source", "amount", "balance", "created_at"}
    assert (await payer.get("/v1/customers/me")).json()["balance"] == euro(100)


async def test_they_are_read_by_the_customer_and_who_keeps_the_books(
    payer, buyer, bookkeeper, machine, nobody, history
):
    path = f"/v1/customers/{history[0]['customer_id']}/balance-transactions"
    changes = await payer.all(MINE)
    assert await payer.all(path, limit=1) == changes
    assert await bookkeeper.all(path, limit=2) == changes
    assert problem(await buyer.get(path)) == (404, "customer_not_found")
    assert problem(await machine.get(path)) == (403, "not_a_user")
    assert problem(await machine.get(MINE)) == (403, "not_a_user")
    assert problem(await nobody.get(path)) == (401, "unauthenticated")
    assert problem(await bookkeeper.get(f"/v1/customers/cus_{'0' * 26}/balance-transactions")) == (
        404,
        "customer_not_found",
    )


async def test_who_has_bought_nothing_has_none(buyer):
    assert (await buyer.get(MINE)).json() == {"data": [], "next_cursor": None}
    customer_id = (await buyer.get("/v1/customers/me")).json()["id"]
    assert (await buyer.get(f"/v1/customers/{customer_id}/balance-transactions")).json()["data"] == []


async def test_a_balance_is_a_number_that_every_client_reads_exactly(buyer, bookkeeper, bill, draft):
    await bill(buyer, *["-100000 10000000000 0"] * 9)
    await bill(buyer, "-719 10000000000 0", "-1 9254740991 0")
    one_more = await draft(buyer, "-1 1 0")
    refused = await bookkeeper.post(f"/v1/invoices/{one_more['id']}/finalize")
    assert problem(refused) == (409, "balance_too_large")
    assert (await buyer.get("/v1/customers/me")).json()["balance"] == euro(2**53 - 1)


async def test_a_page_of_one_customer_is_none_of_another(payer, bookkeeper, buyer, history):
    path = f"/v1/customers/{history[0]['customer_id']}/balance-transactions"
    cursor = (await bookkeeper.get(path, limit=1)).json()["next_cursor"]
    other = (await buyer.get("/v1/customers/me")).json()["id"]
    response = await bookkeeper.get(f"/v1/customers/{other}/balance-transactions", cursor=cursor)
    assert problem(response) == (422, "invalid_cursor")
