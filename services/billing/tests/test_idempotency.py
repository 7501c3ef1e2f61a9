"""The same request twice, at once, or with another body: one subscription, one charge."""

import asyncio

import pytest

from core.testing import SERVICE_URL, problem


@pytest.fixture
def effects(on_record):
    """`await effects(buyer)`: how many subscriptions, invoices, payments and charges somebody has: all the same."""

    async def count(person):
        (number,) = {len(statuses) for statuses in (await on_record(person)).values()}
        return number

    return count


async def test_the_same_request_is_answered_with_the_same_bytes_and_charged_once(payer, price, effects):
    body = {"price_id": price["id"]}
    first = await payer.post("/v1/subscriptions", body, key="one")
    again = await payer.post("/v1/subscriptions", {"price_id": price["id"]}, key='"one"')
    assert "idempotent-replayed" not in first.headers
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    place = f"{SERVICE_URL}/v1/subscriptions/{first.json()['id']}"
    assert first.headers["location"] == again.headers["location"] == place
    assert await effects(payer) == 1


async def test_another_body_under_the_same_key_is_refused(payer, price, effects):
    await payer.post("/v1/subscriptions", {"price_id": price["id"]}, key="one")
    response = await payer.post("/v1/subscriptions", {"price_id": price["id"], "quantity": 2}, key="one")
    assert problem(response) == (422, "idempotency_key_reused")
    assert await effects(payer) == 1


async def test_a_key_belongs_to_who_sent_it(payer, person, price):
    other = person()
    await other.add_card()
    first = await payer.subscribe(price, key="one")
    assert (await other.subscribe(price, key="one"))["id"] != first["id"]


async def test_a_subscription_needs_a_key(payer, price, effects, subtests):
    for key in (None, '""', "k" * 256):
        with subtests.test(key=key):
            response = await payer.post("/v1/subscriptions", {"price_id": price["id"]}, key=key)
            assert problem(response) == (400, "idempotency_key_required")
    assert await effects(payer) == 0


async def test_a_body_that_is_refused_claims_nothing(payer, price):
    assert problem(await payer.post("/v1/subscriptions", {}, key="one")) == (422, "validation_failed")
    assert (await payer.subscribe(price, key="one"))["status"] == "active"


async def test_a_body_that_is_no_json_is_refused_like_everywhere(payer):
    headers = payer.headers | {"Idempotency-Key": "one", "Content-Type": "text/plain"}
    response = await payer.client.post("/v1/subscriptions", content=b"price", headers=headers)
    assert problem(response) == (415, "unsupported_media_type")
    headers["Content-Type"] = "application/json"
    assert problem(await payer.client.post("/v1/subscriptions", content=b"{", headers=headers)) == (
        400,
        "malformed_json",
    )


async def test_twenty_requests_at_once_have_one_effect(payer, price, effects):
    body = {"price_id": price["id"]}
    responses = await asyncio.gather(*(payer.post("/v1/subscriptions", body, key="one") for _ in range(20)))
    done = [response for response in responses if response.status_code == 201]
    assert len({response.content for response in done}) == 1
    for response in responses:
        if response not in done:
            assert problem(response) == (409, "idempotency_in_flight")
            assert response.headers["retry-after"] == "1"
    assert await effects(payer) == 1


async def test_twenty_requests_under_keys_of_their_own_subscribe_once(payer, price, effects):
    body = {"price_id": price["id"]}
    responses = await asyncio.gather(*(payer.post("/v1/subscriptions", body) for _ in range(20)))
    assert sorted(response.status_code for response in responses) == [201] + [409] * 19
    assert await effects(payer) == 1
