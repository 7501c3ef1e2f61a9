"""Refunds over HTTP: of a balance, of a credit note, what becomes of those that fail, and every refusal."""

import asyncio

import pytest

from billing.payments.provider import RefundOutcome
from billing.refunds import dependencies as refunds
from billing.refunds.service import RefundNotFound
from core.ids import new_id, parse_id
from core.testing import problem

PATH = "/v1/refunds"


def euro(amount):
    return {"amount": amount, "currency": "EUR"}


def noted(invoice, net, **more):
    line = {"invoice_line_id": invoice["lines"][0]["id"], "net_amount": euro(net)}
    return {"invoice_id": invoice["id"], "lines": [line], "reason": "Returned", **more}


@pytest.fixture
def in_credit(person, bookkeeper, paid):
    """`buyer, payment_id = await in_credit(card)`: somebody who has paid 10 EUR and has them on their balance."""

    async def make(card="pm_card_visa", amount=1000):
        buyer = person()
        await buyer.add_card(card)
        invoice = await paid(buyer, "1 1000 0")
        await bookkeeper.post("/v1/credit-notes", noted(invoice, amount))
        return buyer, invoice["last_payment"]["id"]

    return make


@pytest.fixture
def settle(shop):
    """`await settle(refund, "failed")`: what the provider tells of a refund."""

    async def run(refund, status):
        async with shop.resources.database.transaction() as session:
            outcome = RefundOutcome(status, "account_closed" if status == "failed" else None)
            return await refunds.build(session, shop.resources).settle(parse_id("rfd", refund["id"]), outcome)

    return run


@pytest.fixture
def agree(rows):
    """`await agree(payment_id)`: what was given back of a payment, which our books and the provider's agree about."""
    given = """SELECT
        coalesce((SELECT sum(amount_minor) FROM refunds WHERE payment_id = $1 AND status = 'succeeded'), 0) AS ours,
        coalesce((SELECT sum(amount_minor) FROM refunds WHERE payment_id = $1 AND status <> 'failed'), 0) AS begun,
        coalesce((SELECT sum(amount_minor) FROM sandbox_refunds WHERE payment_id = $1 AND status = 'succeeded'), 0)
            AS theirs,
        (SELECT refunded_minor FROM payments WHERE id = $1) AS taken"""
    payable = """SELECT (SELECT coalesce(-sum(amount_minor), 0) FROM ledger_entries WHERE account = 'refunds_payable')
        = (SELECT coalesce(sum(amount_minor), 0) FROM refunds WHERE status = 'processing') AS agrees"""

    async def check(payment_id):
        (sums,) = await rows(given, parse_id("pay", payment_id))
        assert (sums["ours"], sums["begun"]) == (sums["theirs"], sums["taken"])
        assert await rows(payable) == [{"agrees": True}]
        return sums["ours"]

    return check


async def balance_of(person):
    return (await person.get("/v1/customers/me")).json()["balance"]["amount"]


async def test_what_is_on_the_balance_goes_back_to_the_payer(in_credit, bookkeeper, agree, books):
    buyer, payment_id = await in_credit()
    response = await bookkeeper.post(PATH, {"payment_id": payment_id, "amount": euro(400)})
    refund = response.json()
    assert response.status_code == 201
    assert refund == {
        "id": refund["id"],
        "payment_id": payment_id,
        "credit_note_id": None,
        "customer_id": (await buyer.get("/v1/customers/me")).json()["id"],
        "amount": euro(400),
        "status": "succeeded",
        "failure_code": None,
        "created_at": refund["created_at"],
        "settled_at": refund["settled_at"],
    }
    assert await balance_of(buyer) == 600
    assert await agree(payment_id) == 400
    await books()
    assert (await bookkeeper.get(f"{PATH}/{refund['id']}")).json() == refund
    assert response.headers["Location"].endswith(f"{PATH}/{refund['id']}")
    assert refund in await bookkeeper.all(PATH)


