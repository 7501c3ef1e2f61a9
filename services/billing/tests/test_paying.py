"""Paying an invoice over HTTP: what is answered, and that nobody is charged twice."""

import asyncio
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

from billing.collection.dependencies import build
from billing.invoices.rules import Item
from core.ids import format_id, parse_id
from core.testing import problem


def pay_path(subscription):
    return f"/v1/invoices/{subscription['latest_invoice']['id']}/pay"


async def test_a_card_that_works_pays_the_invoice_and_activates_the_subscription(unpaid, on_record):
    buyer, subscription = unpaid
    good = await buyer.add_card()
    response = await buyer.post(pay_path(subscription), {"payment_method_id": good})
    invoice = response.json()
    assert (response.status_code, invoice["status"], invoice["last_payment"]["status"]) == (200, "paid", "succeeded")
    assert invoice["amount_remaining"]["amount"] == 0
    read = (await buyer.get(f"/v1/subscriptions/{subscription['id']}")).json()
    assert (read["status"], read["latest_invoice"]) == ("active", invoice)
    assert (await on_record(buyer))["charges"].count("succeeded") == 1


async def test_the_default_card_is_charged_unless_another_is_named(unpaid):
    buyer, subscription = unpaid
    await buyer.add_card(default=True)
    assert (await buyer.post(pay_path(subscription))).json()["status"] == "paid"


async def test_a_decline_is_answered_402_and_stays_on_record(unpaid, on_record):
    buyer, subscription = unpaid
    lost = await buyer.add_card("pm_card_visa_chargeDeclinedLostCard")
    response = await buyer.post(pay_path(subscription), {"payment_method_id": lost})
    assert problem(response) == (402, "payment_failed")
    assert "lost_card" in response.json()["detail"]
    invoice = (await buyer.get(f"/v1/invoices/{subscription['latest_invoice']['id']}")).json()
    assert (invoice["status"], invoice["last_payment"]["decline_code"]) == ("open", "lost_card")
    assert (await on_record(buyer))["payments"] == ["failed", "failed"]


async def test_a_decline_is_answered_again_under_its_key(unpaid, on_record):
    buyer, subscription = unpaid
    first = await buyer.post(pay_path(subscription), {}, key="one")
    again = await buyer.post(pay_path(subscription), {}, key="one")
    assert problem(first) == (402, "payment_failed")
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert (await on_record(buyer))["charges"] == ["failed", "failed"]


async def test_a_bank_that_wants_confirmation_is_answered_402(unpaid):
    buyer, subscription = unpaid
    careful = await buyer.add_card("pm_card_authenticationRequired")
    response = await buyer.post(pay_path(subscription), {"payment_method_id": careful})
    assert problem(response) == (402, "payment_action_required")


async def test_a_card_that_fails_twice_pays_the_third_time(buyer, price):
    await buyer.add_card("pm_sandbox_fail_n_2")
    subscription = await buyer.subscribe(price)
    assert subscription["status"] == "incomplete"
    assert problem(await buyer.post(pay_path(subscription))) == (402, "payment_failed")
    assert (await buyer.post(pay_path(subscription))).json()["status"] == "paid"


async def test_a_paid_invoice_is_not_paid_again(payer, price, on_record):
    subscription = await payer.subscribe(price)
    assert problem(await payer.post(pay_path(subscription))) == (409, "invalid_transition")
    assert (await on_record(payer))["charges"].count("succeeded") == 1


async def test_a_payment_whose_outcome_is_not_known_bars_another(buyer, price, on_record):
    await buyer.add_card("pm_sandbox_async_ok")
    subscription = await buyer.subscribe(price)
    assert subscription["latest_invoice"]["last_payment"]["status"] == "processing"
    good = await buyer.add_card()
    response = await buyer.post(pay_path(subscription), {"payment_method_id": good})
    assert problem(response) == (409, "payment_in_progress")
    assert (await on_record(buyer))["charges"] == ["unknown"]


