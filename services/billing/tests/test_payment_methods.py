"""What customers pay with, over HTTP."""

import asyncio

from core.testing import problem


async def test_a_card_is_kept_without_its_number(buyer):
    response = await buyer.post("/v1/payment-methods", {"provider_token": "pm_card_visa"})
    method = response.json()
    assert response.status_code == 201
    assert method["id"].startswith("pm_")
    assert method == {
        "id": method["id"],
        "brand": "visa",
        "last4": "4242",
        "default": True,
        "created_at": method["created_at"],
    }
    assert (await buyer.get("/v1/payment-methods")).json() == {"data": [method], "next_cursor": None}


async def test_the_first_method_becomes_the_default_and_a_later_one_if_it_is_asked_for(buyer):
    first = await buyer.add_card(default=False)
    second = await buyer.add_card()
    assert await defaults(buyer) == {first: True, second: False}
    third = await buyer.add_card(default=True)
    assert await defaults(buyer) == {first: False, second: False, third: True}


async def test_methods_added_at_once_leave_one_default(buyer):
    await asyncio.gather(*(buyer.add_card(default=True) for _ in range(8)))
    assert sorted((await defaults(buyer)).values()) == [False] * 7 + [True]


async def defaults(person):
    methods = (await person.get("/v1/payment-methods")).json()["data"]
    return {method["id"]: method["default"] for method in methods}


async def test_methods_are_listed_in_pages_to_their_owner_alone(payer, buyer):
    second = await payer.add_card()
    first = (await payer.get("/v1/payment-methods", limit=1)).json()
    rest = (await payer.get("/v1/payment-methods", limit=1, cursor=first["next_cursor"])).json()
    assert [method["id"] for method in rest["data"]] == [second]
    assert (await buyer.get("/v1/payment-methods")).json()["data"] == []


async def test_a_token_that_the_provider_does_not_know_is_refused(buyer):
    response = await buyer.post("/v1/payment-methods", {"provider_token": "pm_card_mars"})
    assert problem(response) == (422, "payment_method_refused")
    assert response.json()["errors"][0]["pointer"] == "#/provider_token"
    assert (await buyer.get("/v1/payment-methods")).json()["data"] == []


async def test_the_same_request_adds_one_method(buyer):
    body = {"provider_token": "pm_card_visa"}
    first = await buyer.post("/v1/payment-methods", body, key="one")
    again = await buyer.post("/v1/payment-methods", body, key="one")
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert len((await buyer.get("/v1/payment-methods")).json()["data"]) == 1


async def test_a_method_needs_an_idempotency_key(buyer):
    response = await buyer.post("/v1/payment-methods", {"provider_token": "pm_card_visa"}, key=None)
    assert problem(response) == (400, "idempotency_key_required")


REFUSED = [
    {},
    {"provider_token": ""},
    {"provider_token": 1},
    {"provider_token": "a\x00b"},
    {"provider_token": "a", "default": "yes"},
]


async def test_a_method_that_cannot_be_is_refused(buyer, subtests):
    for body in REFUSED:
        with subtests.test(body=body):
            assert problem(await buyer.post("/v1/payment-methods", body)) == (422, "validation_failed")


async def test_an_unknown_field_is_refused(buyer):
    body = {"provider_token": "pm_card_visa", "card_number": "4242424242424242"}
    response = await buyer.post("/v1/payment-methods", body)
    assert problem(response) == (422, "validation_failed")
    assert "4242424242424242" not in response.text
