"""Changing a subscription over HTTP: what is given back and charged, when, and every way in which it is refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.ids import parse_id
from core.testing import problem

START = datetime(2025, 6, 1, tzinfo=UTC)
MIDDLE = datetime(2025, 6, 16, tzinfo=UTC)


@pytest.fixture
def subscribed(payer, make_price, clock):
    """`await subscribed("1000")`: a subscription since the beginning of a June, in whose midst it is now."""

    async def make(unit_amount="1000", *, now=MIDDLE, quantity=1, **terms):
        clock.current = START
        subscription = await payer.subscribe(await make_price(unit_amount=unit_amount, **terms), quantity=quantity)
        clock.current = now
        return subscription

    return make


@pytest.fixture
def change(payer):
    """`await change(subscription, price_id=…)`: the subscription as it is after a change that is made."""

    async def run(subscription, **body):
        response = await payer.patch(path(subscription), body)
        assert response.status_code == 200, response.text
        return response.json()

    return run


@pytest.fixture
def refused(payer):
    """`await refused(subscription, price_id=…)`: how a change is refused, which then has changed nothing."""

    async def run(subscription, *, if_match="*", **body):
        before = (await payer.get(path(subscription))).json()
        response = await payer.patch(path(subscription), body, if_match=if_match)
        assert (await payer.get(path(subscription))).json() == before
        return problem(response)

    return run


def path(subscription):
    return f"/v1/subscriptions/{subscription['id']}"


def nets(invoice):
    return [line["net"]["amount"] for line in invoice["lines"]]


TABLE = [
    pytest.param("10", "20", MIDDLE, [-5, 10], id="10 to 20 at exactly half the period (docs.stripe.com)"),
    pytest.param("1000", "2000", MIDDLE, [-500, 1000], id="the same in cents"),
    pytest.param("500", "2000", START + timedelta(seconds=86_400), [-483, 1933], id="Polar's documentation"),
    pytest.param("10000", "30000", MIDDLE, [-5000, 15000], id="Polar's tests, 16 June"),
    pytest.param("10000", "30000", datetime(2025, 6, 11, tzinfo=UTC), [-6667, 20000], id="Polar's tests, 11 June"),
]


@pytest.mark.parametrize(("before", "after", "at", "lines"), TABLE)
async def test_the_rest_is_given_back_and_charged_at_once(
    subscribed, change, payer, make_price, before, after, at, lines
):
    subscription = await subscribed(before, now=at)
    price = await make_price(unit_amount=after)
    body = {"subscription_id": subscription["id"], "price_id": price["id"], "proration": "invoice_now"}
    preview = (await payer.post("/v1/invoices/preview", body, key=None)).json()
    changed = await change(subscription, price_id=price["id"], proration="invoice_now", effective="now")
    invoice = changed["latest_invoice"]
    assert nets(preview) == nets(invoice) == lines
    assert preview["total"] == invoice["total"] == {"amount": sum(lines), "currency": "EUR"}
    assert all(line["proration"] for line in invoice["lines"])
    assert {(line["period_start"], line["period_end"]) for line in invoice["lines"]} == {
        (at.isoformat().replace("+00:00", "Z"), "2025-07-01T00:00:00Z")
    }
    assert (invoice["status"], invoice["amount_paid"]) == ("paid", invoice["total"])
    assert (changed["status"], changed["price_id"], changed["plan_id"]) == ("active", price["id"], price["plan_id"])
    assert changed["current_period_end"] == subscription["current_period_end"]


async def test_quantity_is_prorated_like_a_price(subscribed, change):
    subscription = await subscribed("1000", quantity=2, tax_rate="0.21")
    changed = await change(subscription, quantity=5)
    invoice = changed["latest_invoice"]
    assert (changed["quantity"], nets(invoice)) == (5, [-1000, 2500])
    # 21 % of 1500, once.
    assert (invoice["taxes"][0]["amount"]["amount"], invoice["total"]["amount"]) == (315, 1815)
    assert [line["description"] for line in invoice["lines"]] == ["Unused time on Team", "Remaining time on 5 x Team"]
    assert [line["quantity"] for line in invoice["lines"]] == ["-1", "1"]


async def test_what_is_given_back_is_what_was_paid_last(subscribed, change, make_price, clock):
    subscription = await subscribed("3000")
    await change(subscription, price_id=(await make_price(unit_amount="6000"))["id"])
    clock.current = datetime(2025, 6, 26, tzinfo=UTC)
    changed = await change(subscription, price_id=(await make_price(unit_amount="900"))["id"])
    # Of the 3000 paid for the second half of June, a third; of 900 a month, a sixth.
    assert nets(changed["latest_invoice"]) == [-1000, 150]


async def test_what_is_given_back_is_taxed_as_it_was(subscribed, change, make_price):
    subscription = await subscribed("1000", tax_rate="0.21")
    changed = await change(subscription, price_id=(await make_price(unit_amount="2000", tax_rate="0.09"))["id"])
    taxes = [
        (tax["rate"], tax["base"]["amount"], tax["amount"]["amount"]) for tax in changed["latest_invoice"]["taxes"]
    ]
    assert taxes == [("0.09", 1000, 90), ("0.21", -500, -105)]


async def test_what_is_more_than_is_charged_goes_to_the_balance_and_pays_what_follows(
    subscribed, change, make_price, clock, next_period, payer, rows
):
    subscription = await subscribed("10000")
    changed = await change(subscription, price_id=(await make_price(unit_amount="4000"))["id"])
    invoice = changed["latest_invoice"]
    assert (nets(invoice), invoice["status"]) == ([-5000, 2000], "paid")
    assert (invoice["total"]["amount"], invoice["amount_due"]["amount"]) == (-3000, 0)
    assert invoice["last_payment"] is None
    clock.current = datetime(2025, 7, 1, tzinfo=UTC)
    await next_period(subscription)
    following = (await payer.get(path(subscription))).json()["latest_invoice"]
    assert (following["total"]["amount"], following["amount_due"]["amount"]) == (4000, 1000)
    customer_id = parse_id("cus", subscription["customer_id"])
    assert await rows("SELECT balance_minor FROM customers WHERE id = $1", customer_id) == [{"balance_minor": 0}]


async def test_the_next_invoice_has_what_was_put_off_until_then(
    subscribed, change, make_price, clock, next_period, payer
):
    subscription = await subscribed("1000")
    price = await make_price(unit_amount="2000")
    changed = await change(subscription, price_id=price["id"], proration="next_invoice")
    assert changed["price_id"] == price["id"]
    assert changed["latest_invoice"]["id"] == subscription["latest_invoice"]["id"]
    clock.current = datetime(2025, 7, 1, tzinfo=UTC)
    await next_period(subscription)
    invoice = (await payer.get(path(subscription))).json()["latest_invoice"]
    assert nets(invoice) == [-500, 1000, 2000]
    assert [line["proration"] for line in invoice["lines"]] == [True, True, False]
    clock.current = datetime(2025, 8, 1, tzinfo=UTC)
    await next_period(subscription)
    assert nets((await payer.get(path(subscription))).json()["latest_invoice"]) == [2000]


async def test_an_invoice_now_has_what_was_put_off_too(subscribed, change):
    subscription = await subscribed("1000")
    await change(subscription, quantity=2, proration="next_invoice")
    changed = await change(subscription, quantity=3)
    assert nets(changed["latest_invoice"]) == [-500, 1000, -1000, 1500]


async def test_so_many_changes_wait_for_the_next_invoice_and_no_more(subscribed, change, refused, monkeypatch):
    monkeypatch.setattr("billing.subscriptions.service.quoting.PENDING_MAX", 4)
    subscription = await subscribed("1000")
    for quantity in (2, 3):
        await change(subscription, quantity=quantity, proration="next_invoice")
    assert await refused(subscription, quantity=4, proration="next_invoice") == (409, "too_many_changes")
    changed = await change(subscription, quantity=4)
    assert len(changed["latest_invoice"]["lines"]) == 6
    await change(subscription, quantity=5, proration="next_invoice")


async def test_without_proration_the_next_period_is_the_first_to_cost_more(
    subscribed, change, clock, next_period, payer
):
    subscription = await subscribed("1000")
    changed = await change(subscription, quantity=3, proration="none")
    assert (changed["quantity"], changed["latest_invoice"]["id"]) == (3, subscription["latest_invoice"]["id"])
    # Nobody has paid for three pieces this month: it is the price of one that is given back.
    changed = await change(subscription, quantity=2)
    assert nets(changed["latest_invoice"]) == [-500, 1000]
    clock.current = datetime(2025, 7, 1, tzinfo=UTC)
    await next_period(subscription)
    assert nets((await payer.get(path(subscription))).json()["latest_invoice"]) == [2000]


async def test_another_interval_begins_a_period_of_its_own(subscribed, change, make_price):
    subscription = await subscribed("1000")
    yearly = await make_price(unit_amount="10000", interval="year")
    changed = await change(subscription, price_id=yearly["id"])
    assert nets(changed["latest_invoice"]) == [-500, 10000]
    assert [line["proration"] for line in changed["latest_invoice"]["lines"]] == [True, False]
    assert (changed["current_period_start"], changed["current_period_end"]) == (
        "2025-06-16T00:00:00Z",
        "2026-06-16T00:00:00Z",
    )
    assert changed["billing_cycle_anchor"] == "2025-06-16T00:00:00Z"


async def test_another_interval_without_proration_gives_nothing_back(subscribed, change, make_price):
    yearly = await make_price(unit_amount="10000", interval="year")
    changed = await change(await subscribed("1000"), price_id=yearly["id"], proration="none")
    assert nets(changed["latest_invoice"]) == [10000]


async def test_another_interval_is_not_put_off_until_the_next_invoice(subscribed, refused, make_price):
    yearly = await make_price(interval="year")
    refusal = await refused(await subscribed(), price_id=yearly["id"], proration="next_invoice")
    assert refusal == (422, "proration_not_allowed")


async def test_a_change_at_the_end_of_the_period_is_charged_with_the_next_one(
    subscribed, change, make_price, clock, next_period, payer
):
    subscription = await subscribed("1000")
    price = await make_price(unit_amount="400")
    changed = await change(subscription, price_id=price["id"], quantity=2, effective="period_end")
    assert (changed["price_id"], changed["quantity"]) == (subscription["price_id"], 1)
    assert (changed["next_price_id"], changed["next_quantity"]) == (price["id"], 2)
    assert changed["latest_invoice"]["id"] == subscription["latest_invoice"]["id"]
    changed = await change(subscription, quantity=3, effective="period_end")
    assert (changed["next_price_id"], changed["next_quantity"]) == (price["id"], 3)
    clock.current = datetime(2025, 7, 1, tzinfo=UTC)
    await next_period(subscription)
    renewed = (await payer.get(path(subscription))).json()
    assert (renewed["price_id"], renewed["quantity"], renewed["next_price_id"]) == (price["id"], 3, None)
    assert nets(renewed["latest_invoice"]) == [1200]


async def test_a_change_now_takes_back_what_was_planned(subscribed, change):
    subscription = await subscribed("1000")
    await change(subscription, quantity=5, effective="period_end")
    changed = await change(subscription, quantity=2)
    assert (changed["quantity"], changed["next_price_id"], changed["next_quantity"]) == (2, None, None)
    await change(subscription, quantity=5, effective="period_end")
    # So does one to what there is now, for which nothing is charged.
    unplanned = await change(subscription, quantity=2)
    assert (unplanned["next_quantity"], unplanned["latest_invoice"]) == (None, changed["latest_invoice"])


async def test_a_change_is_told_once_and_no_change_is_not_told(subscribed, change, rows):
    subscription = await subscribed("1000")
    for body in ({}, {"quantity": 1}, {"price_id": subscription["price_id"], "effective": "period_end"}):
        assert (await change(subscription, **body))["latest_invoice"] == subscription["latest_invoice"]
    await change(subscription, quantity=2)
    await change(subscription, quantity=3, effective="period_end")
    told = "SELECT type, data ->> 'quantity' AS quantity FROM outbox WHERE subject = $1 ORDER BY sequence"
    assert [tuple(row.values()) for row in await rows(told, subscription["id"])] == [
        ("subscription.created", "1"),
        ("subscription.activated", "1"),
        ("subscription.updated", "2"),
        ("subscription.updated", "2"),
    ]


async def test_nothing_asked_for_leaves_what_is_planned(subscribed, change):
    subscription = await subscribed("1000")
    planned = await change(subscription, quantity=5, effective="period_end")
    assert await change(subscription) == planned


async def test_a_change_in_a_trial_costs_nothing_and_leaves_its_end(buyer, make_price, clock):
    clock.current = START
    subscription = await buyer.subscribe(await make_price(trial_days=14))
    yearly = await make_price(unit_amount="10000", interval="year")
    body = {"price_id": yearly["id"], "proration": "next_invoice"}
    changed = (await buyer.patch(path(subscription), body)).json()
    assert (changed["status"], changed["price_id"], changed["latest_invoice"]) == ("trialing", yearly["id"], None)
    assert changed["current_period_end"] == subscription["current_period_end"]


async def test_a_declined_charge_leaves_the_change_and_what_is_owed(subscribed, payer, change, rows):
    subscription = await subscribed("1000")
    await payer.add_card("pm_card_chargeCustomerFail", default=True)
    changed = await change(subscription, quantity=3)
    assert (changed["status"], changed["quantity"]) == ("past_due", 3)
    assert (changed["latest_invoice"]["status"], changed["latest_invoice"]["amount_remaining"]["amount"]) == (
        "open",
        1000,
    )
    told = "SELECT type FROM outbox WHERE subject = $1 AND sequence > 2 ORDER BY sequence"
    assert [row["type"] for row in await rows(told, subscription["id"])] == [
        "subscription.updated",
        "subscription.past_due",
    ]


async def test_something_to_pay_with_is_needed_where_something_is_due(buyer, make_price, clock):
    clock.current = START
    subscription = await buyer.subscribe(await make_price(unit_amount="0"))
    dear, free = await make_price(unit_amount="1000"), await make_price(unit_amount="0")
    response = await buyer.patch(path(subscription), {"price_id": dear["id"]})
    assert problem(response) == (409, "payment_method_required")
    assert (await buyer.get(path(subscription))).json() == subscription
    assert (await buyer.patch(path(subscription), {"price_id": free["id"]})).status_code == 200
    later = await buyer.patch(path(subscription), {"price_id": dear["id"], "proration": "next_invoice"})
    assert later.status_code == 200


async def test_an_instant_of_the_past_is_computed_with(subscribed, change, clock):
    subscription = await subscribed("1000", now=datetime(2025, 6, 16, 0, 59, tzinfo=UTC))
    changed = await change(subscription, quantity=2, proration_at="2025-06-16T02:00:00+02:00")
    assert nets(changed["latest_invoice"]) == [-500, 1000]


async def test_what_was_used_for_long_is_not_given_back(subscribed, refused, change):
    subscription = await subscribed("1000", now=datetime(2025, 6, 16, 1, tzinfo=UTC))
    assert await refused(subscription, quantity=2, proration_at="2025-06-15T23:59:59Z") == (422, "instant_not_covered")
    changed = await change(subscription, quantity=2, proration_at="2025-06-16T00:00:00Z")
    assert nets(changed["latest_invoice"]) == [-500, 1000]


async def test_an_instant_that_is_not_covered_is_refused(subscribed, refused, change):
    subscription = await subscribed("1000")
    for instant in ("2025-05-31T23:59:59Z", "2025-06-16T00:00:01Z", "2025-07-01T00:00:00Z"):
        assert await refused(subscription, quantity=2, proration_at=instant) == (422, "instant_not_covered")
    await change(subscription, quantity=2)
    # What was paid before is given back already.
    assert await refused(subscription, quantity=3, proration_at="2025-06-15T23:59:59Z") == (422, "instant_not_covered")
    assert nets((await change(subscription, quantity=3))["latest_invoice"]) == [-1000, 1500]


async def test_parts_of_a_second_cost_nothing(subscribed, change):
    # A thousand a second.
    subscription = await subscribed("2592000000", now=MIDDLE + timedelta(microseconds=999_999))
    assert nets((await change(subscription, quantity=2))["latest_invoice"]) == [-1_296_000_000, 2_592_000_000]


async def test_a_period_that_has_ended_is_not_computed_with(subscribed, refused, change, clock, next_period):
    subscription = await subscribed("1000", now=datetime(2025, 7, 1, tzinfo=UTC))
    assert await refused(subscription, quantity=2) == (409, "renewal_due")
    await next_period(subscription)
    assert nets((await change(subscription, quantity=2))["latest_invoice"]) == [-1000, 2000]


async def test_what_is_being_paid_is_not_given_back(subscribed, refused, clock, next_period, payer):
    subscription = await subscribed("1000", now=datetime(2025, 7, 1, tzinfo=UTC))
    await payer.add_card("pm_sandbox_async_ok", default=True)
    await next_period(subscription)
    assert await refused(subscription, quantity=2) == (409, "payment_in_progress")


async def test_what_cannot_be_subscribed_to_cannot_be_changed_to(subscribed, refused, payer, make_price):
    subscription = await subscribed()
    other = await make_price()
    await payer.subscribe(other)
    flat, dollars = await make_price(model="flat"), await make_price(currency="USD")
    for body, refusal in [
        ({"price_id": "price_00000000000000000000000000"}, (404, "price_not_found")),
        ({"price_id": other["id"]}, (409, "already_subscribed")),
        ({"price_id": other["id"], "effective": "period_end"}, (409, "already_subscribed")),
        ({"price_id": dollars["id"]}, (409, "currency_mismatch")),
        ({"price_id": flat["id"], "quantity": 2}, (422, "quantity_not_allowed")),
        ({"price_id": flat["id"], "quantity": 2, "effective": "period_end"}, (422, "quantity_not_allowed")),
    ]:
        assert await refused(subscription, **body) == refusal


async def test_a_plan_that_is_planned_is_subscribed_to_already(subscribed, change, payer, make_price):
    subscription, price = await subscribed(), await make_price()
    await change(subscription, price_id=price["id"], effective="period_end")
    assert problem(await payer.post("/v1/subscriptions", {"price_id": price["id"]})) == (409, "already_subscribed")
    await change(subscription, price_id=subscription["price_id"], effective="period_end")
    assert (await payer.subscribe(price))["status"] == "active"


async def test_only_the_version_that_was_seen_is_changed(subscribed, refused, payer):
    subscription = await subscribed()
    etag = (await payer.get(path(subscription))).headers["etag"]
    assert await refused(subscription, quantity=2, if_match=None) == (428, "precondition_required")
    assert await refused(subscription, quantity=2, if_match='"v1"') == (412, "precondition_failed")
    changed = await payer.patch(path(subscription), {"quantity": 2}, if_match=etag)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"v3"')
    assert (await payer.get(path(subscription))).headers["etag"] == '"v3"'
    assert await refused(subscription, quantity=3, if_match=etag) == (412, "precondition_failed")


async def test_a_new_subscription_has_its_version(payer, price):
    response = await payer.post("/v1/subscriptions", {"price_id": price["id"]})
    assert response.headers["etag"] == '"v2"'


async def test_the_subscriptions_of_others_are_not_changed(subscribed, buyer):
    subscription = await subscribed()
    assert problem(await buyer.patch(path(subscription), {"quantity": 2})) == (404, "subscription_not_found")


async def test_the_example_of_the_readme_is_what_is_charged(payer, make_price, change, clock, next_period):
    page = (Path(__file__).parents[1] / "README.md").read_text()
    shown = [row.strip("| ").split(" | ") for row in page.splitlines() if row.startswith("| 2025-0")]
    team = await make_price(unit_amount="3000", tax_rate="0.21")
    starter = await make_price(unit_amount="1000", tax_rate="0.21")
    charged, clock.current = [], START
    subscription = await payer.subscribe(team)
    changes = [{}, {"quantity": 3}, {"price_id": starter["id"], "quantity": 1}, {}]
    for (at, *_), body in zip(shown, changes, strict=True):
        clock.current = datetime.fromisoformat(at).replace(tzinfo=UTC)
        await next_period(subscription)
        invoice = (await change(subscription, **body))["latest_invoice"]
        amounts = ", ".join(map(str, nets(invoice))), invoice["total"]["amount"], invoice["amount_due"]["amount"]
        charged.append([str(amount) for amount in amounts])
    assert charged == [amounts for _, _, *amounts in shown]


MALFORMED = [
    ({"quantity": None}, "#/quantity"),
    ({"quantity": 0}, "#/quantity"),
    ({"price_id": "prod_1"}, "#/price_id"),
    ({"proration": "always"}, "#/proration"),
    ({"effective": "tomorrow"}, "#/effective"),
    ({"proration_at": "2025-06-16T00:00:00"}, "#/proration_at"),
    ({"proration_at": 1_750_000_000}, "#/proration_at"),
    ({"plan_id": "plan_00000000000000000000000000"}, "#/plan_id"),
]


async def test_a_change_that_cannot_be_is_refused_by_name(subscribed, payer, subtests):
    subscription = await subscribed()
    for body, pointer in MALFORMED:
        with subtests.test(body=body):
            response = await payer.patch(path(subscription), body)
            assert problem(response) == (422, "validation_failed")
            assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert problem(await payer.patch(path(subscription), {}, key=None)) == (400, "idempotency_key_required")
