"""Credit notes over HTTP: what is taken back of open and paid invoices, where it goes, and every refusal."""

import asyncio
import re
from typing import Any

import asyncpg
import pytest

from core.ids import parse_id
from core.testing import problem

PATH = "/v1/credit-notes"


def euro(amount):
    return {"amount": amount, "currency": "EUR"}


def noted(invoice, *nets, **more) -> dict[str, Any]:
    """The body of a credit note of the first lines of an invoice; None passes a line over."""
    lines = [
        {"invoice_line_id": line["id"], "net_amount": euro(net)}
        for line, net in zip(invoice["lines"], nets, strict=False)
        if net is not None
    ]
    return {"invoice_id": invoice["id"], "lines": lines, "reason": "Returned", **more}


async def issued(bookkeeper, invoice, *nets, **more):
    response = await bookkeeper.post(PATH, noted(invoice, *nets, **more))
    assert response.status_code == 201, response.text
    return response.json()


async def of(person, invoice):
    return (await person.get(f"/v1/invoices/{invoice['id']}")).json()


async def balance_of(person):
    return (await person.get("/v1/customers/me")).json()["balance"]["amount"]


def went(note):
    """Where it went: off what was owed, to the balance, back to the payer."""
    return tuple(note[f"{name}_amount"]["amount"] for name in ("applied", "credit", "refund"))


async def test_the_notes_of_an_invoice_come_to_what_others_compute(payer, bookkeeper, paid, books):
    # lago-api#2643.
    invoice = await paid(payer, *(f"1 {net} 0.2" for net in (6833, 6833, 5750, 8500)))
    assert invoice["total"] == euro(33499)
    wanted = [(6833,), (None, None, 5750), (None, None, None, 8500), (None, 6833)]
    notes = [await issued(bookkeeper, invoice, *nets) for nets in wanted]
    assert [note["total"]["amount"] for note in notes] == [8200, 6900, 10200, 8199]
    assert [note["taxes"][0]["amount"]["amount"] for note in notes] == [1367, 1150, 1700, 1366]
    assert await balance_of(payer) == 33499
    await books()


async def test_a_note_is_a_document_with_a_number_of_its_own(payer, bookkeeper, paid, rows):
    invoice = await paid(payer, "1 1000 0.21", "1 500 0.06")
    note = await issued(bookkeeper, invoice, 100, 50, credit_amount=euro(174))
    assert re.fullmatch(r"CRN-\d{4}-\d{6}", note["number"])
    line = {"description": "Work", "net": euro(100), "tax_rate": "0.21", "tax": euro(21)}
    assert note == {
        "id": note["id"],
        "number": note["number"],
        "invoice_id": invoice["id"],
        "customer_id": invoice["customer_id"],
        "currency": "EUR",
        "reason": "Returned",
        "subtotal": euro(150),
        "taxes": [
            {"rate": "0.06", "base": euro(50), "amount": euro(3)},
            {"rate": "0.21", "base": euro(100), "amount": euro(21)},
        ],
        "total": euro(174),
        "applied_amount": euro(0),
        "credit_amount": euro(174),
        "refund_amount": euro(0),
        "lines": [
            {"id": note["lines"][0]["id"], "invoice_line_id": invoice["lines"][0]["id"], **line},
            {
                "id": note["lines"][1]["id"],
                "invoice_line_id": invoice["lines"][1]["id"],
                "description": "Work",
                "net": euro(50),
                "tax_rate": "0.06",
                "tax": euro(3),
            },
        ],
        "refund": None,
        "created_at": note["created_at"],
    }
    snapshots = "SELECT (i.seller, i.buyer) = (n.seller, n.buyer) AS same FROM credit_notes n JOIN invoices i"
    assert await rows(f"{snapshots} ON i.id = n.invoice_id WHERE n.id = $1", parse_id("crn", note["id"])) == [
        {"same": True}
    ]


SPOILING = [
    "UPDATE credit_notes SET reason = 'Other'",
    "DELETE FROM credit_notes",
    "UPDATE credit_note_lines SET net_minor = 1",
    "DELETE FROM credit_note_lines",
]


async def test_nobody_changes_what_was_issued(payer, bookkeeper, bill, rows, subtests):
    await issued(bookkeeper, await bill(payer, "1 1000 0.2"), 100)
    for change in SPOILING:
        with subtests.test(change=change), pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await rows(change)


