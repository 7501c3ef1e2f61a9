"""The customer that a user is."""

import asyncio

from core.testing import problem


async def test_a_user_becomes_a_customer_at_the_first_request(buyer, rows):
    customer = (await buyer.get("/v1/customers/me")).json()
    assert (await buyer.get("/v1/customers/me")).json() == customer
    assert customer == {
        "id": customer["id"],
        "user_id": buyer.subject,
        "currency": None,
        "created_at": customer["created_at"],
    }
    assert await rows("SELECT type, sequence FROM outbox WHERE subject = $1", customer["id"]) == [
        {"type": "customer.created", "sequence": 1}
    ]


async def test_requests_at_once_make_one_customer(buyer, rows):
    responses = await asyncio.gather(*(buyer.get("/v1/customers/me") for _ in range(10)))
    assert {response.json()["id"] for response in responses} == {responses[0].json()["id"]}
    assert len(await rows("SELECT 1 FROM outbox WHERE subject = $1", responses[0].json()["id"])) == 1


async def test_a_machine_is_no_customer(machine):
    for path in ("/v1/customers/me", "/v1/invoices", "/v1/subscriptions", "/v1/payment-methods"):
        assert problem(await machine.get(path)) == (403, "not_a_user")
