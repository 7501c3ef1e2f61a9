"""What becomes of subscriptions as time passes: periods are billed, trials end, first invoices expire."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from core.ids import parse_id
from core.testing import problem

# A biller of its own, which bills what other modules leave behind in no time.
SETTINGS: dict[str, object] = {}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CUSTOMER_OF = "SELECT id FROM customers WHERE user_id = $1"


@pytest.fixture(autouse=True)
async def nobody_else(rows):
    """What the tests before have left is not billed in this one's time."""
    await rows("UPDATE subscriptions SET status = 'canceled'")


def instant(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


async def billed(person):
    """A user's only subscription, and its invoices, oldest first."""
    (subscription,) = (await person.get("/v1/subscriptions")).json()["data"]
    return subscription, await person.all("/v1/invoices")


def periods(invoices):
    return [(each["period_start"][:10], each["period_end"][:10]) for each in invoices]


async def told(rows, subject):
    """What was announced of a subject, in order, once its sequence is seen to have no gap."""
    events = await rows("SELECT type, sequence FROM outbox WHERE subject = $1 ORDER BY position", subject)
    assert [each["sequence"] for each in events] == list(range(1, len(events) + 1))
    return [each["type"] for each in events]


async def test_a_period_that_has_ended_is_billed(payer, price, clock, run_biller, rows):
    clock.current = instant("2027-03-10T12:30:00")
    before = await payer.subscribe(price, quantity=3)
    clock.current = instant("2027-04-10T12:30:00")
    await run_biller()
    subscription, (_, invoice) = await billed(payer)
    assert periods([invoice]) == [("2027-04-10", "2027-05-10")]
    assert (invoice["status"], invoice["total"]["amount"]) == ("paid", 3000)
    assert [line["description"] for line in invoice["lines"]] == ["Team"]
    assert invoice["subscription_id"] == subscription["id"]
    assert subscription["status"] == "active"
    assert subscription["current_period_end"] == "2027-05-10T12:30:00Z"
    assert subscription["latest_invoice"]["id"] == invoice["id"] != before["latest_invoice"]["id"]
    assert await told(rows, subscription["id"]) == [
        "subscription.created",
        "subscription.activated",
        "subscription.renewed",
    ]


async def test_nothing_is_billed_before_its_time_or_twice(payer, price, clock, run_biller):
    clock.current = instant("2027-03-10T12:30:00")
    await payer.subscribe(price)
    for at, invoices in (("2027-04-10T12:29:59", 1), ("2027-04-10T12:30:00", 2), ("2027-04-10T12:30:01", 2)):
        clock.current = instant(at)
        await run_biller()
        assert len(await payer.all("/v1/invoices")) == invoices


async def test_months_that_nobody_billed_are_billed_one_by_one(payer, person, price, clock, run_biller):
    clock.current = instant("2027-01-15T00:00:00")
    await payer.subscribe(price)
    # Found in the same batch, and due after what the first one will be due for next.
    clock.current = instant("2027-03-10T00:00:00")
    other = person()
    await other.add_card()
    await other.subscribe(price)
    clock.current = instant("2027-04-20T00:00:00")
    await run_biller()
    subscription, invoices = await billed(payer)
    months = ["2027-01-15", "2027-02-15", "2027-03-15", "2027-04-15", "2027-05-15"]
    assert periods(invoices) == list(pairwise(months))
    assert [each["status"] for each in invoices] == ["paid"] * 4
    numbers = [each["number"] for each in invoices]
    assert numbers == sorted(numbers)
    assert subscription["current_period_end"].startswith("2027-05-15")


@pytest.mark.parametrize(
    ("interval", "start", "ends"),
    [
        # Lago's specification, and the same in a year that is none of 366 days.
        ("month", "2024-01-31", ["2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31", "2024-06-30"]),
        ("month", "2027-01-31", ["2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31", "2027-06-30"]),
        ("month", "2027-11-30", ["2027-12-30", "2028-01-30", "2028-02-29", "2028-03-30"]),
        ("month", "2028-02-29", ["2028-03-29", "2028-04-29", "2028-05-29"]),
        ("year", "2028-02-29", ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]),
    ],
)
async def test_the_day_of_the_anchor_comes_back_after_a_shorter_month(
    payer, make_price, clock, run_biller, interval, start, ends
):
    clock.current = instant(f"{start}T23:59:59")
    await payer.subscribe(await make_price(interval=interval))
    for end in ends[:-1]:
        clock.current = instant(f"{end}T23:59:59")
        await run_biller()
    subscription, invoices = await billed(payer)
    assert periods(invoices) == list(pairwise([start, *ends]))
    assert subscription["current_period_end"] == f"{ends[-1]}T23:59:59Z"