async def test_of_an_open_invoice_less_is_owed(payer, bookkeeper, bill, books):
    invoice = await bill(payer, "1 1000 0.2")
    assert went(await issued(bookkeeper, invoice, 400)) == (480, 0, 0)
    now = await of(payer, invoice)
    assert (now["status"], now["total"], now["amount_remaining"]) == ("open", euro(1200), euro(720))
    paid = (await payer.post(f"/v1/invoices/{invoice['id']}/pay")).json()
    assert (paid["status"], paid["amount_paid"], paid["amount_remaining"]) == ("paid", euro(720), euro(0))
    # The rest of the invoice, and no more, is there to be taken back.
    assert problem(await bookkeeper.post(PATH, noted(invoice, 601))) == (409, "credit_note_exceeds_invoice")
    assert went(await issued(bookkeeper, invoice, 600)) == (0, 720, 0)
    await books()


async def test_an_open_invoice_of_which_nothing_is_owed_any_more_is_paid(unpaid, bookkeeper, rows, books):
    buyer, subscription = unpaid
    invoice = subscription["latest_invoice"]
    assert went(await issued(bookkeeper, invoice, 1000)) == (1000, 0, 0)
    now = await of(buyer, invoice)
    assert (now["status"], now["amount_paid"], now["amount_remaining"]) == ("paid", euro(0), euro(0))
    (subscription,) = (await buyer.get("/v1/subscriptions")).json()["data"]
    assert subscription["status"] == "active"
    announced = "SELECT type FROM outbox WHERE subject = ANY($1) ORDER BY position"
    types = [row["type"] for row in await rows(announced, [invoice["id"], subscription["id"]])]
    assert types[-2:] == ["invoice.paid", "subscription.activated"]
    await books()


async def test_what_is_in_credit_pays_the_next_invoice(payer, bookkeeper, bill, paid, books):
    # Kill Bill: credit 20, then charge 100.
    await issued(bookkeeper, await paid(payer, "1 2000 0"), 2000)
    second = await bill(payer, "1 10000 0")
    assert (second["total"], second["amount_due"]) == (euro(10000), euro(8000))
    # Of what the balance has paid nothing is owed: it goes back to the balance.
    assert went(await issued(bookkeeper, second, 10000)) == (8000, 2000, 0)
    assert (await of(payer, second))["status"] == "paid"
    assert await balance_of(payer) == 2000
    third = await bill(payer, "1 1500 0")
    assert (third["status"], third["amount_due"]) == ("paid", euro(0))
    refused = await bookkeeper.post(PATH, noted(third, 100, refund_amount=euro(100)))
    assert problem(refused) == (409, "refund_exceeds_payment")
    assert went(await issued(bookkeeper, third, 1500)) == (0, 1500, 0)
    await books()


GOING = [
    ({}, (0, 1200, 0)),
    ({"refund_amount": euro(1200)}, (0, 0, 1200)),
    ({"refund_amount": euro(500)}, (0, 700, 500)),
    ({"credit_amount": euro(500)}, (0, 500, 700)),
    ({"credit_amount": euro(0)}, (0, 0, 1200)),
    ({"credit_amount": euro(200), "refund_amount": euro(1000)}, (0, 200, 1000)),
]


async def test_of_a_paid_invoice_it_goes_where_it_is_said(person, bookkeeper, paid, subtests):
    for said, expected in GOING:
        with subtests.test(said=said):
            buyer = person()
            await buyer.add_card()
            note = await issued(bookkeeper, await paid(buyer, "1 1000 0.2"), 1000, **said)
            assert went(note) == expected
            assert await balance_of(buyer) == expected[1]
            assert (note["refund"] and note["refund"]["status"]) == ("succeeded" if expected[2] else None)


async def test_a_discount_is_taken_back_with_what_it_was_given_on(payer, bookkeeper, paid, books):
    invoice = await paid(payer, "1 1000 0.2", "-1 400 0.2")
    for nets in ((1000,), (None, -400), (None, 400), (1000, -401)):
        assert problem(await bookkeeper.post(PATH, noted(invoice, *nets))) == (409, "credit_note_exceeds_invoice")
    assert (await issued(bookkeeper, invoice, 1000, -400))["total"] == euro(720)
    await books()


async def test_a_note_takes_back_more_than_nothing_and_no_more_than_the_total(payer, bookkeeper, paid):
    # 1200 less 440, although there is 1200 of one rate.
    invoice = await paid(payer, "1 1000 0.2", "-1 400 0.1")
    assert problem(await bookkeeper.post(PATH, noted(invoice, None, -400))) == (422, "credit_note_empty")
    assert problem(await bookkeeper.post(PATH, noted(invoice, 634))) == (409, "credit_note_exceeds_invoice")
    assert (await issued(bookkeeper, invoice, 633))["total"] == euro(760)
    # Nothing is left of the total, whatever is left of the lines.
    assert problem(await bookkeeper.post(PATH, noted(invoice, 367, -367))) == (409, "credit_note_exceeds_invoice")