async def test_an_outcome_that_is_not_known_is_answered_409(unpaid):
    buyer, subscription = unpaid
    late = await buyer.add_card("pm_sandbox_async_ok")
    response = await buyer.post(pay_path(subscription), {"payment_method_id": late})
    assert problem(response) == (409, "payment_in_progress")


async def test_twenty_payments_of_one_invoice_at_once_charge_once(unpaid, on_record):
    buyer, subscription = unpaid
    good = await buyer.add_card()
    body = {"payment_method_id": good}
    responses = await asyncio.gather(*(buyer.post(pay_path(subscription), body) for _ in range(20)))
    assert Counter(response.status_code for response in responses) == {200: 1, 409: 19}
    codes = {problem(response)[1] for response in responses if response.status_code == 409}
    assert codes <= {"payment_in_progress", "invalid_transition"}
    assert (await on_record(buyer))["charges"].count("succeeded") == 1


async def test_the_invoice_of_somebody_else_is_not_found(unpaid, payer, on_record):
    buyer, subscription = unpaid
    assert problem(await payer.post(pay_path(subscription))) == (404, "invoice_not_found")
    assert (await on_record(buyer))["charges"] == ["failed"]


async def test_what_is_not_there_is_not_found(unpaid, payer):
    buyer, subscription = unpaid
    unknown = "/v1/invoices/inv_00000000000000000000000000/pay"
    assert problem(await buyer.post(unknown)) == (404, "invoice_not_found")
    assert problem(await buyer.post("/v1/invoices/sub_00000000000000000000000000/pay")) == (404, "not_found")
    theirs = {"payment_method_id": await payer.add_card()}
    assert problem(await buyer.post(pay_path(subscription), theirs)) == (404, "payment_method_not_found")


@pytest.fixture
def invoice_for(shop):
    """`await invoice_for(buyer, subscription_id)`: one more invoice, as the biller will issue it; its path."""

    async def issue(buyer, subscription_id=None):
        now = shop.clock.now()
        item = Item(
            description="One more",
            quantity=Decimal(1),
            unit_amount=Decimal(500),
            tax_rate=Decimal(0),
            period_start=now,
            period_end=now + timedelta(days=30),
        )
        async with shop.resources.database.transaction() as session:
            collection = build(session, shop.resources)
            customer = await collection.customers.of_user(parse_id("usr", buyer.subject))
            invoice = await collection.invoices.issue(
                customer, [item], currency="EUR", subscription_id=subscription_id, reason="manual"
            )
        return f"/v1/invoices/{format_id('inv', invoice.id)}/pay"

    return issue


async def test_an_invoice_without_a_subscription_is_paid_like_any_other(payer, invoice_for):
    invoice = (await payer.post(await invoice_for(payer))).json()
    assert (invoice["status"], invoice["subscription_id"]) == ("paid", None)


async def test_a_later_invoice_leaves_an_active_subscription_active(payer, price, invoice_for, rows):
    subscription = await payer.subscribe(price)
    path = await invoice_for(payer, parse_id("sub", subscription["id"]))
    waiting = (await payer.get(f"/v1/subscriptions/{subscription['id']}")).json()
    assert waiting["latest_invoice"]["status"] == "open"
    assert (await payer.post(path)).json()["status"] == "paid"
    announced = await rows("SELECT type FROM outbox WHERE subject = $1 ORDER BY position", subscription["id"])
    assert [event["type"] for event in announced] == ["subscription.created", "subscription.activated"]


async def test_an_unknown_field_is_refused(unpaid):
    buyer, subscription = unpaid
    assert problem(await buyer.post(pay_path(subscription), {"amount": 1})) == (422, "validation_failed")


async def test_paying_needs_an_idempotency_key(unpaid):
    buyer, subscription = unpaid
    assert problem(await buyer.post(pay_path(subscription), {}, key=None)) == (400, "idempotency_key_required")
