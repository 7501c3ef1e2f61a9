"""Subscribing over HTTP: from a price to a paid, numbered invoice, and every way in which it is refused."""

import re
from datetime import UTC, datetime

import pytest

from core.ids import parse_id
from core.testing import problem


def euro(amount):
    return {"amount": amount, "currency": "EUR"}


@pytest.fixture
async def bought(payer, make_price, clock):
    """Three pieces at 12.345 EUR, bought at noon on the last day of a January."""
    clock.current = datetime(2024, 1, 31, 12, tzinfo=UTC)
    price = await make_price(unit_amount="1234.5", tax_rate="0.21")
    return payer, price, await payer.subscribe(price, quantity=3)


async def test_a_subscription_runs_from_now_to_the_same_day_of_the_next_month(bought):
    payer, price, subscription = bought
    assert subscription == {
        "id": subscription["id"],
        "status": "active",
        "customer_id": (await payer.get("/v1/customers/me")).json()["id"],
        "plan_id": price["plan_id"],
        "price_id": price["id"],
        "quantity": 3,
        "payment_method_id": None,
        "billing_cycle_anchor": "2024-01-31T12:00:00Z",
        "current_period_start": "2024-01-31T12:00:00Z",
        "current_period_end": "2024-02-29T12:00:00Z",
        "cancel_at_period_end": False,
        "next_price_id": None,
        "next_quantity": None,
        "ended_at": None,
        "created_at": "2024-01-31T12:00:00Z",
        "latest_invoice": subscription["latest_invoice"],
    }


async def test_its_first_invoice_is_numbered_and_paid_and_its_totals_are_right(bought):
    _, _, subscription = bought
    invoice = subscription["latest_invoice"]
    instant, end = "2024-01-31T12:00:00Z", "2024-02-29T12:00:00Z"
    assert re.fullmatch(r"INV-2024-\d{6}", invoice["number"])
    # 3 times 1234.5 = 3703.5, half away from zero 3704; 21 % of it 777.84.
    assert invoice == {
        "id": invoice["id"],
        "number": invoice["number"],
        "status": "paid",
        "currency": "EUR",
        "subtotal": euro(3704),
        "taxes": [{"rate": "0.21", "base": euro(3704), "amount": euro(778)}],
        "total": euro(4482),
        "amount_due": euro(4482),
        "amount_paid": euro(4482),
        "amount_remaining": euro(0),
        "lines": invoice["lines"],
        "customer_id": subscription["customer_id"],
        "subscription_id": subscription["id"],
        "period_start": instant,
        "period_end": end,
        "created_at": instant,
        "finalized_at": instant,
        "due_at": instant,
        "paid_at": instant,
        "last_payment": {"id": invoice["last_payment"]["id"], "status": "succeeded", "decline_code": None},
    }


async def test_its_line_says_what_was_bought_for_which_period(bought):
    _, _, subscription = bought
    (line,) = subscription["latest_invoice"]["lines"]
    assert line == {
        "id": line["id"],
        "description": "Team",
        "quantity": "3",
        "unit_amount": "1234.5",
        "net": euro(3704),
        "tax_rate": "0.21",
        "tax": euro(778),
        "proration": False,
        "period_start": "2024-01-31T12:00:00Z",
        "period_end": "2024-02-29T12:00:00Z",
    }


async def test_the_total_is_charged_once(bought, rows):
    _, _, subscription = bought
    payment_id = parse_id("pay", subscription["latest_invoice"]["last_payment"]["id"])
    charged = "SELECT amount_minor, currency, status FROM sandbox_charges WHERE payment_id = $1"
    assert await rows(charged, payment_id) == [{"amount_minor": 4482, "currency": "EUR", "status": "succeeded"}]


async def test_what_was_answered_is_what_is_read(payer, price):
    subscription = await payer.subscribe(price)
    invoice = subscription["latest_invoice"]
    assert (await payer.get(f"/v1/subscriptions/{subscription['id']}")).json() == subscription
    assert (await payer.get("/v1/subscriptions")).json()["data"] == [subscription]
    assert (await payer.get(f"/v1/invoices/{invoice['id']}")).json() == invoice
    assert (await payer.get("/v1/invoices")).json()["data"] == [invoice]


