"""The customer that a user is."""

import asyncio

import pytest

from core.ids import format_id, new_id, parse_id
from core.testing import problem


@pytest.fixture
def handled(rows, becomes):
    """`await handled(buyer, 2)`: waits until so many events of a user are done with."""

    async def wait(person, count):
        done = "SELECT 1 FROM inbox WHERE subject = $1 AND handled_at IS NOT NULL"

        async def is_done():
            return len(await rows(done, person.subject)) == count

        await becomes(is_done)

    return wait


@pytest.fixture
def customers_of(rows):
    """`await customers_of(buyer)`: the customers that a user is, and how many were announced."""

    async def find(person):
        user_id = parse_id("usr", person.subject)
        customers = await rows("SELECT id FROM customers WHERE user_id = $1", user_id)
        created = "SELECT 1 FROM outbox WHERE type = 'customer.created' AND data ->> 'user_id' = $1"
        return [format_id("cus", each["id"]) for each in customers], len(await rows(created, person.subject))

    return find


async def test_a_user_becomes_a_customer_at_the_first_request(buyer, rows):
    customer = (await buyer.get("/v1/customers/me")).json()
    assert (await buyer.get("/v1/customers/me")).json() == customer
    assert customer == {
        "id": customer["id"],
        "user_id": buyer.subject,
        "currency": None,
        "balance": None,
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


async def test_an_activated_user_is_a_customer_before_the_first_request(shop, buyer, told, handled, customers_of):
    await shop.bus.publish([told(buyer, "user.activated", 2)])
    await handled(buyer, 1)
    [customer_id], announced = await customers_of(buyer)
    assert announced == 1
    assert (await buyer.get("/v1/customers/me")).json()["id"] == customer_id
    assert await customers_of(buyer) == ([customer_id], 1)


async def test_what_is_told_after_the_first_request_changes_nothing(shop, buyer, told, handled, customers_of):
    customer_id = (await buyer.get("/v1/customers/me")).json()["id"]
    await shop.bus.publish([told(buyer, "user.activated", 2)])
    await handled(buyer, 1)
    assert await customers_of(buyer) == ([customer_id], 1)


@pytest.mark.parametrize(
    "story",
    [
        [("user.activated", 2), ("user.updated", 3)],
        [("user.updated", 3), ("user.activated", 2)],
        [("user.activated", 2), ("user.updated", 2), ("user.updated", 2)],
        [("user.updated", 2)],
    ],
    ids=["in order", "out of order", "told again", "told again before it was told"],
)
async def test_however_a_user_is_told_of_they_are_one_customer(shop, buyer, told, handled, customers_of, story):
    events = [told(buyer, type_, sequence) for type_, sequence in story]
    for event in (*events, *events):
        await shop.bus.publish([event])
    await handled(buyer, len(events))
    customers, announced = await customers_of(buyer)
    assert (len(customers), announced) == (1, 1)


async def test_a_suspended_user_who_is_told_again_is_a_customer(shop, buyer, told, handled, customers_of):
    await shop.bus.publish([told(buyer, "user.updated", 3, status="suspended")])
    await handled(buyer, 1)
    assert (await customers_of(buyer))[1] == 1


async def test_requests_and_what_is_told_at_once_make_one_customer(shop, buyer, told, handled, customers_of):
    first, second = told(buyer, "user.activated", 2), told(buyer, "user.updated", 3)
    published = [shop.bus.publish([each]) for each in (first, second, first)]
    requests = [buyer.get("/v1/customers/me") for _ in range(5)]
    responses = (await asyncio.gather(*published, *requests))[3:]
    await handled(buyer, 2)
    customers, announced = await customers_of(buyer)
    assert announced == 1
    assert [{response.json()["id"]} for response in responses] == [set(customers)] * 5


async def test_a_customer_with_a_currency_has_a_balance(payer, price):
    await payer.subscribe(price)
    customer = (await payer.get("/v1/customers/me")).json()
    assert (customer["currency"], customer["balance"]) == ("EUR", {"amount": 0, "currency": "EUR"})


async def test_a_customer_is_read_by_themselves_and_by_who_keeps_the_books(person, buyer, payer, machine):
    customer = (await payer.get("/v1/customers/me")).json()
    path = f"/v1/customers/{customer['id']}"
    for reader in (payer, person("billing:read"), person("billing:read", kind="svc")):
        assert (await reader.get(path)).json() == customer
    assert problem(await buyer.get(path)) == (404, "customer_not_found")
    assert problem(await machine.get(path)) == (403, "not_a_user")
    nobody = f"/v1/customers/{format_id('cus', new_id())}"
    assert problem(await person("billing:read").get(nobody)) == (404, "customer_not_found")
    assert problem(await person("billing:read").get("/v1/customers/cus_nonsense")) == (404, "not_found")


async def test_who_keeps_the_books_lists_customers_oldest_first(person, buyer):
    keeper, others = person("billing:read"), [person() for _ in range(3)]
    made = [(await each.get("/v1/customers/me")).json() for each in others]
    listed = await keeper.all("/v1/customers", limit=2)
    assert [each for each in listed if each in made] == made
    assert listed == sorted(listed, key=lambda each: (each["created_at"], each["id"]))
    assert await keeper.all("/v1/customers", user_id=others[1].subject) == [made[1]]
    assert await keeper.all("/v1/customers", user_id=buyer.subject) == []
    assert problem(await buyer.get("/v1/customers")) == (403, "insufficient_scope")
    assert problem(await keeper.get("/v1/customers", user_id="usr_nonsense")) == (422, "validation_failed")
