"""The customer that a user is."""

import asyncio

from core.ids import format_id, new_id
from core.testing import problem


async def test_a_user_becomes_a_customer_at_the_first_request(client, signed_in, rows):
    subject = format_id("usr", new_id())
    first = await client.get("/v1/customers/me", headers=signed_in(subject=subject))
    again = await client.get("/v1/customers/me", headers=signed_in(subject=subject))
    customer = first.json()
    assert again.json() == customer
    assert customer == {
        "id": customer["id"],
        "user_id": subject,
        "currency": None,
        "created_at": customer["created_at"],
    }
    assert await rows("SELECT type, subject, sequence FROM outbox") == [
        {"type": "customer.created", "subject": customer["id"], "sequence": 1}
    ]


async def test_requests_at_once_make_one_customer(buyer, rows):
    responses = await asyncio.gather(*(buyer.get("/v1/customers/me") for _ in range(10)))
    assert {response.json()["id"] for response in responses} == {responses[0].json()["id"]}
    assert len(await rows("SELECT 1 FROM outbox WHERE type = 'customer.created'")) == 1


async def test_a_machine_is_no_customer(client, machine):
    for path in ("/v1/customers/me", "/v1/invoices", "/v1/subscriptions", "/v1/payment-methods"):
        assert problem(await client.get(path, headers=machine)) == (403, "not_a_user")
