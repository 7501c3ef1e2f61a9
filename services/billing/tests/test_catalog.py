"""Plans and prices over HTTP."""

import asyncio
import json

from billing.app import seed_local
from core.ports import Seed
from core.testing import SERVICE_URL, problem

FLAT = {"model": "flat", "unit_amount": "1000", "currency": "EUR", "interval": "month"}


async def test_a_plan_is_read_with_its_prices_by_whoever_is_signed_in(keeper, buyer):
    plan = (await keeper.post("/v1/plans", {"name": "Team", "entitlements": {"seats": 5, "sso": True}})).json()
    terms = {"unit_amount": "12.120", "tax_rate": "0.21", "trial_days": 14, "interval": "year", "model": "per_unit"}
    price = (await keeper.post(f"/v1/plans/{plan['id']}/prices", FLAT | terms)).json()
    assert [each["id"].split("_")[0] for each in (plan, price)] == ["plan", "price"]
    assert price == {
        "id": price["id"],
        "plan_id": plan["id"],
        "model": "per_unit",
        "unit_amount": "12.12",
        "currency": "EUR",
        "interval": "year",
        "tax_rate": "0.21",
        "trial_days": 14,
        "created_at": price["created_at"],
    }
    read = (await buyer.get(f"/v1/plans/{plan['id']}")).json()
    assert read == plan | {"prices": [price]}
    assert read["entitlements"] == {"seats": 5, "sso": True}
    assert price["created_at"].endswith("Z")


async def test_a_price_never_changes(keeper, make_price):
    price, other = await make_price(), await make_price()
    path = f"/v1/plans/{price['plan_id']}/prices/{price['id']}"
    headers = keeper.headers | {"Content-Type": "application/merge-patch+json"}
    patched = await keeper.client.patch(path, json={"unit_amount": "1"}, headers=headers)
    deleted = await keeper.client.delete(path, headers=keeper.headers)
    assert [problem(patched), problem(deleted)] == [(409, "price_immutable")] * 2
    assert (await keeper.get(f"/v1/plans/{price['plan_id']}")).json()["prices"] == [price]
    elsewhere = f"/v1/plans/{other['plan_id']}/prices/{price['id']}"
    nowhere = f"/v1/plans/{price['plan_id']}/prices/price_01h455vb4pex5vsknk084sn02q"
    for absent in (elsewhere, nowhere):
        assert problem(await keeper.client.delete(absent, headers=keeper.headers)) == (404, "price_not_found")


async def test_only_who_keeps_the_catalog_is_told_that_a_price_never_changes(buyer, price):
    path = f"/v1/plans/{price['plan_id']}/prices/{price['id']}"
    for method in ("PATCH", "DELETE"):
        response = await buyer.client.request(method, path, headers=buyer.headers)
        assert problem(response) == (403, "insufficient_scope")


async def test_a_new_plan_says_where_it_is(keeper):
    response = await keeper.post("/v1/plans", {"name": "Team"})
    location = response.headers["location"]
    assert location.startswith(SERVICE_URL)
    assert (await keeper.get(location.removeprefix(SERVICE_URL))).json() == response.json()


async def test_plans_are_listed_in_pages(keeper, buyer):
    made = [(await keeper.post("/v1/plans", {"name": name})).json()["id"] for name in ("A", "B", "C")]
    listed = [plan["id"] for plan in await buyer.all("/v1/plans", limit=2)]
    assert listed[-3:] == made
    assert len(set(listed)) == len(listed)


async def test_only_its_keeper_adds_to_the_catalog(buyer, price):
    for path, body in [("/v1/plans", {"name": "Mine"}), (f"/v1/plans/{price['plan_id']}/prices", FLAT)]:
        assert problem(await buyer.post(path, body)) == (403, "insufficient_scope")


async def test_who_is_not_signed_in_reads_nothing(nobody, price):
    for path in ("/v1/plans", f"/v1/plans/{price['plan_id']}"):
        assert problem(await nobody.get(path)) == (401, "unauthenticated")


async def test_a_plan_that_is_not_there_is_not_found(keeper, price):
    unknown = "plan_00000000000000000000000000"
    assert problem(await keeper.get(f"/v1/plans/{unknown}")) == (404, "plan_not_found")
    assert problem(await keeper.post(f"/v1/plans/{unknown}/prices", FLAT)) == (404, "plan_not_found")
    assert problem(await keeper.get(f"/v1/plans/{price['id']}")) == (404, "not_found")


REFUSED_PRICES = [
    ({"unit_amount": 1000}, "#/unit_amount"),
    ({"unit_amount": "-1"}, "#/unit_amount"),
    ({"unit_amount": "1.0000000000001"}, "#/unit_amount"),
    ({"currency": "XXX"}, "#/currency"),
    ({"currency": []}, "#/currency"),
    ({"currency": {}}, "#/currency"),
    ({"currency": 7}, "#/currency"),
    ({"interval": "week"}, "#/interval"),
    ({"model": "graduated"}, "#/model"),
    ({"tax_rate": "21"}, "#/tax_rate"),
    ({"tax_rate": 0.21}, "#/tax_rate"),
    ({"trial_days": -1}, "#/trial_days"),
    ({"trial_days": True}, "#/trial_days"),
    ({"trial_days": "1"}, "#/trial_days"),
    ({"colour": "red"}, "#/colour"),
]


async def test_a_price_that_cannot_be_is_refused_by_name(keeper, price, subtests):
    for change, pointer in REFUSED_PRICES:
        with subtests.test(change=change):
            response = await keeper.post(f"/v1/plans/{price['plan_id']}/prices", FLAT | change)
            assert problem(response) == (422, "validation_failed")
            assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


REFUSED_PLANS = [
    {},
    {"name": ""},
    {"name": "A", "entitlements": {"Seats": 1}},
    {"name": "A", "entitlements": {"seats": 1.5}},
    {"name": "A", "entitlements": {"seats": -1}},
    {"name": "A", "entitlements": {"seats": "many"}},
    {"name": "A", "prices": []},
]


async def test_a_plan_that_cannot_be_is_refused(keeper, subtests):
    for body in REFUSED_PLANS:
        with subtests.test(body=body):
            assert problem(await keeper.post("/v1/plans", body)) == (422, "validation_failed")


async def test_a_name_that_is_no_line_of_text_is_refused_by_name(keeper, subtests):
    headers = keeper.headers | {"Idempotency-Key": "one", "Content-Type": "application/json"}
    for name in ("a\x00b", "\n", " ", "\ud800"):
        with subtests.test(name=name):
            # As bytes: the client refuses to send half of a surrogate pair, which JSON can escape.
            body = json.dumps({"name": name}).encode()
            response = await keeper.client.post("/v1/plans", content=body, headers=headers)
            assert problem(response) == (422, "validation_failed")
            assert [error["pointer"] for error in response.json()["errors"]] == ["#/name"]


async def test_a_laptop_starts_with_two_plans_however_often_it_starts(shop, buyer):
    seed = Seed(admin_email="admin@example.com", admin_password="unused here")
    await asyncio.gather(*(seed_local(shop.resources, seed) for _ in range(3)))
    first = await buyer.all("/v1/plans")
    await seed_local(shop.resources, seed)
    assert await buyer.all("/v1/plans") == first
    demo = {plan["name"]: plan["prices"] for plan in first if plan["entitlements"].get("projects")}
    assert {name: [(price["interval"], price["trial_days"]) for price in prices] for name, prices in demo.items()} == {
        "Starter": [("month", 0), ("year", 0)],
        "Team": [("month", 0), ("year", 0), ("month", 14)],
    }