async def test_what_a_credit_note_gives_back_is_a_refund_of_it(payer, bookkeeper, paid, agree):
    invoice = await paid(payer, "1 1000 0.2")
    note = (await bookkeeper.post("/v1/credit-notes", noted(invoice, 1000, refund_amount=euro(900)))).json()
    refund = (await bookkeeper.get(f"{PATH}/{note['refund']['id']}")).json()
    assert (refund["credit_note_id"], refund["amount"], refund["status"]) == (note["id"], euro(900), "succeeded")
    assert await agree(invoice["last_payment"]["id"]) == 900
    assert await balance_of(payer) == 300


async def test_one_that_fails_is_on_the_balance_and_the_payment_has_it_again(in_credit, bookkeeper, agree, books):
    buyer, payment_id = await in_credit("pm_sandbox_refund_fails")
    for _ in range(2):
        refund = (await bookkeeper.post(PATH, {"payment_id": payment_id, "amount": euro(1000)})).json()
        assert (refund["status"], refund["failure_code"]) == ("failed", "account_closed")
        assert await balance_of(buyer) == 1000
    assert await agree(payment_id) == 0
    await books()


async def test_what_a_credit_note_cannot_give_back_is_on_the_balance(buyer, bookkeeper, paid, agree, books):
    await buyer.add_card("pm_sandbox_refund_fails")
    invoice = await paid(buyer, "1 1000 0.2")
    body = noted(invoice, 1000, refund_amount=euro(1200))
    note = (await bookkeeper.post("/v1/credit-notes", body)).json()
    assert note["refund"] == {"id": note["refund"]["id"], "status": "failed", "failure_code": "account_closed"}
    assert await balance_of(buyer) == 1200
    assert await agree(invoice["last_payment"]["id"]) == 0
    await books()


async def test_a_lost_answer_leaves_it_processing_and_takes_the_balance(in_credit, bookkeeper, rows, settle, agree):
    buyer, payment_id = await in_credit("pm_sandbox_refund_timeout_then_ok")
    refund = (await bookkeeper.post(PATH, {"payment_id": payment_id, "amount": euro(1000)})).json()
    assert (refund["status"], refund["settled_at"]) == ("processing", None)
    assert await balance_of(buyer) == 0
    assert problem(await bookkeeper.post(PATH, {"payment_id": payment_id, "amount": euro(1)})) == (
        409,
        "refund_exceeds_balance",
    )
    await settle(refund, "succeeded")
    assert await agree(payment_id) == 1000
    told = await rows("SELECT type, sequence FROM outbox WHERE subject = $1 ORDER BY position", refund["id"])
    assert [tuple(each.values()) for each in told] == [("refund.processing", 1), ("refund.succeeded", 2)]


# By the word that says most, whatever the order: a bank may send back what was given back.
ORDERS = [
    (["succeeded"], "succeeded", 0),
    (["failed"], "failed", 1000),
    (["processing", "succeeded", "processing", "succeeded"], "succeeded", 0),
    (["succeeded", "failed", "failed", "succeeded"], "failed", 1000),
    (["failed", "succeeded", "processing"], "failed", 1000),
]


@pytest.mark.parametrize(("news", "expected", "balance"), ORDERS)
async def test_news_is_believed_by_what_it_says(in_credit, bookkeeper, rows, settle, books, news, expected, balance):
    buyer, payment_id = await in_credit("pm_sandbox_refund_timeout_then_ok")
    refund = (await bookkeeper.post(PATH, {"payment_id": payment_id, "amount": euro(1000)})).json()
    for status in news:
        await settle(refund, status)
    assert (await bookkeeper.get(f"{PATH}/{refund['id']}")).json()["status"] == expected
    assert await balance_of(buyer) == balance
    await books()
    booked = "SELECT account, sum(amount_minor)::int AS sum FROM ledger_entries e JOIN ledger_transactions t"
    entries = await rows(f"{booked} ON t.id = e.transaction_id WHERE source = $1 GROUP BY account", refund["id"])
    sums = {each["account"]: each["sum"] for each in entries if each["sum"]}
    assert sums == ({} if balance else {"customer_credit": 1000, "provider_clearing": -1000})
    (payment,) = await rows("SELECT refunded_minor FROM payments WHERE id = $1", parse_id("pay", payment_id))
    assert payment["refunded_minor"] == 1000 - balance