async def test_a_trial_that_ends_is_paid(payer, make_price, clock, run_biller, rows):
    clock.current = instant("2027-01-31T08:00:00")
    await payer.subscribe(await make_price(trial_days=14))
    clock.current = instant("2027-02-14T08:00:00")
    await run_biller()
    subscription, invoices = await billed(payer)
    assert subscription["status"] == "active"
    assert periods(invoices) == [("2027-02-14", "2027-03-14")]
    assert await told(rows, subscription["id"]) == [
        "subscription.created",
        "subscription.renewed",
        "subscription.activated",
    ]


@pytest.mark.parametrize("card", ["pm_card_visa_chargeDeclined", None], ids=["declined", "nothing to pay with"])
async def test_a_trial_that_nobody_pays_is_past_due(buyer, make_price, clock, run_biller, card):
    if card:
        await buyer.add_card(card)
    await buyer.subscribe(await make_price(trial_days=14))
    clock.advance(14 * DAY)
    await run_biller()
    subscription, (invoice,) = await billed(buyer)
    assert (subscription["status"], invoice["status"]) == ("past_due", "open")


async def test_what_costs_nothing_is_renewed_all_the_same(buyer, make_price, clock, run_biller, on_record):
    await buyer.subscribe(await make_price(unit_amount="0"))
    clock.advance(31 * DAY)
    await run_biller()
    subscription, invoices = await billed(buyer)
    assert subscription["status"] == "active"
    assert [each["status"] for each in invoices] == ["paid", "paid"]
    assert (await on_record(buyer))["charges"] == []


async def test_a_subscription_that_was_to_end_with_its_period_does(payer, price, clock, run_biller, rows):
    subscription = await payer.subscribe(price)
    await rows(
        "UPDATE subscriptions SET cancel_at_period_end = true WHERE id = $1", parse_id("sub", subscription["id"])
    )
    clock.advance(31 * DAY)
    await run_biller()
    subscription, invoices = await billed(payer)
    assert (subscription["status"], len(invoices)) == ("canceled", 1)


@pytest.mark.parametrize(
    ("interval", "end"),
    [pytest.param("month", "2027-04-30", id="same interval"), pytest.param("year", "2028-03-31", id="another")],
)
async def test_what_was_put_off_takes_effect_with_the_next_period(
    payer, price, make_price, clock, run_biller, rows, interval, end
):
    clock.current = instant("2027-02-28T10:00:00")
    other = await make_price(unit_amount="2500", interval=interval)
    clock.current = instant("2027-01-31T10:00:00")
    subscription = await payer.subscribe(price)
    put_off = "UPDATE subscriptions SET next_price_id = $2, next_quantity = 2 WHERE id = $1"
    await rows(put_off, parse_id("sub", subscription["id"]), parse_id("price", other["id"]))
    clock.current = instant("2027-02-28T10:00:00")
    await run_biller()
    subscription, invoices = await billed(payer)
    assert (subscription["price_id"], subscription["plan_id"]) == (other["id"], other["plan_id"])
    assert (subscription["quantity"], invoices[-1]["total"]["amount"]) == (2, 5000)
    expected_end = "2027-03-31" if interval == "month" else "2028-02-28"
    assert periods(invoices[-1:]) == [("2027-02-28", expected_end)]
    (row,) = await rows(
        "SELECT next_price_id, next_quantity, covered_net_minor, covered_until FROM subscriptions WHERE id = $1",
        parse_id("sub", subscription["id"]),
    )
    assert (row["next_price_id"], row["next_quantity"], row["covered_net_minor"]) == (None, None, 5000)
    assert row["covered_until"].isoformat().startswith(expected_end)


