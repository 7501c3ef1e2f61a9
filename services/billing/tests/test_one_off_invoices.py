"""One-off invoices over HTTP: how a draft is written, who sees it, and what it comes to."""

import pytest

from core.ids import parse_id
from core.testing import SERVICE_URL, problem

NOBODY = "cus_01h455vb4pex5vsknk084sn02q"
NOTHING = "inv_01h455vb4pex5vsknk084sn02q"
LINE = {"description": "Work", "quantity": "1", "unit_amount": "1000", "tax_rate": "0.21"}


def amounts(invoice):
    names = ("subtotal", "total", "amount_due", "amount_paid", "amount_remaining")
    return {name: invoice[name]["amount"] for name in names}


async def customer_id(person):
    return (await person.get("/v1/customers/me")).json()["id"]


async def test_a_draft_begins_empty_and_without_a_number(buyer, bookkeeper):
    body = {"customer_id": await customer_id(buyer), "currency": "EUR"}
    response = await bookkeeper.post("/v1/invoices", body)
    invoice = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"{SERVICE_URL}/v1/invoices/{invoice['id']}"
    assert (invoice["status"], invoice["number"], invoice["lines"], invoice["taxes"]) == ("draft", None, [], [])
    assert set(amounts(invoice).values()) == {0}
    assert (await bookkeeper.get(f"/v1/invoices/{invoice['id']}")).json() == invoice


async def test_a_line_is_answered_with_the_tax_that_it_would_have(buyer, draft, bookkeeper):
    invoice = await draft(buyer)
    response = await bookkeeper.post(f"/v1/invoices/{invoice['id']}/lines", LINE | {"quantity": "-2.50"})
    line = response.json()
    assert response.status_code == 201
    assert (line["quantity"], line["unit_amount"], line["proration"]) == ("-2.5", "1000", False)
    assert (line["net"]["amount"], line["tax"]["amount"]) == (-2500, -525)


async def test_a_draft_has_the_amounts_that_it_would_have_if_it_were_finalized_now(buyer, draft, bill, bookkeeper):
    await bill(buyer, "-1 30 0")
    before = await draft(buyer, "1 33 0.1", "1 34 0.1", "1 100 0")
    assert amounts(before) == {
        "subtotal": 167,
        "total": 174,
        "amount_due": 144,
        "amount_paid": 0,
        "amount_remaining": 144,
    }
    assert [line["tax"]["amount"] for line in before["lines"]] == [3, 4, 0]
    after = (await bookkeeper.post(f"/v1/invoices/{before['id']}/finalize")).json()
    moved = {"status", "number", "finalized_at", "due_at"}
    assert {name: value for name, value in after.items() if name not in moved} == {
        name: value for name, value in before.items() if name not in moved
    }
    assert (after["status"], after["finalized_at"]) == ("open", after["due_at"])


async def test_a_draft_is_deleted_with_its_lines(buyer, draft, bookkeeper, rows):
    invoice = await draft(buyer, "1 1000 0.21")
    path = f"/v1/invoices/{invoice['id']}"
    assert (await bookkeeper.client.delete(path, headers=bookkeeper.headers)).status_code == 204
    assert problem(await bookkeeper.get(path)) == (404, "invoice_not_found")
    lines = "SELECT id FROM invoice_lines WHERE invoice_id = $1"
    assert await rows(lines, parse_id("inv", invoice["id"])) == []


async def test_a_draft_is_seen_by_who_keeps_the_books_and_not_by_its_customer(buyer, draft, bookkeeper):
    invoice = await draft(buyer, "1 1000 0")
    path = f"/v1/invoices/{invoice['id']}"
    assert (await buyer.get("/v1/invoices")).json()["data"] == []
    for unseen in (path, f"{path}/lines"):
        assert problem(await buyer.get(unseen)) == (404, "invoice_not_found")
    await buyer.add_card()
    assert problem(await buyer.post(f"{path}/pay")) == (404, "invoice_not_found")
    mine = (await bookkeeper.get("/v1/invoices", customer_id=invoice["customer_id"])).json()["data"]
    assert mine == [invoice]
    finalized = (await bookkeeper.post(f"{path}/finalize")).json()
    assert (await buyer.get(path)).json() == finalized


async def test_who_keeps_the_books_reads_the_invoices_of_one_customer_or_of_all(person, bill, bookkeeper, machine):
    buyers = [person(), person()]
    invoices = [await bill(buyer, "1 1000 0") for buyer in buyers]
    for buyer, invoice in zip(buyers, invoices, strict=True):
        assert await bookkeeper.all("/v1/invoices", customer_id=invoice["customer_id"]) == [invoice]
        assert await buyer.all("/v1/invoices") == [invoice]
    every = [each["id"] for each in await bookkeeper.all("/v1/invoices")]
    assert {invoice["id"] for invoice in invoices} < set(every)
    assert (await buyers[0].get("/v1/invoices", customer_id=invoices[1]["customer_id"])).json()["data"] == []
    assert problem(await buyers[0].get(f"/v1/invoices/{invoices[1]['id']}")) == (404, "invoice_not_found")
    assert problem(await machine.get("/v1/invoices")) == (403, "not_a_user")
    reading = person("billing:read", kind="svc")
    assert (await reading.get(f"/v1/invoices/{invoices[0]['id']}")).json() == invoices[0]


async def test_lines_are_listed_in_their_order_in_pages(buyer, draft, bookkeeper):
    invoice = await draft(buyer, *(f"{quantity} 1 0.333333" for quantity in range(5)))
    assert await bookkeeper.all(f"/v1/invoices/{invoice['id']}/lines", limit=2) == invoice["lines"]
    assert [line["quantity"] for line in invoice["lines"]] == ["0", "1", "2", "3", "4"]