async def test_each_change_of_state_is_announced_once_in_order(payer, price, rows):
    subscription = await payer.subscribe(price)
    invoice_id = subscription["latest_invoice"]["id"]
    payment_id = subscription["latest_invoice"]["last_payment"]["id"]
    subjects = [subscription["customer_id"], subscription["id"], invoice_id, payment_id]
    announced = "SELECT type, subject, sequence FROM outbox WHERE subject = ANY($1) ORDER BY position"
    assert [tuple(event.values()) for event in await rows(announced, subjects)] == [
        ("customer.created", subscription["customer_id"], 1),
        ("subscription.created", subscription["id"], 1),
        ("invoice.finalized", invoice_id, 1),
        ("payment.processing", payment_id, 1),
        ("payment.succeeded", payment_id, 2),
        ("invoice.paid", invoice_id, 2),
        ("subscription.activated", subscription["id"], 2),
    ]


async def test_a_buyer_and_a_seller_stand_on_the_invoice(payer, price, rows):
    subscription = await payer.subscribe(price)
    invoice_id = parse_id("inv", subscription["latest_invoice"]["id"])
    (invoice,) = await rows("SELECT seller::text, buyer::text FROM invoices WHERE id = $1", invoice_id)
    assert "Example Ltd" in invoice["seller"]
    assert subscription["customer_id"] in invoice["buyer"]


DECLINES = {
    "pm_card_visa_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_visa_chargeDeclinedLostCard": "lost_card",
    "pm_card_chargeCustomerFail": "generic_decline",
}


async def test_a_declined_card_leaves_the_subscription_incomplete_and_the_invoice_open(person, price, subtests):
    for card, decline_code in DECLINES.items():
        with subtests.test(card=card):
            buyer = person()
            await buyer.add_card(card)
            subscription = await buyer.subscribe(price)
            invoice, payment = subscription["latest_invoice"], subscription["latest_invoice"]["last_payment"]
            assert (subscription["status"], invoice["status"]) == ("incomplete", "open")
            assert invoice["amount_remaining"] == euro(1000)
            assert (payment["status"], payment["decline_code"]) == ("failed", decline_code)


async def test_a_card_that_wants_its_owner_to_confirm_says_so(buyer, price):
    await buyer.add_card("pm_card_authenticationRequired")
    subscription = await buyer.subscribe(price)
    assert subscription["status"] == "incomplete"
    assert subscription["latest_invoice"]["last_payment"]["status"] == "requires_action"


async def test_a_named_method_is_charged_and_kept(buyer, price):
    await buyer.add_card("pm_card_visa_chargeDeclined")
    good = await buyer.add_card()
    subscription = await buyer.subscribe(price, payment_method_id=good)
    assert (subscription["status"], subscription["payment_method_id"]) == ("active", good)


async def test_what_costs_nothing_needs_no_payment_method_and_no_posting(buyer, make_price, rows):
    subscription = await buyer.subscribe(await make_price(unit_amount="0"))
    invoice = subscription["latest_invoice"]
    assert (subscription["status"], invoice["status"], invoice["total"]) == ("active", "paid", euro(0))
    assert invoice["number"].startswith("INV-")
    assert invoice["last_payment"] is None
    assert await rows("SELECT 1 FROM ledger_transactions WHERE source = $1", invoice["id"]) == []


async def test_a_trial_begins_without_an_invoice(buyer, make_price, clock, rows):
    clock.current = datetime(2024, 2, 1, tzinfo=UTC)
    subscription = await buyer.subscribe(await make_price(trial_days=14))
    assert (subscription["status"], subscription["latest_invoice"]) == ("trialing", None)
    assert subscription["current_period_end"] == "2024-02-15T00:00:00Z"
    assert (await buyer.get("/v1/invoices")).json()["data"] == []
    assert (await buyer.get(f"/v1/subscriptions/{subscription['id']}")).json() == subscription
    announced = "SELECT type, data ->> 'status' AS status FROM outbox WHERE subject = $1"
    assert await rows(announced, subscription["id"]) == [{"type": "subscription.created", "status": "trialing"}]


async def test_a_yearly_price_runs_for_a_year(payer, make_price, clock):
    clock.current = datetime(2024, 2, 29, tzinfo=UTC)
    subscription = await payer.subscribe(await make_price(interval="year", model="flat"))
    assert subscription["current_period_end"] == "2025-02-28T00:00:00Z"


async def test_a_plan_is_subscribed_to_once(payer, price, make_price):
    await payer.subscribe(price)
    response = await payer.post("/v1/subscriptions", {"price_id": price["id"]})
    assert problem(response) == (409, "already_subscribed")
    assert (await payer.subscribe(await make_price()))["status"] == "active"


async def test_a_subscription_that_waits_for_its_payment_counts_too(unpaid, price):
    buyer, _ = unpaid
    response = await buyer.post("/v1/subscriptions", {"price_id": price["id"]})
    assert problem(response) == (409, "already_subscribed")