async def test_lines_that_waited_come_onto_the_next_invoice(payer, price, clock, run_biller, rows):
    subscription = await payer.subscribe(price)
    now = clock.now()
    add = "INSERT INTO pending_items VALUES ($1, $2, 'Unused time', -1, 250, 0, $3, $4)"
    await rows(add, parse_id("sub", subscription["id"]), parse_id("sub", subscription["id"]), now, now + DAY)
    clock.advance(31 * DAY)
    await run_biller()
    _, (_, invoice) = await billed(payer)
    assert [(line["net"]["amount"], line["proration"]) for line in invoice["lines"]] == [(-250, True), (1000, False)]
    assert invoice["total"]["amount"] == 750
    assert periods([invoice])[0][0] == subscription["current_period_end"][:10]
    assert (
        await rows("SELECT 1 FROM pending_items WHERE subscription_id = $1", parse_id("sub", subscription["id"])) == []
    )


async def test_who_is_behind_is_billed_for_no_further_period_until_they_have_paid(
    payer, price, clock, run_biller, rows
):
    clock.current = instant("2027-01-15T00:00:00")
    subscription = await payer.subscribe(price)
    await payer.add_card("pm_card_visa_chargeDeclined", default=True)
    clock.current = instant("2027-02-15T00:00:00")
    await run_biller()
    # As if what failed were an upgrade of the last week: it is tried again in the next period.
    later = "UPDATE invoices SET next_attempt_at = $2 WHERE subscription_id = $1 AND status = 'open'"
    await rows(later, parse_id("sub", subscription["id"]), instant("2027-03-20T00:00:00"))
    clock.current = instant("2027-03-16T00:00:00")
    await run_biller()
    subscription, invoices = await billed(payer)
    assert (subscription["status"], len(invoices)) == ("past_due", 2)
    card = await payer.add_card()
    paid = await payer.post(f"/v1/invoices/{invoices[-1]['id']}/pay", {"payment_method_id": card})
    assert paid.status_code == 200
    await run_biller()
    subscription, invoices = await billed(payer)
    assert periods(invoices[1:]) == [("2027-02-15", "2027-03-15"), ("2027-03-15", "2027-04-15")]


async def test_a_first_invoice_that_nobody_pays_expires_after_23_hours(unpaid, clock, run_biller, rows):
    buyer, subscription = unpaid
    clock.advance(23 * HOUR - timedelta(seconds=1))
    await run_biller()
    assert (await billed(buyer))[0]["status"] == "incomplete"
    clock.advance(timedelta(seconds=1))
    await run_biller()
    await run_biller()
    expired, (invoice,) = await billed(buyer)
    assert (expired["status"], invoice["status"]) == ("incomplete_expired", "void")
    assert await told(rows, subscription["id"]) == ["subscription.created", "subscription.expired"]


async def test_a_first_payment_that_is_under_way_is_waited_for(buyer, price, clock, run_biller):
    await buyer.add_card("pm_sandbox_timeout_then_ok")
    await buyer.subscribe(price)
    clock.advance(24 * HOUR)
    await run_biller()
    waiting, (invoice,) = await billed(buyer)
    assert (waiting["status"], invoice["status"]) == ("incomplete", "open")


