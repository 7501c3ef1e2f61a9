"""When the first period ends: trials and anchors that are asked for, and what they cost."""

from datetime import UTC, datetime

import pytest

from core.testing import problem


def path(subscription):
    return f"/v1/subscriptions/{subscription['id']}"


def period(subscription):
    return subscription["current_period_start"], subscription["current_period_end"]


async def test_a_first_period_until_the_anchor_costs_its_share(payer, make_price, clock, next_period):
    clock.current = datetime(2021, 9, 16, tzinfo=UTC)
    price = await make_price(unit_amount="2495")
    subscription = await payer.subscribe(price, billing_cycle_anchor="2021-09-25T00:00:00Z")
    (line,) = subscription["latest_invoice"]["lines"]
    assert period(subscription) == ("2021-09-16T00:00:00Z", "2021-09-25T00:00:00Z")
    assert (line["net"]["amount"], line["proration"]) == (724, True)  # Kill Bill's documentation
    for end, net in [("2021-10-25T00:00:00Z", 2495), ("2021-11-25T00:00:00Z", 2495)]:
        clock.current = datetime.fromisoformat(subscription["current_period_end"])
        await next_period(subscription)
        subscription = (await payer.get(path(subscription))).json()
        (line,) = subscription["latest_invoice"]["lines"]
        assert (subscription["current_period_end"], line["net"]["amount"], line["proration"]) == (end, net, False)


async def test_periods_keep_to_the_31st_as_far_as_the_month_goes(payer, make_price, clock, next_period):
    clock.current = datetime(2024, 1, 31, tzinfo=UTC)
    subscription = await payer.subscribe(await make_price())
    ends = [subscription["current_period_end"]]
    for _ in range(2):
        clock.current = datetime.fromisoformat(ends[-1])
        await next_period(subscription)
        ends.append((await payer.get(path(subscription))).json()["current_period_end"])
    assert ends == ["2024-02-29T00:00:00Z", "2024-03-31T00:00:00Z", "2024-04-30T00:00:00Z"]  # Lago's specification


async def test_a_change_in_a_first_part_of_a_period_is_prorated_against_the_whole(payer, make_price, clock):
    clock.current = datetime(2025, 6, 16, tzinfo=UTC)
    price = await make_price(unit_amount="3000")
    subscription = await payer.subscribe(price, billing_cycle_anchor="2025-07-01T00:00:00Z")
    clock.current = datetime(2025, 6, 26, tzinfo=UTC)
    changed = (await payer.patch(path(subscription), {"quantity": 2})).json()
    # Of 1500 for fifteen days, five; of 6000 for thirty, five.
    assert [line["net"]["amount"] for line in changed["latest_invoice"]["lines"]] == [-500, 1000]


@pytest.mark.parametrize(
    ("anchor", "end"),
    [
        ("2020-02-29T12:00:00Z", "2025-06-29T12:00:00Z"),
        ("0001-01-31T00:00:00.250Z", "2025-06-30T00:00:00.250000Z"),
        ("2025-06-15T00:00:00+02:00", "2025-06-14T22:00:00Z"),
        ("2025-07-10T00:00:00Z", "2025-07-10T00:00:00Z"),
    ],
)
async def test_an_anchor_may_be_past_or_a_period_ahead(payer, make_price, clock, anchor, end):
    clock.current = datetime(2025, 6, 10, tzinfo=UTC)
    subscription = await payer.subscribe(await make_price(), billing_cycle_anchor=anchor)
    assert subscription["current_period_end"] == end


async def test_parts_of_a_second_cost_nothing(payer, make_price, clock):
    clock.current = datetime(2025, 6, 16, 0, 0, 0, 900_000, tzinfo=UTC)
    price = await make_price(unit_amount="2592000000")
    subscription = await payer.subscribe(price, billing_cycle_anchor="2025-07-01T00:00:00Z")
    (line,) = subscription["latest_invoice"]["lines"]
    # A thousand a second, for half of a month.
    assert (line["net"]["amount"], line["period_start"]) == (1_296_000_000, "2025-06-16T00:00:00.900000Z")


async def test_an_anchor_at_a_boundary_makes_a_whole_period(payer, make_price, clock):
    clock.current = datetime(2025, 6, 10, tzinfo=UTC)
    subscription = await payer.subscribe(await make_price(), billing_cycle_anchor="2025-01-10T00:00:00Z")
    (line,) = subscription["latest_invoice"]["lines"]
    assert (line["net"]["amount"], line["proration"]) == (1000, False)