REFUSED = [
    ((1001,), {}, (409, "credit_note_exceeds_invoice")),
    ((-1,), {}, (409, "credit_note_exceeds_invoice")),
    ((100,), {"refund_amount": euro(121)}, (422, "credit_note_unbalanced")),
    ((100,), {"credit_amount": euro(121)}, (422, "credit_note_unbalanced")),
    ((100,), {"credit_amount": euro(-1)}, (422, "credit_note_unbalanced")),
    ((100,), {"refund_amount": euro(60), "credit_amount": euro(59)}, (422, "credit_note_unbalanced")),
    ((100,), {"refund_amount": {"amount": 1, "currency": "USD"}}, (409, "currency_mismatch")),
    ((100,), {"reason": ""}, (422, "validation_failed")),
    ((100,), {"coupon": "FREE"}, (422, "validation_failed")),
    ((), {}, (422, "validation_failed")),
    ((1.5,), {}, (422, "validation_failed")),
    ((0,), {}, (422, "validation_failed")),
]


async def test_what_cannot_be_taken_back_is_refused_and_changes_nothing(payer, bookkeeper, paid, rows, subtests):
    invoice = await paid(payer, "1 1000 0.2")
    count = "SELECT count(*) FROM credit_notes"
    before = await rows(count)
    for nets, more, expected in REFUSED:
        with subtests.test(nets=nets, more=more):
            assert problem(await bookkeeper.post(PATH, noted(invoice, *nets, **more))) == expected
    assert await rows(count) == before
    assert await of(payer, invoice) == invoice
    assert await balance_of(payer) == 0


async def test_a_line_is_named_once_and_is_one_of_the_invoice(payer, bookkeeper, bill):
    invoice, other = [await bill(payer, "1 1000 0.2") for _ in range(2)]
    twice = noted(invoice, 1)
    twice["lines"] *= 2
    response = await bookkeeper.post(PATH, twice)
    assert (problem(response), response.json()["errors"][0]["pointer"]) == ((422, "validation_failed"), "#/lines")
    lines = [line for each in (invoice, other) for line in noted(each, 1)["lines"]]
    response = await bookkeeper.post(PATH, noted(invoice, 1) | {"lines": lines})
    assert problem(response) == (422, "invoice_line_unknown")
    assert response.json()["errors"][0]["pointer"] == "#/lines/1/invoice_line_id"


async def test_only_who_may_issues_one_and_only_of_an_invoice_that_is_there(payer, keeper, bookkeeper, nobody, bill):
    invoice = await bill(payer, "1 1000 0.2")
    assert problem(await payer.post(PATH, noted(invoice, 1))) == (403, "insufficient_scope")
    assert problem(await keeper.post(PATH, noted(invoice, 1))) == (403, "insufficient_scope")
    assert problem(await nobody.post(PATH, noted(invoice, 1))) == (401, "unauthenticated")
    assert problem(await bookkeeper.post(PATH, noted(invoice, 1), key=None)) == (400, "idempotency_key_required")
    gone = {"id": "inv_00000000000000000000000000", "lines": invoice["lines"]}
    assert problem(await bookkeeper.post(PATH, noted(gone, 1))) == (404, "invoice_not_found")


@pytest.mark.parametrize("status", ["draft", "void", "uncollectible"])
async def test_only_an_open_or_paid_invoice_is_corrected(payer, bookkeeper, bill, status):
    invoice = await bill(payer, "1 1000 0.2")
    if status == "draft":
        draft = {"customer_id": invoice["customer_id"], "currency": "EUR"}
        invoice |= {"id": (await bookkeeper.post("/v1/invoices", draft)).json()["id"]}
    else:
        step = {"void": "void", "uncollectible": "mark-uncollectible"}[status]
        assert (await bookkeeper.post(f"/v1/invoices/{invoice['id']}/{step}")).json()["status"] == status
    assert problem(await bookkeeper.post(PATH, noted(invoice, 1))) == (409, "invalid_transition")


async def test_while_a_payment_is_under_way_nothing_is_taken_back(buyer, bookkeeper, bill):
    await buyer.add_card("pm_sandbox_timeout_then_ok")
    invoice = await bill(buyer, "1 1000 0.2")
    assert problem(await buyer.post(f"/v1/invoices/{invoice['id']}/pay")) == (409, "payment_in_progress")
    assert problem(await bookkeeper.post(PATH, noted(invoice, 1))) == (409, "payment_in_progress")