async def test_an_invoice_is_tried_again_when_its_time_has_come(payer, price, clock, run_biller):
    clock.current = instant("2027-01-15T00:00:00")
    await payer.subscribe(price)
    await payer.add_card("pm_sandbox_fail_n_2", default=True)
    for at, status in (("02-15", "past_due"), ("02-16", "past_due"), ("02-17", "past_due"), ("02-22", "active")):
        clock.current = instant(f"2027-{at}T00:00:00")
        await run_biller()
        assert (await billed(payer))[0]["status"] == status
    _, (_, invoice) = await billed(payer)
    assert invoice["status"] == "paid"


async def test_who_pays_at_a_retry_is_billed_in_the_same_run_for_what_was_left_out(payer, price, clock, run_biller):
    clock.current = instant("2027-01-15T00:00:00")
    await payer.subscribe(price)
    await payer.add_card("pm_sandbox_fail_n_1", default=True)
    clock.current = instant("2027-02-15T00:00:00")
    await run_biller()
    clock.current = instant("2027-04-01T00:00:00")
    await run_biller()
    subscription, invoices = await billed(payer)
    assert subscription["status"] == "active"
    assert [each["status"] for each in invoices] == ["paid"] * 3


async def test_a_subscription_ends_when_nobody_can_collect(payer, price, clock, run_biller):
    clock.current = instant("2027-01-15T00:00:00")
    await payer.subscribe(price)
    await payer.add_card("pm_card_visa_chargeDeclined", default=True)
    for days in (31, 2, 5, 7, 7):
        clock.advance(days * DAY)
        await run_biller()
    subscription, invoices = await billed(payer)
    assert subscription["status"] == "canceled"
    assert [each["status"] for each in invoices] == ["paid", "uncollectible"]


@pytest.mark.parametrize("status", ["past_due", "active"])
async def test_who_is_behind_ends_with_their_period_and_owes_what_they_owed(
    payer, price, clock, run_biller, rows, status
):
    clock.current = instant("2027-01-15T00:00:00")
    subscription = await payer.subscribe(price)
    path = f"/v1/subscriptions/{subscription['id']}"
    clock.current = instant("2027-02-01T00:00:00")
    if status == "past_due":
        await payer.add_card("pm_card_visa_chargeDeclined", default=True)
        assert (await payer.patch(path, {"quantity": 2})).json()["status"] == "past_due"
    assert (await payer.post(f"{path}/cancel", {"when": "period_end"})).status_code == 200
    # As if the next attempt were due later.
    later = "UPDATE invoices SET next_attempt_at = $2 WHERE subscription_id = $1 AND status = 'open'"
    await rows(later, parse_id("sub", subscription["id"]), instant("2027-02-20T00:00:00"))
    clock.current = instant("2027-02-15T00:00:00")
    assert problem(await payer.post(f"{path}/resume")) == (409, "renewal_due")
    await run_biller()
    (ended, invoices), owed = await billed(payer), status == "past_due"
    assert (ended["status"], len(invoices)) == ("canceled", 1 + owed)
    assert await rows("SELECT FROM invoices WHERE next_attempt_at IS NOT NULL") == []
    if owed:
        assert invoices[-1]["status"] == "open"
        good = {"payment_method_id": await payer.add_card()}
        assert (await payer.post(f"/v1/invoices/{invoices[-1]['id']}/pay", good)).json()["status"] == "paid"
        assert (await billed(payer))[0]["status"] == "canceled"


async def test_a_biller_that_was_away_for_weeks_tries_once_a_day_at_most(payer, price, clock, run_biller):
    clock.current = instant("2027-01-15T00:00:00")
    await payer.subscribe(price)
    await payer.add_card("pm_sandbox_fail_n_3", default=True)
    clock.current = instant("2027-02-15T00:00:00")
    await run_biller()
    clock.current = instant("2027-03-14T00:00:00")
    for attempts in (2, 3):
        await run_biller()
        await run_biller()
        subscription, invoices = await billed(payer)
        assert (subscription["status"], invoices[-1]["status"]) == ("past_due", "open"), attempts
        clock.advance(DAY)
    await run_biller()
    subscription, invoices = await billed(payer)
    assert (subscription["status"], {each["status"] for each in invoices}) == ("active", {"paid"})
