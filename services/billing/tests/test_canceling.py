"""Canceling, now and at the end of a period, going on after all, and what may be done in which state."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.collection.dependencies import build
from billing.payments.provider import Outcome
from billing.subscriptions.dependencies import build_renewing
from core.ids import parse_id
from core.testing import problem

START = datetime(2025, 6, 1, tzinfo=UTC)
MIDDLE = datetime(2025, 6, 16, tzinfo=UTC)
END = datetime(2025, 7, 1, tzinfo=UTC)


def path(subscription, action=""):
    return f"/v1/subscriptions/{subscription['id']}{action}"


@pytest.fixture
def subscribed(payer, make_price, clock):
    """`await subscribed("past_due")`: a subscription in this state, in the midst of its period."""

    async def make(state):
        clock.current = START
        if state == "incomplete":
            await payer.add_card("pm_card_visa_chargeDeclined", default=True)
        subscription = await payer.subscribe(await make_price(trial_days=30 if state == "trialing" else 0))
        clock.current = MIDDLE
        await reach[state](subscription)
        return (await payer.get(path(subscription))).json()

    async def stay(_):
        pass

    async def end_later(subscription):
        assert (await payer.post(path(subscription, "/cancel"), {"when": "period_end"})).status_code == 200

    async def end(subscription):
        assert (await payer.post(path(subscription, "/cancel"))).status_code == 200

    async def fall_behind(subscription):
        await payer.add_card("pm_card_chargeCustomerFail", default=True)
        assert (await payer.patch(path(subscription), {"quantity": 2})).json()["status"] == "past_due"

    async def fall_behind_and_end_later(subscription):
        await fall_behind(subscription)
        await end_later(subscription)

    reach = {
        "incomplete": stay,
        "trialing": stay,
        "active": stay,
        "active, ending": end_later,
        "past_due": fall_behind,
        "past_due, ending": fall_behind_and_end_later,
        "canceled": end,
    }
    return make


@pytest.fixture
def expired(payer, make_price, clock, shop):
    """`await expired()`: a subscription that nobody has paid in time."""

    async def make():
        clock.current = START
        await payer.add_card("pm_card_visa_chargeDeclined", default=True)
        subscription = await payer.subscribe(await make_price())
        clock.current = START + timedelta(hours=24)
        async with shop.resources.database.transaction() as session:
            ids = parse_id("sub", subscription["id"]), parse_id("cus", subscription["customer_id"])
            await build_renewing(session, shop.resources).expire(ids[0], customer_id=ids[1])
        return (await payer.get(path(subscription))).json()

    return make


ACTIONS = ("change", "cancel now", "cancel later", "resume")
# What each action comes to; None: 409 invalid_transition.
STATES = {
    "incomplete": (None, "canceled", None, None),
    "incomplete_expired": (None, None, None, None),
    "trialing": ("trialing", "canceled", "trialing", None),
    "active": ("active", "canceled", "active", None),
    "active, ending": ("active", "canceled", "active", "active"),
    "past_due": (None, "canceled", "past_due", None),
    "past_due, ending": (None, "canceled", "past_due", "past_due"),
    "canceled": (None, None, None, None),
}


@pytest.mark.parametrize(
    ("state", "action", "end"),
    [(state, *pair) for state, ends in STATES.items() for pair in zip(ACTIONS, ends, strict=True)],
)
async def test_each_action_is_done_in_its_states_alone(payer, subscribed, expired, state, action, end):
    subscription = await (expired() if state == "incomplete_expired" else subscribed(state))
    assert subscription["status"] == state.partition(",")[0]
    match action:
        case "change":
            response = await payer.patch(path(subscription), {"quantity": 3, "proration": "none"})
        case "resume":
            response = await payer.post(path(subscription, "/resume"))
        case _:
            when = "now" if action == "cancel now" else "period_end"
            response = await payer.post(path(subscription, "/cancel"), {"when": when})
    if end is None:
        assert problem(response) == (409, "invalid_transition")
        assert (await payer.get(path(subscription))).json() == subscription
    else:
        assert (response.status_code, response.json()["status"]) == (200, end)


async def test_who_cancels_now_gets_nothing_back_and_is_told_once(payer, subscribed, rows):
    subscription = await subscribed("active")
    response = await payer.post(path(subscription, "/cancel"))
    canceled = response.json()
    assert (canceled["status"], canceled["ended_at"]) == ("canceled", "2025-06-16T00:00:00Z")
    assert canceled["latest_invoice"] == subscription["latest_invoice"]
    assert response.headers["etag"] == '"v3"'
    told = "SELECT type FROM outbox WHERE subject = $1 AND sequence > 2"
    assert await rows(told, subscription["id"]) == [{"type": "subscription.canceled"}]
    # And the plan may be subscribed to again.
    again = await payer.post("/v1/subscriptions", {"price_id": subscription["price_id"]})
    assert again.json()["status"] == "active"


async def test_who_cancels_at_the_end_of_the_period_has_it_until_then(payer, subscribed, clock, next_period, rows):
    subscription = await subscribed("active")
    for _ in range(2):
        ending = (await payer.post(path(subscription, "/cancel"), {"when": "period_end"})).json()
        assert (ending["status"], ending["cancel_at_period_end"], ending["ended_at"]) == ("active", True, None)
    clock.current = END
    await next_period(subscription)
    ended = (await payer.get(path(subscription))).json()
    assert (ended["status"], ended["ended_at"]) == ("canceled", "2025-07-01T00:00:00Z")
    assert ended["latest_invoice"] == subscription["latest_invoice"]
    told = "SELECT type FROM outbox WHERE subject = $1 AND sequence > 2 ORDER BY sequence"
    assert [row["type"] for row in await rows(told, subscription["id"])] == [
        "subscription.updated",
        "subscription.canceled",
    ]


async def test_who_resumes_is_billed_again(payer, subscribed, clock, next_period, rows):
    subscription = await subscribed("active, ending")
    resumed = await payer.post(path(subscription, "/resume"))
    assert (resumed.json()["cancel_at_period_end"], resumed.headers["etag"]) == (False, '"v4"')
    clock.current = END
    await next_period(subscription)
    assert (await payer.get(path(subscription))).json()["current_period_end"] == "2025-08-01T00:00:00Z"
    told = "SELECT type FROM outbox WHERE subject = $1 AND sequence IN (3, 4)"
    assert [row["type"] for row in await rows(told, subscription["id"])] == ["subscription.updated"] * 2


async def test_a_period_that_is_over_is_not_resumed(payer, subscribed, clock):
    subscription = await subscribed("active, ending")
    clock.current = END
    assert problem(await payer.post(path(subscription, "/resume"))) == (409, "renewal_due")


async def test_what_never_began_is_owed_no_more(payer, subscribed):
    subscription = await subscribed("incomplete")
    canceled = (await payer.post(path(subscription, "/cancel"))).json()
    assert (canceled["status"], canceled["latest_invoice"]["status"]) == ("canceled", "void")


async def test_what_is_about_to_begin_is_waited_for(payer, make_price):
    await payer.add_card("pm_sandbox_async_ok", default=True)
    subscription = await payer.subscribe(await make_price())
    assert problem(await payer.post(path(subscription, "/cancel"))) == (409, "payment_in_progress")
    assert (await payer.get(path(subscription))).json() == subscription


async def test_what_is_owed_stays_owed_and_is_not_tried_again(payer, subscribed, rows):
    subscription = await subscribed("past_due")
    invoice = subscription["latest_invoice"]
    next_attempt = "SELECT status, next_attempt_at FROM invoices WHERE id = $1"
    (before,) = await rows(next_attempt, parse_id("inv", invoice["id"]))
    assert before["next_attempt_at"] is not None
    canceled = (await payer.post(path(subscription, "/cancel"))).json()
    assert canceled["latest_invoice"]["amount_remaining"] == invoice["amount_remaining"]
    (after,) = await rows(next_attempt, parse_id("inv", invoice["id"]))
    assert after == {"status": "open", "next_attempt_at": None}
    await payer.add_card(default=True)
    paid = await payer.post(f"/v1/invoices/{invoice['id']}/pay")
    assert paid.json()["status"] == "paid"
    assert (await payer.get(path(subscription))).json()["status"] == "canceled"


async def test_what_fails_after_the_end_is_not_tried_again(payer, subscribed, shop, clock, next_period, rows):
    subscription = await subscribed("active")
    clock.current = END
    await payer.add_card("pm_sandbox_async_ok", default=True)
    await next_period(subscription)
    invoice = (await payer.get(path(subscription))).json()["latest_invoice"]
    assert invoice["last_payment"]["status"] == "processing"
    assert (await payer.post(path(subscription, "/cancel"))).json()["latest_invoice"] == invoice
    async with shop.resources.database.transaction() as session:
        collection = build(session, shop.resources)
        payment = await collection.payments.payment(parse_id("pay", invoice["last_payment"]["id"]))
        await collection.settle(payment, Outcome("failed", "insufficient_funds"))
    left = await rows("SELECT attempts, next_attempt_at FROM invoices WHERE id = $1", parse_id("inv", invoice["id"]))
    assert left == [{"attempts": 1, "next_attempt_at": None}]


@pytest.mark.parametrize(
    ("before", "after", "total", "status"),
    [("1000", "3000", 1000, "paid"), ("3000", "1000", -1000, "paid"), ("1000", "1000", 0, "paid")],
)
async def test_what_waits_for_the_next_invoice_comes_onto_a_last_one(
    payer, make_price, clock, rows, before, after, total, status
):
    clock.current = START
    subscription = await payer.subscribe(await make_price(unit_amount=before))
    clock.current = MIDDLE
    price = await make_price(unit_amount=after)
    await payer.patch(path(subscription), {"price_id": price["id"], "proration": "next_invoice"})
    last = (await payer.post(path(subscription, "/cancel"))).json()["latest_invoice"]
    assert (last["total"]["amount"], last["status"]) == (total, status)
    assert [line["proration"] for line in last["lines"]] == [True, True]
    customer_id = parse_id("cus", subscription["customer_id"])
    balance = await rows("SELECT balance_minor FROM customers WHERE id = $1", customer_id)
    assert balance == [{"balance_minor": max(0, -total)}]


async def test_a_last_invoice_comes_at_the_end_of_the_period_too(payer, subscribed, clock, next_period):
    subscription = await subscribed("active, ending")
    await payer.patch(path(subscription), {"quantity": 4, "proration": "next_invoice"})
    clock.current = END
    await next_period(subscription)
    ended = (await payer.get(path(subscription))).json()
    assert ended["status"] == "canceled"
    assert (ended["latest_invoice"]["status"], ended["latest_invoice"]["total"]["amount"]) == ("paid", 1500)


async def test_a_last_invoice_that_is_declined_is_tried_once(payer, subscribed, rows):
    subscription = await subscribed("active")
    await payer.patch(path(subscription), {"quantity": 3, "proration": "next_invoice"})
    await payer.add_card("pm_card_chargeCustomerFail", default=True)
    canceled = (await payer.post(path(subscription, "/cancel"))).json()
    assert (canceled["status"], canceled["latest_invoice"]["status"]) == ("canceled", "open")
    invoice_id = parse_id("inv", canceled["latest_invoice"]["id"])
    left = await rows("SELECT attempts, next_attempt_at FROM invoices WHERE id = $1", invoice_id)
    assert left == [{"attempts": 1, "next_attempt_at": None}]


async def test_what_is_canceled_already_is_canceled_no_second_time(payer, subscribed):
    subscription = await subscribed("active")
    answers = [await payer.post(path(subscription, "/cancel"), key=None) for _ in range(2)]
    assert answers[0].json()["status"] == "canceled"
    assert problem(answers[1]) == (409, "invalid_transition")


async def test_only_ones_own_is_canceled_or_resumed(payer, subscribed, buyer):
    subscription = await subscribed("active, ending")
    for action in ("/cancel", "/resume"):
        assert problem(await buyer.post(path(subscription, action))) == (404, "subscription_not_found")
    assert problem(await payer.post(path(subscription, "/cancel"), {"when": "never"})) == (422, "validation_failed")
