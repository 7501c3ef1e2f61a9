"""A process that dies between the steps of a refund: the reminder settles it, or a retry goes on with it; once."""

import asyncio

import pytest

from billing.credit_notes.service import CreditNotes
from billing.payments.provider import RefundOutcome, Sandbox
from billing.refunds.service import Refunds
from core.errors import Unavailable
from core.idempotency import Claims
from core.ids import parse_id
from core.testing import problem

SETTINGS = {"settle_after_s": 0.1}
pytestmark = pytest.mark.usefixtures("polled_often")

STEPS = [
    pytest.param(Sandbox, "refund", id="before the provider is asked"),
    pytest.param(Refunds, "settle", id="after the provider has given it back"),
]
ONCE = [[("succeeded", 1200)], [("succeeded", 1200)]]
LATER = [*STEPS, pytest.param(Claims, "complete", id="when the answer is stored")]


def euro(amount):
    return {"amount": amount, "currency": "EUR"}


def noted(invoice, **more):
    line = {"invoice_line_id": invoice["lines"][0]["id"], "net_amount": euro(1000)}
    return {"invoice_id": invoice["id"], "lines": [line], "reason": "Returned", **more}


@pytest.fixture
def refunded(rows):
    """`await refunded(invoice)`: the refunds of what paid an invoice, and what the provider has given back of it."""
    ours = "SELECT status, amount_minor FROM refunds WHERE payment_id = $1 ORDER BY id"
    theirs = "SELECT status, amount_minor FROM sandbox_refunds WHERE payment_id = $1 ORDER BY refund_id"

    async def find(invoice):
        payment_id = parse_id("pay", invoice["last_payment"]["id"])
        return [[tuple(each.values()) for each in await rows(select, payment_id)] for select in (ours, theirs)]

    return find


@pytest.fixture
def reminded(rows):
    """`await reminded(refund_id, 2)`: waits until so many reminders of it have been delivered."""

    async def wait(refund_id, count):
        delivered = "SELECT 1 FROM inbox WHERE subject = $1 AND handled_at IS NOT NULL"
        async with asyncio.timeout(30):
            while len(await rows(delivered, f"{refund_id}/settlement")) < count:  # noqa: ASYNC110 - it happens elsewhere
                await asyncio.sleep(0.02)

    return wait


@pytest.mark.parametrize(("kind", "step"), STEPS)
async def test_what_a_credit_note_gives_back_is_settled(
    payer, bookkeeper, paid, crash, becomes, refunded, books, kind, step
):
    invoice = await paid(payer, "1 1000 0.2")
    restart = crash(kind, step)
    refused = await bookkeeper.post("/v1/credit-notes", noted(invoice, refund_amount=euro(1200)))
    assert problem(refused) == (500, "internal_error")
    restart()

    async def is_settled():
        return await refunded(invoice) == ONCE

    await becomes(is_settled)
    (note,) = (await payer.get("/v1/credit-notes")).json()["data"]
    assert (note["total"], note["refund"]["status"]) == (euro(1200), "succeeded")
    await books()


@pytest.mark.parametrize(("kind", "step"), LATER)
async def test_a_retry_goes_on_with_the_note_and_the_refund(
    payer, bookkeeper, paid, crash, refunded, rows, books, kind, step
):
    invoice = await paid(payer, "1 1000 0.2")
    body = noted(invoice, refund_amount=euro(1200))
    restart = crash(kind, step)
    assert problem(await bookkeeper.post("/v1/credit-notes", body, key="one")) == (500, "internal_error")
    restart()
    await rows("UPDATE idempotency_keys SET leased_until = now()")
    note = (await bookkeeper.post("/v1/credit-notes", body, key="one")).json()
    assert note["refund"]["status"] == "succeeded"
    assert await refunded(invoice) == ONCE
    assert (await payer.get("/v1/credit-notes")).json()["data"] == [note]
    await books()


@pytest.mark.parametrize(("kind", "step"), LATER)
async def test_a_retry_goes_on_with_a_refund_of_the_balance(
    payer, bookkeeper, paid, crash, refunded, rows, books, kind, step
):
    invoice = await paid(payer, "1 1000 0.2")
    await bookkeeper.post("/v1/credit-notes", noted(invoice))
    body = {"payment_id": invoice["last_payment"]["id"], "amount": euro(1200)}
    restart = crash(kind, step)
    assert problem(await bookkeeper.post("/v1/refunds", body, key="one")) == (500, "internal_error")
    restart()
    await rows("UPDATE idempotency_keys SET leased_until = now()")
    assert (await bookkeeper.post("/v1/refunds", body, key="one")).json()["status"] == "succeeded"
    assert await refunded(invoice) == ONCE
    await books()


async def test_a_note_that_was_not_committed_never_was(payer, bookkeeper, paid, crash, rows, refunded):
    invoice = await paid(payer, "1 1000 0.2")
    series = "SELECT last FROM invoice_series WHERE name = 'CRN'"
    last = await rows(series)
    restart = crash(CreditNotes, "_announce")
    body = noted(invoice, refund_amount=euro(1200))
    assert problem(await bookkeeper.post("/v1/credit-notes", body)) == (500, "internal_error")
    restart()
    assert (await payer.get("/v1/credit-notes")).json()["data"] == []
    assert (await rows(series), await refunded(invoice)) == (last, [[], []])
    assert (await payer.get(f"/v1/invoices/{invoice['id']}")).json() == invoice


@pytest.mark.parametrize("says", ["nothing", "that it is away"])
async def test_a_provider_that_does_not_know_yet_is_asked_again(
    payer, bookkeeper, paid, becomes, refunded, reminded, monkeypatch, says
):
    async def ask(*_, **__):
        if says == "nothing":
            return RefundOutcome("processing")
        raise Unavailable

    invoice = await paid(payer, "1 1000 0.2")
    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, "refund", ask)
        answer = await bookkeeper.post("/v1/credit-notes", noted(invoice, refund_amount=euro(1200)))
        refund = answer.json()["refund"]
        assert (answer.status_code, refund["status"]) == (201, "processing")
        await reminded(refund["id"], 2)
        assert await refunded(invoice) == [[("processing", 1200)], []]

    async def is_settled():
        return await refunded(invoice) == ONCE

    await becomes(is_settled)


async def test_a_reminder_of_what_is_settled_changes_nothing(payer, bookkeeper, paid, refunded, reminded):
    invoice = await paid(payer, "1 1000 0.2")
    note = (await bookkeeper.post("/v1/credit-notes", noted(invoice, refund_amount=euro(1200)))).json()
    await reminded(note["refund"]["id"], 1)
    assert await refunded(invoice) == ONCE
    assert (await payer.get("/v1/credit-notes")).json()["data"] == [note]
