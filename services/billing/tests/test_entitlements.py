"""What a customer may use: kept with their subscriptions, read by tag, and told when it has changed."""

import asyncio
import json
from datetime import timedelta

import pytest

from billing.closing.dependencies import build as build_closing
from billing.subscriptions.dependencies import build_standing
from core.ids import parse_id
from core.testing import problem

MINE = "/v1/customers/me/entitlements"
STRANGER = "cus_01h455vb4pex5vsknk084sn02q"


@pytest.fixture(scope="module")
def sell(make_price):
    """`await sell(projects=3, trial_days=14)`: a price of a new plan that gives these features."""

    async def make(*, trial_days=0, **features):
        return await make_price(entitlements=features, trial_days=trial_days)

    return make


@pytest.fixture
def announced(rows):
    """`await announced(buyer)`: what was told of somebody's entitlements, in order, by sequence."""

    async def find(person):
        told = """SELECT subject, sequence, data FROM outbox
        WHERE type = 'entitlements.updated' AND data ->> 'user_id' = $1 ORDER BY position"""
        found = [each | {"data": json.loads(each["data"])} for each in await rows(told, person.subject)]
        customer_id = (await person.get("/v1/customers/me")).json()["id"]
        assert {each["subject"] for each in found} <= {f"{customer_id}/entitlements"}
        assert {each["data"]["customer_id"] for each in found} <= {customer_id}
        assert [each["sequence"] for each in found] == list(range(1, len(found) + 1))
        return [each["data"]["entitlements"] for each in found]

    return find


@pytest.fixture
def change(shop):
    """`await change(subscription, …)`: what billing itself does to a subscription."""

    async def run(subscription, work):
        async with shop.resources.database.transaction() as session:
            standing = build_standing(session, shop.resources)
            await work(standing, await standing.repository.locked(parse_id("sub", subscription["id"])))

    return run


async def read(person, path=MINE):
    response = await person.get(path)
    assert response.status_code == 200, response.text
    return response.json()["entitlements"]


async def test_who_buys_nothing_may_use_nothing(buyer):
    for _ in range(2):
        response = await buyer.get(MINE)
        assert response.json() == {"entitlements": {}, "version": 0, "updated_at": None}
        assert (response.headers["etag"], response.headers["cache-control"]) == ('"v0"', "private, max-age=60")
        # The first time, they were no customer yet.
        customer = (await buyer.get("/v1/customers/me")).json()
    assert (await buyer.get(f"/v1/customers/{customer['id']}/entitlements")).headers["etag"] == '"v0"'


async def test_a_subscription_gives_what_its_plan_has(payer, sell, announced):
    subscription = await payer.subscribe(await sell(projects=3, audit_log=False))
    response = await payer.get(MINE)
    body = response.json()
    assert (body["entitlements"], body["version"]) == ({"projects": 3, "audit_log": False}, 1)
    assert body["updated_at"] >= subscription["created_at"]
    assert response.headers["etag"] == '"v1"'
    assert await announced(payer) == [{"projects": 3, "audit_log": False}]


async def test_who_has_the_version_gets_no_body_and_may_keep_it_for_a_minute(payer, sell):
    await payer.subscribe(await sell(projects=3))
    customer_id = (await payer.get("/v1/customers/me")).json()["id"]
    for path in (MINE, f"/v1/customers/{customer_id}/entitlements"):
        known = payer.headers | {"If-None-Match": '"v1"'}
        response = await payer.client.get(path, headers=known)
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["cache-control"] == "private, max-age=60"
        stale = payer.headers | {"If-None-Match": '"v0"'}
        assert (await payer.client.get(path, headers=stale)).json()["version"] == 1


async def test_a_trial_gives_a_right_and_an_unpaid_first_invoice_none(person, buyer, sell, announced):
    await buyer.subscribe(await sell(projects=3, trial_days=14))
    assert await read(buyer) == {"projects": 3}
    waiting = person()
    await waiting.add_card("pm_card_visa_chargeDeclined")
    subscription = await waiting.subscribe(await sell(projects=3))
    assert (subscription["status"], await read(waiting), await announced(waiting)) == ("incomplete", {}, [])
    await waiting.add_card("pm_card_visa", default=True)
    await waiting.post(f"/v1/invoices/{subscription['latest_invoice']['id']}/pay")
    assert (await read(waiting), await announced(waiting)) == ({"projects": 3}, [{"projects": 3}])