async def test_without_a_payment_method_nothing_begins(buyer, price, on_record):
    response = await buyer.post("/v1/subscriptions", {"price_id": price["id"]})
    assert problem(response) == (409, "payment_method_required")
    assert await on_record(buyer) == {"subscriptions": [], "invoices": [], "payments": [], "charges": []}


async def test_the_first_purchase_settles_the_currency_of_the_account(payer, price, make_price):
    await payer.subscribe(price)
    assert (await payer.get("/v1/customers/me")).json()["currency"] == "EUR"
    dollars = await make_price(currency="USD")
    response = await payer.post("/v1/subscriptions", {"price_id": dollars["id"]})
    assert problem(response) == (409, "currency_mismatch")


async def test_a_flat_price_is_bought_once(payer, make_price):
    flat = await make_price(model="flat")
    response = await payer.post("/v1/subscriptions", {"price_id": flat["id"], "quantity": 2})
    assert problem(response) == (422, "quantity_not_allowed")
    assert response.json()["errors"][0]["pointer"] == "#/quantity"


async def test_what_is_not_there_or_not_ones_own_is_not_found(payer, buyer, price):
    theirs = await buyer.add_card()
    unknown = "price_00000000000000000000000000"
    for body, code in [
        ({"price_id": unknown}, "price_not_found"),
        ({"price_id": price["id"], "payment_method_id": theirs}, "payment_method_not_found"),
    ]:
        assert problem(await payer.post("/v1/subscriptions", body)) == (404, code)


async def test_the_subscriptions_and_invoices_of_others_are_not_found(payer, buyer, price):
    subscription = await payer.subscribe(price)
    path = f"/v1/subscriptions/{subscription['id']}"
    assert problem(await buyer.get(path)) == (404, "subscription_not_found")
    path = f"/v1/invoices/{subscription['latest_invoice']['id']}"
    assert problem(await buyer.get(path)) == (404, "invoice_not_found")
    assert (await buyer.get("/v1/subscriptions")).json()["data"] == []
    assert (await buyer.get("/v1/invoices")).json()["data"] == []


async def test_who_keeps_the_books_reads_everybodys_subscriptions(payer, price, keeper, machine, shop):
    subscription = await payer.subscribe(price)
    path = f"/v1/subscriptions/{subscription['id']}"
    clerk = shop.person("billing:read", kind="svc")
    for reader in (keeper, clerk):
        assert (await reader.get(path)).json() == subscription
        listed = await reader.get("/v1/subscriptions", customer_id=subscription["customer_id"])
        assert listed.json()["data"] == [subscription]
    everything = (await keeper.get("/v1/subscriptions", limit=1)).json()
    assert len(everything["data"]) == 1
    assert problem(await machine.get(path)) == (403, "not_a_user")


async def test_to_ask_for_somebody_elses_finds_nothing(payer, buyer, price):
    subscription = await payer.subscribe(price)
    theirs = {"customer_id": subscription["customer_id"]}
    assert (await payer.get("/v1/subscriptions", **theirs)).json()["data"] == [subscription]
    assert (await buyer.get("/v1/subscriptions", **theirs)).json()["data"] == []


async def test_lists_have_pages(payer, make_price):
    made = [await payer.subscribe(await make_price()) for _ in range(3)]
    for path, expected in [
        ("/v1/subscriptions", [subscription["id"] for subscription in made]),
        ("/v1/invoices", [subscription["latest_invoice"]["id"] for subscription in made]),
    ]:
        first = (await payer.get(path, limit=2)).json()
        second = (await payer.get(path, limit=2, cursor=first["next_cursor"])).json()
        assert [row["id"] for row in first["data"] + second["data"]] == expected
        assert second["next_cursor"] is None
        assert problem(await payer.get("/v1/plans", cursor=first["next_cursor"])) == (422, "invalid_cursor")
        assert problem(await payer.get(path, customer="me")) == (422, "validation_failed")


REFUSED = [
    ({"price_id": "prod_123"}, "#/price_id"),
    ({"quantity": 0}, "#/quantity"),
    ({"quantity": 1.5}, "#/quantity"),
    ({"quantity": "2"}, "#/quantity"),
    ({"quantity": 100_001}, "#/quantity"),
    ({"payment_method_id": "pm_card_visa"}, "#/payment_method_id"),
    ({"coupon": "FREE"}, "#/coupon"),
]


async def test_a_subscription_that_cannot_be_is_refused_by_name(payer, price, subtests):
    for change, pointer in REFUSED:
        with subtests.test(change=change):
            response = await payer.post("/v1/subscriptions", {"price_id": price["id"]} | change)
            assert problem(response) == (422, "validation_failed")
            assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