async def test_an_empty_draft_is_not_finalized(buyer, draft, bookkeeper):
    invoice = await draft(buyer)
    assert problem(await bookkeeper.post(f"/v1/invoices/{invoice['id']}/finalize")) == (409, "invoice_empty")


async def test_an_invoice_of_nothing_is_paid_when_it_is_finalized(buyer, bill, rows):
    invoice = await bill(buyer, "1 1000 0.21", "-1 1000 0.21")
    assert (invoice["status"], invoice["paid_at"]) == ("paid", invoice["finalized_at"])
    assert await rows("SELECT kind FROM ledger_transactions WHERE source = $1", invoice["id"]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": "100000.000000000001"},
        {"quantity": "-100001"},
        {"quantity": 1},
        {"quantity": "0.0000000000001"},
        {"unit_amount": "-1"},
        {"unit_amount": "10000000000.1"},
        {"tax_rate": "1.1"},
        {"tax_rate": "-0.1"},
        {"description": ""},
        {"description": "\x00"},
        {"proration": True},
    ],
)
async def test_a_line_that_is_not_exact_or_too_large_is_refused(buyer, draft, bookkeeper, change):
    invoice = await draft(buyer)
    response = await bookkeeper.post(f"/v1/invoices/{invoice['id']}/lines", LINE | change)
    assert problem(response) == (422, "validation_failed")


async def test_no_amount_of_an_invoice_is_more_than_every_client_reads(buyer, draft, bookkeeper):
    largest = LINE | {"quantity": "100000", "unit_amount": "10000000000", "tax_rate": "1"}
    invoice = await draft(buyer)
    path = f"/v1/invoices/{invoice['id']}/lines"
    for sign in ("", "-", "", "-"):
        added = await bookkeeper.post(path, largest | {"quantity": f"{sign}100000"})
        assert added.status_code == 201
    assert problem(await bookkeeper.post(path, largest)) == (409, "invoice_too_large")
    invoice = (await bookkeeper.get(f"/v1/invoices/{invoice['id']}")).json()
    assert (len(invoice["lines"]), invoice["total"]["amount"]) == (4, 0)


async def test_an_invoice_has_so_many_lines_at_most(buyer, draft, bookkeeper, monkeypatch):
    monkeypatch.setattr("billing.invoices.rules.LINES_MAX", 2)
    invoice = await draft(buyer, "1 1 0", "1 1 0")
    response = await bookkeeper.post(f"/v1/invoices/{invoice['id']}/lines", LINE)
    assert problem(response) == (409, "invoice_too_large")


async def test_the_first_invoice_that_is_finalized_settles_the_currency(buyer, draft, bill, bookkeeper):
    euros, yen = await draft(buyer, "1 1 0"), await draft(buyer, "1 1 0", currency="JPY")
    assert (await buyer.get("/v1/customers/me")).json()["currency"] is None
    assert (await bookkeeper.post(f"/v1/invoices/{yen['id']}/finalize")).json()["total"]["currency"] == "JPY"
    assert (await buyer.get("/v1/customers/me")).json()["currency"] == "JPY"
    assert problem(await bookkeeper.post(f"/v1/invoices/{euros['id']}/finalize")) == (409, "currency_mismatch")
    body = {"customer_id": yen["customer_id"], "currency": "EUR"}
    assert problem(await bookkeeper.post("/v1/invoices", body)) == (409, "currency_mismatch")


async def test_a_customer_who_leaves_is_billed_nothing(buyer, draft, bookkeeper, rows):
    invoice = await draft(buyer, "1 1 0")
    # Between the moment in which a user asks to be erased and that in which their drafts are removed.
    await rows("UPDATE customers SET closing_at = now() WHERE id = $1", parse_id("cus", invoice["customer_id"]))
    path = f"/v1/invoices/{invoice['id']}"
    body = {"customer_id": invoice["customer_id"], "currency": "EUR"}
    for refused in (("/v1/invoices", body), (f"{path}/lines", LINE), (f"{path}/finalize", None)):
        assert problem(await bookkeeper.post(*refused)) == (409, "customer_closed")
    assert (await bookkeeper.client.delete(path, headers=bookkeeper.headers)).status_code == 204


async def test_what_is_not_there_is_not_found(bookkeeper):
    body = {"customer_id": NOBODY, "currency": "EUR"}
    assert problem(await bookkeeper.post("/v1/invoices", body)) == (404, "customer_not_found")
    for action, given in (("lines", LINE), ("finalize", None), ("void", None), ("mark-uncollectible", None)):
        response = await bookkeeper.post(f"/v1/invoices/{NOTHING}/{action}", given)
        assert problem(response) == (404, "invoice_not_found")
    response = await bookkeeper.client.delete(f"/v1/invoices/{NOTHING}", headers=bookkeeper.headers)
    assert problem(response) == (404, "invoice_not_found")


async def test_only_who_has_the_scope_writes_invoices(buyer, keeper, bill):
    path = f"/v1/invoices/{(await bill(buyer, '1 1 0'))['id']}"
    for caller in (buyer, keeper):
        body = {"customer_id": NOBODY, "currency": "EUR"}
        assert problem(await caller.post("/v1/invoices", body)) == (403, "insufficient_scope")
        for action in ("lines", "finalize", "void", "mark-uncollectible"):
            response = await caller.post(f"{path}/{action}", LINE if action == "lines" else None)
            assert problem(response) == (403, "insufficient_scope")
        response = await caller.client.delete(path, headers=caller.headers)
        assert problem(response) == (403, "insufficient_scope")
