"""A database that is stopped, started again, or hangs: what requests, probes and the relay make of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from core.client import InProcess
from core.database import open_database
from core.dependencies.resources import READINESS
from core.lifespan import StartupError, started
from core.services import Service
from core.testing import SERVICE_URL, problem
from core.web.probes import Readiness

A_THING = "/v1/things/thg_00000000000000000000000000"


@pytest.fixture(scope="module")
def migrated(server, service: Service) -> None:
    server.create_database("example")
    asyncio.run(service.migrations.upgrade(server.url("example")))


@pytest.fixture
def database_url(server, migrated: None) -> str:
    """In place of a copy on the server that all tests share."""
    return server.url("example").replace("postgres@", "postgres:hunter2@")


# Soon enough for a test that waits for them.
HASTY = {"statement_timeout_ms": 200, "connect_timeout_s": 0.3, "pool_timeout_s": 0.3}
# Longer than a test waits.
PATIENT = {"statement_timeout_ms": 300_000}


@pytest.fixture
def limits() -> dict[str, float]:
    """Those of production, unless a test parametrizes others."""
    return {}


@pytest.fixture
def settings(settings, limits: dict[str, float]):
    return settings.model_copy(update={"database": settings.database.model_copy(update=limits)})


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.database.engine.ANSWER_MARGIN_S", 0.1)


@pytest.fixture
async def serving(
    app: FastAPI, signed_in: Callable[..., dict[str, str]], becomes: Callable[..., Awaitable[Any]]
) -> AsyncIterator[tuple[httpx.AsyncClient, Readiness]]:
    """A client of the running application, and its readiness."""
    async with AsyncExitStack() as running:

        async def starts() -> dict[str, Any] | None:
            # On a busy machine nothing that is hasty starts at the first try.
            with suppress(StartupError):
                return await running.enter_async_context(started(app, name="example"))
            return None

        state = await becomes(starts)
        transport = InProcess(app, state)
        async with httpx.AsyncClient(transport=transport, base_url=SERVICE_URL, headers=signed_in()) as client:
            yield client, state[READINESS]


@pytest.fixture
def relay_waits(logs, becomes) -> Callable[[], Awaitable[object]]:
    """`await relay_waits()`: until the relay has noticed that the database is away."""

    async def has() -> bool:
        return any(line["event"] == "events wait" for line in logs)

    return lambda: becomes(has)


@pytest.fixture
def stopped(server) -> Iterator[Callable[[], object]]:
    """`await stopped()` stops the server; a test may start it again."""
    yield lambda: asyncio.to_thread(server.stop)
    server.start()


async def make(client: httpx.AsyncClient, name: str) -> httpx.Response:
    return await client.post("/v1/things", json={"name": name}, headers={"Idempotency-Key": name})


async def write(client: httpx.AsyncClient) -> httpx.Response:
    return await make(client, "written")


async def read(client: httpx.AsyncClient) -> httpx.Response:
    return await client.get(A_THING)


async def lists(client: httpx.AsyncClient) -> bool:
    return (await client.get("/v1/things")).status_code == 200


async def test_an_outage_is_told_to_be_over_soon_and_is_over_by_itself(
    serving, server, stopped, becomes, logs, relay_waits
):
    client, _ = serving
    assert (await make(client, "before")).status_code == 201
    await stopped()
    for response in (await make(client, "during"), await client.get(A_THING), await client.get("/v1/things")):
        assert problem(response) == (503, "database_unavailable")
        assert response.headers["retry-after"] == "1"
    await relay_waits()
    await asyncio.to_thread(server.start)

    async def writes() -> bool:
        return (await make(client, "during")).status_code == 201

    async def reads() -> bool:
        return (await client.get(A_THING)).status_code == 404

    # Each pool connects again for itself, and gives up a server that is still slow after its start.
    await becomes(writes)
    await becomes(reads)
    # The relay, the probe and the drivers had something to say, too.
    assert "hunter2" not in str(logs)


async def test_a_restart_under_load_is_nothing_but_503s_until_it_is_over(
    serving, server, stopped, becomes, database_url
):
    client, _ = serving
    statuses: list[int] = []
    stop = asyncio.Event()

    async def load(number: int) -> None:
        while not stop.is_set():
            writes = make(client, f"{number}-{len(statuses)}")
            answers = await asyncio.gather(writes, client.get(A_THING), client.get("/v1/things"))
            statuses.extend(answer.status_code for answer in answers)

    async def answered(*wanted: int) -> None:
        """Until each of them has been answered some times from now on."""
        before = len(statuses)

        async def all_were() -> bool:
            return all(statuses[before:].count(status) > 5 for status in wanted)

        await becomes(all_were)

    async def answered_without(unwanted: int) -> None:
        """Until ten answers in a row are others."""

        async def are_others() -> bool:
            return unwanted not in statuses[-10:]

        await becomes(are_others)

    async with asyncio.TaskGroup() as clients:
        for number in range(3):
            clients.create_task(load(number))
        await answered(201, 200, 404)
        await stopped()
        await answered(503)
        await asyncio.to_thread(server.start)
        await answered(201, 200, 404)
        # Each lost connection may be noticed by one more request.
        await answered_without(503)
        stop.set()
    assert set(statuses) == {200, 201, 404, 503}
    admin = await asyncpg.connect(database_url)
    busy = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'example' AND state <> 'idle'"
    await becomes(lambda: admin.fetchval(busy))
    await admin.close()


async def test_readiness_falls_and_rises_and_liveness_does_not_care(serving, server, stopped, becomes):
    client, readiness = serving
    assert (await client.get("/readyz")).status_code == 200
    await stopped()
    for _ in range(3):
        await readiness.check()
    assert problem(await client.get("/readyz")) == (503, "not_ready")
    assert (await client.get("/livez")).status_code == 200
    await asyncio.to_thread(server.start)

    async def rises() -> bool:
        await readiness.check()
        return (await client.get("/readyz")).status_code == 200

    await becomes(rises)


async def test_the_relay_goes_on_after_an_outage(serving, server, stopped, settings, becomes, relay_waits):
    client, _ = serving
    await stopped()
    await relay_waits()
    await asyncio.to_thread(server.start)
    async with open_database(settings.database, name="test") as database:

        async def works() -> bool:
            return (await make(client, "after")).status_code == 201

        await becomes(works)

        async def announced() -> bool:
            async with database.transaction() as session:
                return bool(await session.scalar(text("SELECT announced FROM things WHERE name = 'after'")))

        await becomes(announced)


@pytest.mark.parametrize("limits", [HASTY], ids=["hasty"])
@pytest.mark.parametrize("ask", [write, read])
async def test_a_server_that_hangs_is_an_outage(serving, server, becomes, ask):
    client, _ = serving
    with server.hanging():
        # Long before its deadline, which would be another answer.
        assert problem(await ask(client)) == (503, "database_unavailable")
    await becomes(lambda: lists(client))


@pytest.mark.parametrize("limits", [PATIENT], ids=["patient"])
@pytest.mark.parametrize("ask", [write, read])
async def test_a_server_that_hangs_does_not_hold_a_request_beyond_its_deadline(serving, server, app, becomes, ask):
    client, _ = serving
    app.deadlines.timeout_s = 0.05
    with server.hanging():
        async with asyncio.timeout(30):
            assert problem(await ask(client)) == (504, "timed_out")
    app.deadlines.timeout_s = 12
    await becomes(lambda: lists(client))


@pytest.mark.parametrize(("ask", "call"), [(write, "prepare"), (read, "fetchrow")])
async def test_a_statement_that_meets_the_servers_farewell_is_an_outage(serving, monkeypatch, ask, call):
    """asyncpg then fails to change its state; a restart under load shows it some of the times."""

    async def meet(*_: object, **__: object) -> None:
        raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")

    client, _ = serving
    monkeypatch.setattr(asyncpg.Connection, call, meet)
    assert problem(await ask(client)) == (503, "database_unavailable")