@pytest.mark.parametrize("status", ["succeeded", "failed"])
async def test_what_the_provider_tells_settles_it(in_credit, bookkeeper, tell, becomes, status):
    _, payment_id = await in_credit("pm_sandbox_refund_timeout_then_ok")
    refund = (await bookkeeper.post(PATH, {"payment_id": payment_id, "amount": euro(1000)})).json()
    await tell(f"refund.{status}", {"id": refund["id"], "code": "account_closed" if status == "failed" else None})

    async def is_settled():
        return (await bookkeeper.get(f"{PATH}/{refund['id']}")).json()["status"] == status

    await becomes(is_settled)


async def test_it_goes_back_to_the_payment_that_paid_and_not_to_one_that_came_late(
    buyer, bookkeeper, bill, tell, becomes, agree
):
    await buyer.add_card("pm_card_authenticationRequired")
    invoice = await bill(buyer, "1 1000 0.2")
    path = f"/v1/invoices/{invoice['id']}"
    assert problem(await buyer.post(f"{path}/pay")) == (402, "payment_action_required")
    late = (await buyer.get(path)).json()["last_payment"]["id"]
    paid = (await buyer.post(f"{path}/pay", {"payment_method_id": await buyer.add_card()})).json()["last_payment"]["id"]
    await tell("charge.succeeded", {"id": late})

    async def is_on_the_balance():
        return await balance_of(buyer) == 1200

    await becomes(is_on_the_balance)
    body = noted(invoice, 1000, refund_amount=euro(1200))
    note = (await bookkeeper.post("/v1/credit-notes", body)).json()
    refund = (await bookkeeper.get(f"{PATH}/{note['refund']['id']}")).json()
    assert (refund["payment_id"], refund["status"]) == (paid, "succeeded")
    assert await agree(paid) == 1200


async def test_what_is_told_of_no_refund_of_ours_is_refused(shop):
    async with shop.resources.database.transaction() as session:
        with pytest.raises(RefundNotFound):
            await refunds.build(session, shop.resources).settle(new_id(), RefundOutcome("succeeded"))


async def test_never_more_than_the_balance_nor_than_is_left_of_the_payment(in_credit, bookkeeper, paid):
    buyer, payment_id = await in_credit(amount=400)
    refused = await bookkeeper.post(PATH, {"payment_id": payment_id, "amount": euro(401)})
    assert problem(refused) == (409, "refund_exceeds_balance")
    # More on the balance, of another payment.
    other = await paid(buyer, "1 1400 0")
    await bookkeeper.post("/v1/credit-notes", noted(other, 1400))
    refused = await bookkeeper.post(PATH, {"payment_id": payment_id, "amount": euro(1001)})
    assert problem(refused) == (409, "refund_exceeds_payment")
    assert (await bookkeeper.post(PATH, {"payment_id": payment_id, "amount": euro(1000)})).status_code == 201
    refused = await bookkeeper.post(PATH, {"payment_id": payment_id, "amount": euro(1)})
    assert problem(refused) == (409, "refund_exceeds_payment")


async def test_a_credit_note_gives_back_no_more_than_is_left_of_the_payment(in_credit, bookkeeper, payer, paid):
    invoice = await paid(payer, "1 1000 0")
    await bookkeeper.post("/v1/credit-notes", noted(invoice, 600))
    body = {"payment_id": invoice["last_payment"]["id"], "amount": euro(600)}
    assert (await bookkeeper.post(PATH, body)).json()["status"] == "succeeded"
    refused = await bookkeeper.post("/v1/credit-notes", noted(invoice, 400, refund_amount=euro(401)))
    assert problem(refused) == (422, "credit_note_unbalanced")
    await bookkeeper.post("/v1/credit-notes", noted(await paid(payer, "1 1000 0"), 1000))
    assert (await bookkeeper.post(PATH, body | {"amount": euro(100)})).status_code == 201
    refused = await bookkeeper.post("/v1/credit-notes", noted(invoice, 400, refund_amount=euro(301)))
    assert problem(refused) == (409, "refund_exceeds_payment")
    assert (await bookkeeper.post("/v1/credit-notes", noted(invoice, 400, refund_amount=euro(300)))).status_code == 201


