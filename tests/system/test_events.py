"""What users announces and billing handles: in one process, and in two with NATS between them."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import asyncpg
import nats
import pytest
from collector import Collector
from people import Person
from processes import run, until
from replicas import Replica
from topologies import Apart, Product, apart

from core.ids import format_id, new_id, parse_id
from core.local import Postgres
from core.testing.nats import NatsServer, nats_server


def test_a_registration_makes_a_customer_without_a_request_to_billing(product: Product) -> None:
    assert_customers(product, registered(product))


def test_a_request_is_one_trace_as_far_as_the_handler_in_the_other_service(
    product: Product, collector: Collector
) -> None:
    person, trace_id = Person(product), token_hex(16)
    person.headers["traceparent"] = f"00-{trace_id}-{token_hex(8)}-01"
    person.register()
    handled = {("users", "publish user.activated"), ("billing", "process user.activated")}
    until(lambda: handled <= collector.trace(trace_id), "the trace ends before it")


@dataclass(frozen=True)
class Running:
    """Users and billing in a process each, and NATS, for tests that end them."""

    services: Apart
    users: Replica
    billing: Replica

    @property
    def product(self) -> Product:
        return self.services.product

    @property
    def nats(self) -> NatsServer:
        return self.services.nats


@pytest.fixture(scope="module")
def running(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """All three; whoever ends one of them starts it again."""
    folder = tmp_path_factory.mktemp("events")
    with nats_server() as nats, apart(folder, postgres, nats) as services:
        users, billing = (
            Replica(name, port=services.ports[name], environment=services.environment, folder=folder)
            for name in ("users", "billing")
        )
        with closing(users), closing(billing):
            users.start()
            billing.start()
            yield Running(services, users, billing)


def test_users_register_while_billing_is_down_and_are_customers_when_it_is_back(running: Running) -> None:
    running.billing.stop()
    people = registered(running.product, 3)
    running.billing.start()
    assert_customers(running.product, people)


def test_users_register_while_nats_is_down_and_are_customers_when_it_is_back(running: Running) -> None:
    running.nats.kill()
    people = registered(running.product, 2)
    assert customers_of(running.product, people) == []
    running.nats.start()
    assert_customers(running.product, people)


def test_a_billing_that_is_killed_while_it_handles_events_loses_none_and_repeats_none(running: Running) -> None:
    people = announced(running, 500)
    until(lambda: bool(customers_of(running.product, people)), "nothing arrives")
    running.billing.kill()
    # As if the minute were over in which nobody else takes what it had taken.
    for table in ("inbox", "bus_positions"):
        query(running.product, f"UPDATE {table} SET leased_until = now() WHERE leased_until > now()")  # noqa: S608 - ours
    running.billing.start()
    assert_customers(running.product, people)


def test_a_replay_fills_an_empty_billing_when_the_stream_is_gone_too(running: Running) -> None:
    people = registered(running.product, 2)
    assert_customers(running.product, people)
    running.billing.stop()
    running.services.empty_database("billing")
    asyncio.run(erase_the_stream(running.nats.url))
    run("users", "events", "replay", environment=running.services.environment)
    running.billing.start()
    assert_customers(running.product, people)


async def erase_the_stream(url: str) -> None:
    client = await nats.connect(url)
    await client.jetstream().delete_stream("events")
    await client.close()


def registered(product: Product, count: int = 1) -> list[str]:
    """The ids of so many new users, who have proven their addresses."""
    people = [Person(product) for _ in range(count)]
    for person in people:
        person.register()
    return [person.id for person in people]


def announced(running: Running, count: int) -> list[str]:
    """The ids of so many users who were activated all at once, as far as the outbox of users says."""
    people = [format_id("usr", new_id()) for _ in range(count)]
    query(
        running.product,
        """INSERT INTO outbox (id, type, subject, sequence, time, data)
        SELECT gen_random_uuid(), 'user.activated', id, 2, now(), jsonb_build_object('id', id, 'status', 'active')
        FROM unnest($1::text[]) AS id""",
        people,
        service="users",
    )
    return people


def assert_customers(product: Product, people: list[str]) -> None:
    """Each of these users becomes a customer, announced once."""
    until(lambda: len(customers_of(product, people)) == len(people), "not all of them are customers")
    created = "SELECT data ->> 'user_id' FROM outbox WHERE type = 'customer.created' AND data ->> 'user_id' = ANY($1)"
    assert sorted(each for (each,) in query(product, created, people)) == sorted(people)


def customers_of(product: Product, people: list[str]) -> list[str]:
    """Those of these users who are customers."""
    ids = [parse_id("usr", each) for each in people]
    found = query(product, "SELECT user_id FROM customers WHERE user_id = ANY($1)", ids)
    return [format_id("usr", each) for (each,) in found]


def query(product: Product, statement: str, *values: Any, service: str = "billing") -> list[Any]:
    """What the database of a service says."""

    async def fetch() -> list[Any]:
        connection = await asyncpg.connect(product.databases[service])
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()

    return asyncio.run(fetch())