async def test_a_life_tells_each_change_of_what_may_be_used_and_nothing_else(payer, sell, announced, change):
    small, large, other = await sell(projects=3), await sell(projects=100, audit_log=True), await sell(projects=5)
    subscription = await payer.subscribe(small)
    added = await payer.subscribe(other)

    async def upgrade(standing, row):
        row.plan_id, row.price_id = parse_id("plan", large["plan_id"]), parse_id("price", large["id"])
        await standing.changed(row, "subscription.updated", is_other_plan=True)

    async def renew(standing, row):
        row.current_period_end += timedelta(days=30)
        await standing.changed(row, "subscription.renewed")

    async def fall_behind(standing, row):
        await standing._move(row, "past_due")

    async def cancel(standing, row):
        await standing.end(row, "canceled")

    for work in (upgrade, renew, fall_behind):
        await change(subscription, work)
    assert await read(payer) == {"audit_log": True, "projects": 100}
    await change(subscription, cancel)
    await change(added, cancel)
    assert await read(payer) == {}
    assert await announced(payer) == [
        {"projects": 3},
        {"projects": 5},
        {"audit_log": True, "projects": 100},
        {"projects": 5},
        {},
    ]


async def test_another_plan_gives_its_rights_from_when_it_is_in_force(payer, sell, clock, next_period, announced):
    small, large = await sell(projects=3), await sell(projects=100)
    subscription = await payer.subscribe(small)
    path = f"/v1/subscriptions/{subscription['id']}"
    await payer.patch(path, {"price_id": large["id"]})
    assert await read(payer) == {"projects": 100}
    await payer.patch(path, {"price_id": small["id"], "effective": "period_end"})
    assert await read(payer) == {"projects": 100}
    clock.advance(timedelta(days=31))
    await next_period(subscription)
    assert await read(payer) == {"projects": 3}
    assert await announced(payer) == [{"projects": 3}, {"projects": 100}, {"projects": 3}]


async def test_what_another_subscription_gives_as_well_is_not_told_again(payer, sell, announced, change):
    first, second = await payer.subscribe(await sell(projects=3)), await payer.subscribe(await sell(projects=3))
    for subscription in (first, second):
        await change(subscription, lambda standing, row: standing.end(row, "canceled"))
    assert await announced(payer) == [{"projects": 3}, {}]


async def test_one_is_told_apart_from_true(payer, sell, announced):
    await payer.subscribe(await sell(projects=True))
    await payer.subscribe(await sell(projects=1))
    assert [type(each["projects"]) for each in await announced(payer)] == [bool, int]
    assert type((await read(payer))["projects"]) is int


async def test_a_first_invoice_that_is_never_paid_changes_nothing(person, sell, announced, change):
    waiting = person()
    await waiting.add_card("pm_card_visa_chargeDeclined")
    subscription = await waiting.subscribe(await sell(projects=3))
    await change(subscription, lambda standing, row: standing.end(row, "incomplete_expired"))
    assert await announced(waiting) == []


async def test_a_change_that_is_not_committed_is_not_told(shop, payer, sell, announced):
    subscription = await payer.subscribe(await sell(projects=3))

    async def spoiled():
        async with shop.resources.database.transaction() as session:
            standing = build_standing(session, shop.resources)
            await standing.end(await standing.repository.locked(parse_id("sub", subscription["id"])), "canceled")
            raise LookupError

    with pytest.raises(LookupError):
        await spoiled()
    assert (await read(payer), await announced(payer)) == ({"projects": 3}, [{"projects": 3}])


async def test_subscriptions_at_once_tell_one_change_after_the_other(payer, sell, announced):
    prices = [await sell(**{f"feature_{number}": number}) for number in range(5)]
    await asyncio.gather(*(payer.subscribe(price) for price in prices))
    told = await announced(payer)
    assert [len(each) for each in told] == [1, 2, 3, 4, 5]
    assert await read(payer) == told[-1] == {f"feature_{number}": number for number in range(5)}


async def test_who_leaves_may_use_nothing(shop, payer, sell, announced):
    for features in ({"projects": 3}, {"audit_log": True}):
        await payer.subscribe(await sell(**features))
    async with shop.resources.database.transaction() as session:
        await build_closing(session, shop.resources).begin(parse_id("usr", payer.subject))
    assert await read(payer) == {}
    assert (await announced(payer))[-1] == {}


async def test_who_reads_what_others_may_use(person, payer, buyer, sell, machine):
    await payer.subscribe(await sell(projects=3))
    path = f"/v1/customers/{(await payer.get('/v1/customers/me')).json()['id']}/entitlements"
    for reader in (payer, person("billing:read"), person("billing:read", kind="svc")):
        assert await read(reader, path) == {"projects": 3}
    assert problem(await buyer.get(path)) == (404, "customer_not_found")
    assert problem(await machine.get(path)) == (403, "not_a_user")
    assert problem(await machine.get(MINE)) == (403, "not_a_user")
    unknown = f"/v1/customers/{STRANGER}/entitlements"
    assert problem(await person("billing:read").get(unknown)) == (404, "customer_not_found")