async def test_only_a_payment_that_succeeded_is_given_back_in_its_currency(unpaid, in_credit, bookkeeper):
    _, subscription = unpaid
    _, payment_id = await in_credit()
    declined = subscription["latest_invoice"]["last_payment"]["id"]
    dollars = {"amount": 1, "currency": "USD"}
    for body, expected in [
        ({"payment_id": declined, "amount": euro(1)}, (409, "invalid_transition")),
        ({"payment_id": payment_id, "amount": dollars}, (409, "currency_mismatch")),
        ({"payment_id": f"pay_{'0' * 26}", "amount": euro(1)}, (404, "payment_not_found")),
        ({"payment_id": payment_id, "amount": euro(0)}, (422, "validation_failed")),
        ({"payment_id": payment_id, "amount": euro(-1)}, (422, "validation_failed")),
        ({"payment_id": payment_id, "amount": 1}, (422, "validation_failed")),
        ({"payment_id": payment_id, "amount": euro(1), "reason": "x"}, (422, "validation_failed")),
    ]:
        assert problem(await bookkeeper.post(PATH, body)) == expected


async def test_only_who_may_gives_back_and_reads(in_credit, bookkeeper, keeper, nobody):
    buyer, payment_id = await in_credit()
    body = {"payment_id": payment_id, "amount": euro(1)}
    assert problem(await buyer.post(PATH, body)) == (403, "insufficient_scope")
    assert problem(await keeper.post(PATH, body)) == (403, "insufficient_scope")
    assert problem(await nobody.post(PATH, body)) == (401, "unauthenticated")
    assert problem(await bookkeeper.post(PATH, body, key=None)) == (400, "idempotency_key_required")
    assert problem(await buyer.get(PATH)) == (403, "insufficient_scope")
    assert problem(await buyer.get(f"{PATH}/rfd_{'0' * 26}")) == (403, "insufficient_scope")
    assert problem(await keeper.get(f"{PATH}/rfd_{'0' * 26}")) == (404, "refund_not_found")


async def test_a_retry_is_the_same_refund_and_another_request_refused(in_credit, bookkeeper, rows, agree):
    _, payment_id = await in_credit()
    body = {"payment_id": payment_id, "amount": euro(100)}
    first = (await bookkeeper.post(PATH, body, key="one")).json()
    forget = "DELETE FROM idempotency_keys"
    await rows(forget)
    assert (await bookkeeper.post(PATH, body, key="one")).json() == first
    await rows(forget)
    refused = await bookkeeper.post(PATH, body | {"amount": euro(101)}, key="one")
    assert problem(refused) == (422, "idempotency_key_reused")
    assert await agree(payment_id) == 100


async def test_refunds_at_once_never_give_back_more_than_there_is(in_credit, bookkeeper, agree, books):
    buyer, payment_id = await in_credit()
    body = {"payment_id": payment_id, "amount": euro(300)}
    responses = await asyncio.gather(*(bookkeeper.post(PATH, body) for _ in range(20)))
    assert sorted(response.status_code for response in responses) == [201] * 3 + [409] * 17
    assert await balance_of(buyer) == 100
    assert await agree(payment_id) == 900
    await books()


async def test_credit_notes_that_refund_at_once_never_give_back_more_than_was_paid(payer, bookkeeper, paid, agree):
    invoice = await paid(payer, "1 1000 0.2")
    body = noted(invoice, 300, credit_amount=euro(0))
    responses = await asyncio.gather(*(bookkeeper.post("/v1/credit-notes", body) for _ in range(20)))
    assert sorted(response.status_code for response in responses) == [201] * 3 + [409] * 17
    assert await agree(invoice["last_payment"]["id"]) == 1080
