"""Both buses, and services on them; nobody waits long."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from importlib import import_module
from typing import Any

import asyncpg
import pytest
from company import Connect, Service, replica
from nats import connect as connect_to
from nats.js import JetStreamContext
from sqlalchemy import text

from core.database import open_database
from core.events import events_metadata
from core.events.bus import Bus, LocalBus
from core.events.bus.nats import open_nats
from core.local import Postgres
from core.settings import DatabaseSettings
from core.testing.databases import TemplateDatabase, template_database
from core.testing.nats import NatsServer, nats_server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polls, retries and replicas follow each other quickly."""
    for name, seconds in {
        "core.events.queues.polling.POLL_S_MIN": 0.01,
        "core.events.queues.polling.POLL_S_MAX": 0.05,
        "core.events.queues.leases.BACKOFF_S_MIN": 0.01,
        "core.events.bus.nats.feed.POLL_S": 0.02,
        "core.events.bus.nats.feed.RETRY_S_MIN": 0.02,
        "core.events.bus.nats.feed.RETRY_S_MAX": 0.05,
        "core.events.bus.nats.link.RECONNECT_S_MIN": 0.01,
        "core.events.bus.nats.link.RECONNECT_S_MAX": 0.05,
    }.items():
        module, _, constant = name.rpartition(".")
        # Not by its path: `polling` is the name of a function, too.
        monkeypatch.setattr(import_module(module), constant, seconds)


@pytest.fixture(scope="session")
def events_template(postgres: Postgres) -> Iterator[TemplateDatabase]:
    """The tables of events, and one for what a handler does."""

    async def make(url: str) -> None:
        settings = DatabaseSettings(url=url)
        async with open_database(settings, name="test") as database, database.engine.begin() as connection:
            await connection.run_sync(events_metadata.create_all)
            await connection.execute(text("CREATE TABLE notes (id bigserial, subject text, n bigint)"))

    with template_database(postgres, None, name="bus") as template:
        asyncio.run(make(postgres.url(template.name)))
        yield template


@pytest.fixture
async def services(events_template: TemplateDatabase) -> AsyncIterator[Callable[[str], Any]]:
    """`await services("users")`: a service with an empty database."""
    async with AsyncExitStack() as stack:

        async def make(name: str) -> Service:
            copy = await events_template.copy()
            stack.push_async_callback(events_template.drop, copy)
            url = events_template.postgres.url(copy)
            database = await stack.enter_async_context(open_database(DatabaseSettings(url=url), name=name))
            admin = await asyncpg.connect(url)
            stack.push_async_callback(admin.close)
            return Service(name, database, admin)

        yield make


@pytest.fixture
async def users(services: Callable[[str], Any]) -> Service:
    """Who announces things."""
    return await services("users")


@pytest.fixture
async def billing(services: Callable[[str], Any]) -> Service:
    """Who handles them."""
    return await services("billing")


@pytest.fixture
def stream(request: pytest.FixtureRequest) -> str:
    """A stream of this test alone, on a server that all share."""
    return f"s{abs(hash(request.node.nodeid))}"


@pytest.fixture
def over(stream: str) -> Callable[[str], Connect]:
    """`over(url)`: connections to the stream on that server, one for each replica."""
    return lambda url: partial(open_nats, url, stream=stream, name="test")


@pytest.fixture
def connect(nats: NatsServer, over: Callable[[str], Connect]) -> Connect:
    """What gives a replica its bus: NATS, unless a test has both."""
    return over(nats.url)


@pytest.fixture(params=["local", "nats"])
def connect_either(request: pytest.FixtureRequest, over: Callable[[str], Connect]) -> Connect:
    """What gives a replica its bus."""
    if request.param == "nats":
        return over(request.getfixturevalue("nats").url)
    shared: Bus = LocalBus()
    return lambda: nullcontext(shared)


@pytest.fixture
async def operator(nats: NatsServer) -> AsyncIterator[JetStreamContext]:
    """Who looks after the server that all share, with tools of their own."""
    client = await connect_to(nats.url)
    yield client.jetstream()
    await client.close()


@pytest.fixture
def own_server() -> Iterator[NatsServer]:
    """A server that the test may kill."""
    with nats_server() as server:
        yield server


@pytest.fixture
def run(connect_either: Connect) -> Callable[..., AbstractAsyncContextManager[Bus]]:
    """`async with run(service, handlers)`: a replica of it, over each bus in turn."""
    return lambda service, handlers=None: replica(service, connect_either, handlers)


@pytest.fixture
def away(postgres: Postgres) -> Callable[[Service], AbstractAsyncContextManager[None]]:
    """`async with away(service)`: nobody reaches its database; what looks into it gives up its connection, too."""

    @asynccontextmanager
    async def lock(service: Service) -> AsyncIterator[None]:
        name = await service.admin.fetchval("SELECT current_database()")
        outside = await asyncpg.connect(postgres.url("postgres"))
        await outside.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> $2"
        await outside.fetch(end, name, service.admin.get_server_pid())
        try:
            yield
        finally:
            await outside.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            await outside.close()

    return lock