async def test_an_anchor_that_cannot_be_is_refused(payer, make_price, clock, subtests):
    clock.current = datetime(2025, 6, 10, tzinfo=UTC)
    price, trial = await make_price(), await make_price(trial_days=7)
    refusal = (422, "billing_cycle_anchor_not_allowed")
    for body, expected in [
        ({"price_id": price["id"], "billing_cycle_anchor": "2025-07-10T00:00:01Z"}, refusal),
        ({"price_id": trial["id"], "billing_cycle_anchor": "2025-06-20T00:00:00Z"}, refusal),
        ({"price_id": price["id"], "billing_cycle_anchor": "2025-06-20T00:00:00Z", "trial_days": 1}, refusal),
        ({"price_id": price["id"], "billing_cycle_anchor": "1750000000"}, (422, "validation_failed")),
        ({"price_id": price["id"], "billing_cycle_anchor": "2025-06-20T00:00:00"}, (422, "validation_failed")),
        ({"price_id": price["id"], "billing_cycle_anchor": 1_750_000_000}, (422, "validation_failed")),
        ({"price_id": price["id"], "billing_cycle_anchor": "0001-01-01T00:00:00Z"}, (422, "validation_failed")),
        ({"price_id": price["id"], "trial_days": -1}, (422, "validation_failed")),
        ({"price_id": price["id"], "trial_days": 731}, (422, "validation_failed")),
    ]:
        with subtests.test(body=body):
            assert problem(await payer.post("/v1/subscriptions", body)) == expected


async def test_a_trial_is_as_long_as_that_of_the_price_or_as_may_be_asked_for(payer, make_price, clock):
    month, year = await make_price(trial_days=7), await make_price(trial_days=365)
    for price, days in ((month, 31), (year, 366)):
        refused = await payer.post("/v1/subscriptions", {"price_id": price["id"], "trial_days": days})
        assert problem(refused) == (422, "trial_not_allowed")
        assert refused.json()["errors"][0]["pointer"] == "#/trial_days"
    clock.current = datetime(2025, 6, 10, tzinfo=UTC)
    longer = await payer.subscribe(month, trial_days=30)
    assert (longer["status"], longer["current_period_end"]) == ("trialing", "2025-07-10T00:00:00Z")
    assert (await payer.subscribe(year, trial_days=365))["current_period_end"] == "2026-06-10T00:00:00Z"


async def test_a_plan_has_one_trial(payer, make_price):
    price = await make_price(trial_days=7)
    first = await payer.subscribe(price)
    await payer.post(f"{path(first)}/cancel")
    asked = await payer.post("/v1/subscriptions", {"price_id": price["id"], "trial_days": 1})
    assert problem(asked) == (422, "trial_not_allowed")
    assert (first["status"], (await payer.subscribe(price))["status"]) == ("trialing", "active")


async def test_a_trial_may_be_waived_and_where_the_price_has_none_be_asked_for(payer, make_price, clock):
    clock.current = datetime(2025, 6, 10, tzinfo=UTC)
    none = await payer.subscribe(await make_price(trial_days=7), trial_days=0)
    assert (none["status"], none["current_period_end"]) == ("active", "2025-07-10T00:00:00Z")
    given = await payer.subscribe(await make_price(), trial_days=1)
    assert (given["status"], given["billing_cycle_anchor"]) == ("trialing", "2025-06-11T00:00:00Z")
    # With an anchor, where the price would have had a trial that is waived.
    anchored = await payer.subscribe(
        await make_price(trial_days=7), trial_days=0, billing_cycle_anchor="2025-06-20T00:00:00Z"
    )
    assert anchored["current_period_end"] == "2025-06-20T00:00:00Z"


async def test_after_a_trial_periods_are_counted_from_its_end(payer, make_price, clock, next_period):
    clock.current = datetime(2025, 1, 24, tzinfo=UTC)
    subscription = await payer.subscribe(await make_price(), trial_days=7)
    ends = []
    for _ in range(3):
        subscription = (await payer.get(path(subscription))).json()
        clock.current = datetime.fromisoformat(subscription["current_period_end"])
        ends.append(subscription["current_period_end"])
        await next_period(subscription)
    assert ends == ["2025-01-31T00:00:00Z", "2025-02-28T00:00:00Z", "2025-03-31T00:00:00Z"]