async def test_a_whole_invoice_is_taken_back_once(payer, bookkeeper, paid, rows, books):
    invoice = await paid(payer, "1 1000 0.2")
    body = noted(invoice, 1000, refund_amount=euro(600))
    responses = await asyncio.gather(*(bookkeeper.post(PATH, body) for _ in range(20)))
    assert sorted(response.status_code for response in responses) == [201, *([409] * 19)]
    refused = {problem(response) for response in responses if response.status_code == 409}
    assert refused == {(409, "credit_note_exceeds_invoice")}
    assert await balance_of(payer) == 600
    numbers = [row["number"] for row in await rows("SELECT number FROM credit_notes ORDER BY number")]
    # What was refused has taken none.
    assert [int(each[-6:]) for each in numbers] == list(range(1, len(numbers) + 1))
    await books()


async def test_notes_of_several_invoices_at_once_all_come_to_the_balance(payer, bookkeeper, paid, books):
    invoices = [await paid(payer, "1 1000 0.2") for _ in range(5)]
    await asyncio.gather(*(issued(bookkeeper, invoice, 1000) for invoice in invoices))
    assert await balance_of(payer) == 6000
    await books()


async def test_a_retry_is_answered_as_before_and_another_request_refused(payer, bookkeeper, bill, paid, rows):
    invoice = await paid(payer, "1 1000 0.2")
    body = noted(invoice, 100, refund_amount=euro(20))
    first = (await bookkeeper.post(PATH, body, key="one")).json()
    assert (await bookkeeper.post(PATH, body, key="one")).json() == first
    # The day after, when the answer is forgotten.
    forget = "DELETE FROM idempotency_keys"
    await rows(forget)
    assert (await bookkeeper.post(PATH, body, key="one")).json() == first
    changes = [
        noted(invoice, 101, refund_amount=euro(20)),
        noted(invoice, 100, refund_amount=euro(21)),
        noted(invoice, 100, credit_amount=euro(20)),
        noted(invoice, 100),
        body | {"reason": "Broken"},
        body | {"invoice_id": (await bill(payer, "1 1000 0.2"))["id"]},
    ]
    for change in changes:
        await rows(forget)
        assert problem(await bookkeeper.post(PATH, change, key="one")) == (422, "idempotency_key_reused")
    assert len((await bookkeeper.get(PATH, invoice_id=invoice["id"])).json()["data"]) == 1


async def test_customers_read_their_own_and_who_keeps_the_books_all(payer, buyer, bookkeeper, machine, bill):
    await buyer.add_card()
    invoices = [await bill(each, "1 1000 0.2") for each in (payer, payer, buyer)]
    notes = [await issued(bookkeeper, each, 100) for each in invoices]
    assert await payer.all(PATH, limit=1) == notes[:2]
    assert (await buyer.get(PATH)).json()["data"] == notes[2:]
    assert (await payer.get(PATH, invoice_id=invoices[1]["id"])).json()["data"] == [notes[1]]
    assert (await payer.get(PATH, customer_id=invoices[2]["customer_id"])).json()["data"] == []
    assert (await bookkeeper.get(PATH, customer_id=invoices[0]["customer_id"])).json()["data"] == notes[:2]
    assert (await payer.get(f"{PATH}/{notes[0]['id']}")).json() == notes[0]
    assert (await bookkeeper.get(f"{PATH}/{notes[0]['id']}")).json() == notes[0]
    assert problem(await buyer.get(f"{PATH}/{notes[0]['id']}")) == (404, "credit_note_not_found")
    assert problem(await machine.get(PATH)) == (403, "not_a_user")
    assert problem(await payer.get(PATH, customer="me")) == (422, "validation_failed")


async def test_it_is_told_once_with_where_it_went(payer, bookkeeper, paid, rows):
    invoice = await paid(payer, "1 1000 0.2")
    note = await issued(bookkeeper, invoice, 100, refund_amount=euro(70))
    told = await rows("SELECT type, sequence, data::text FROM outbox WHERE subject = $1", note["id"])
    assert [(each["type"], each["sequence"]) for each in told] == [("credit_note.created", 1)]
    for amount in ("total", "applied_amount", "credit_amount", "refund_amount"):
        assert note[amount]["currency"] == "EUR"
    assert note["number"] in told[0]["data"]
    assert "Returned" not in told[0]["data"]


async def test_where_a_new_one_is_read_is_told(payer, bookkeeper, bill):
    response = await bookkeeper.post(PATH, noted(await bill(payer, "1 1000 0.2"), 100))
    path = response.headers["Location"][response.headers["Location"].index(PATH) :]
    assert (await bookkeeper.get(path)).json() == response.json()
    assert problem(await bookkeeper.get(f"{PATH}/crn_{'0' * 26}")) == (404, "credit_note_not_found")
