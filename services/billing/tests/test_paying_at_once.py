"""Many who want the money of one invoice at once, and a provider that does not answer: it is charged once."""

import asyncio
from collections import Counter
from datetime import timedelta

import httpx
import pytest

from billing.collection.dependencies import build, build_unattended
from billing.payments.provider import Outcome, Sandbox
from core.errors import Unavailable
from core.ids import parse_id
from core.testing import problem

MANY, SOME = 20, 5


def pay_path(invoice_id):
    return f"/v1/invoices/{invoice_id}/pay"


@pytest.fixture
async def subscription(payer, price):
    return await payer.subscribe(price)


@pytest.fixture
async def owed(subscription, payer, renew, rows):
    """The id of an invoice that could not be collected, of somebody whose card works by now."""
    (good,) = (await payer.get("/v1/payment-methods")).json()["data"]
    await rows("UPDATE payment_methods SET is_default = false WHERE id = $1", parse_id("pm", good["id"]))
    invoice_id = await renew(subscription)
    await rows("UPDATE payment_methods SET is_default = true WHERE id = $1", parse_id("pm", good["id"]))
    return invoice_id


@pytest.fixture
def charges(rows):
    """`await charges(invoice_id)`: the provider's books, and how many attempts there are in ours."""

    async def read(invoice_id):
        found = """SELECT p.status, c.status AS charged FROM payments p
            LEFT JOIN sandbox_charges c ON c.payment_id = p.id WHERE p.invoice_id = $1"""
        return [(each["status"], each["charged"]) for each in await rows(found, parse_id("inv", invoice_id))]

    return read


@pytest.fixture
def settle(shop, rows):
    """`await settle(invoice_id)`: what the reminders of its open payment do, were there some at once."""

    async def run(invoice_id):
        open_ = "SELECT id FROM payments WHERE invoice_id = $1 AND status = 'processing'"
        payments, unattended = await rows(open_, parse_id("inv", invoice_id)), build_unattended(shop.resources)
        await asyncio.gather(*(unattended.settle(payment["id"]) for payment in payments * 3))

    return run


@pytest.mark.parametrize("key", ["", "one"], ids=["a key each", "one key for all"])
async def test_many_payments_of_one_invoice_charge_once(payer, subscription, owed, charges, balanced, key):
    responses = await asyncio.gather(*(payer.post(pay_path(owed), {}, key=key) for _ in range(MANY)))
    refused = {problem(each)[1] for each in responses if each.status_code != 200}
    assert any(each.status_code == 200 for each in responses)
    assert refused <= ({"idempotency_in_flight"} if key else {"payment_in_progress", "invalid_transition"})
    assert await charges(owed) == [("succeeded", "succeeded")]
    await balanced(subscription["customer_id"])


@pytest.mark.parametrize("first", range(5))
async def test_whoever_comes_first_decides_and_the_books_agree(
    shop, payer, person, subscription, owed, clock, rows, credit, charges, settle, balanced, first
):
    keeper = person("billing:write")
    await payer.post(pay_path(owed), {"payment_method_id": await payer.add_card("pm_card_authenticationRequired")})
    (older,) = await rows("SELECT * FROM payments WHERE invoice_id = $1", parse_id("inv", owed))
    await rows("UPDATE sandbox_charges SET status = 'succeeded' WHERE payment_id = $1", older["id"])
    clock.current += timedelta(days=2)
    unattended = build_unattended(shop.resources)

    async def is_confirmed():
        async with shop.resources.database.transaction() as session:
            collection = build(session, shop.resources)
            await collection.settle(await collection.payments.payment(older["id"]), Outcome("succeeded"))

    work = [
        lambda: payer.post(pay_path(owed), {}),
        lambda: unattended.retry(parse_id("inv", owed)),
        is_confirmed,
        lambda: keeper.post(f"/v1/invoices/{owed}/void"),
        lambda: credit(owed, 400),
    ]
    answers = await asyncio.gather(*(each() for each in (*work[first:], *work[:first], *work)))
    assert not [each for each in answers if isinstance(each, httpx.Response) and each.status_code >= 500]
    await settle(owed)
    (invoice,) = await rows("SELECT * FROM invoices WHERE id = $1", parse_id("inv", owed))
    assert invoice["status"] in {"paid", "void"}
    payments = await rows("SELECT * FROM payments WHERE invoice_id = $1", invoice["id"])
    assert {payment["status"] for payment in payments} == {"succeeded"}
    # Whatever it did not need is the customer's.
    late = "SELECT amount_minor FROM balance_transactions WHERE customer_id = $1 AND kind = 'payment_succeeded_late'"
    not_needed = sum(each["amount_minor"] for each in await rows(late, invoice["customer_id"]))
    assert sum(payment["amount_minor"] for payment in payments) == invoice["amount_paid_minor"] + not_needed
    await balanced(subscription["customer_id"])


async def test_an_answer_that_is_lost_on_its_way_never_leads_to_a_second_charge(
    payer, subscription, owed, charges, settle, balanced
):
    lost = {"payment_method_id": await payer.add_card("pm_sandbox_timeout_then_ok")}
    responses = [await payer.post(pay_path(owed), lost)]
    responses += await asyncio.gather(*(payer.post(pay_path(owed), {}) for _ in range(SOME)))
    assert Counter(map(problem, responses)) == {(409, "payment_in_progress"): SOME + 1}
    assert await charges(owed) == [("processing", "succeeded")]
    await settle(owed)
    assert await charges(owed) == [("succeeded", "succeeded")]
    await balanced(subscription["customer_id"])


@pytest.mark.parametrize("failure", [Unavailable, ConnectionResetError, TimeoutError])
@pytest.mark.parametrize("has_charged", [True, False])
async def test_a_provider_that_is_gone_in_the_middle_never_leads_to_a_second_charge(
    payer, subscription, owed, charges, settle, balanced, monkeypatch, has_charged, failure
):
    charge = Sandbox.charge

    async def breaking(self, payment_id, **asked):
        if has_charged:
            await charge(self, payment_id, **asked)
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, "charge", breaking)
        await payer.post(pay_path(owed), {}, key="one")
        responses = await asyncio.gather(*(payer.post(pay_path(owed), {}) for _ in range(SOME)))
        assert {problem(each) for each in responses} == {(409, "payment_in_progress")}
    assert await charges(owed) == [("processing", "succeeded" if has_charged else None)]
    await asyncio.gather(payer.post(pay_path(owed), {}, key="one"), settle(owed))
    assert await charges(owed) == [("succeeded", "succeeded")]
    await balanced(subscription["customer_id"])
