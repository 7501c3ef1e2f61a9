"""More requests at once than there are connections: the pools hold their size, and nobody waits for long."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, literal, select

from core.client import InProcess
from core.database import Database, Query
from core.dependencies import ReadSession, Session
from core.lifespan import started
from core.resources import STATE
from core.routing import register
from core.testing import SERVICE_URL, problem
from core.testing.exits.transactions import Number
from core.testing.open_router import OpenRouter

AT_ONCE = 200
# Five that write, two that read, and the heartbeat.
CONNECTIONS_MAX = 8
CONNECTIONS = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'example'
"""
# As long as the test holds the lock, whoever reads or writes has a connection that nobody else gets.
HOLD, LET_GO = "SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock(1)"
WAIT = func.pg_advisory_xact_lock_shared(1)
WAITING = Query(select(literal(1).label("n")).select_from(WAIT), Number)
busy = OpenRouter(prefix="/v1/busy", tags=["busy"])


@busy.get("/writing")
async def writing(session: Session) -> Number:
    return Number(n=await session.scalar(select(1).select_from(WAIT)) or 0)


@busy.get("/reading")
async def reading(reads: ReadSession) -> Number | None:
    return await reads.first(WAITING)


@pytest.fixture
def settings(settings):
    limits = {"pool_timeout_s": 0.3, "statement_timeout_ms": 60_000}
    return settings.model_copy(update={"database": settings.database.model_copy(update=limits)})


@pytest.fixture
async def serving(app: FastAPI):
    register(app, busy)
    async with (
        started(app, name="example") as state,
        httpx.AsyncClient(transport=InProcess(app, state), base_url=SERVICE_URL) as client,
    ):
        yield client, state[STATE].database


async def at_once(ask: Callable[[int], Awaitable[httpx.Response]], admin) -> tuple[Counter[int], int]:
    """The statuses, and the most connections that the server saw."""
    asking = asyncio.gather(*(ask(number) for number in range(AT_ONCE)))
    most = 0
    while not asking.done():
        most = max(most, await admin.fetchval(CONNECTIONS))
    answers = await asking
    return Counter(answer.status_code for answer in answers), most


async def is_idle(database: Database) -> bool:
    return database.pool.checkedout() == 0


async def test_many_short_requests_share_few_connections(serving, admin, becomes):
    client, database = serving

    async def ask(number: int) -> httpx.Response:
        path = ("writing", "reading")[number % 2]
        return await client.get(f"/v1/busy/{path}")

    statuses, most = await at_once(ask, admin)
    assert statuses.keys() <= {200, 503}
    assert statuses[200] > 0
    assert 0 < most <= CONNECTIONS_MAX
    await becomes(partial(is_idle, database))
    assert database.pool.overflow() <= 0


@pytest.mark.parametrize("path", ["writing", "reading"])
async def test_who_gets_no_connection_in_time_is_told_so_while_others_hold_them_all(app, serving, admin, becomes, path):
    client, database = serving
    app.deadlines.timeout_s = 60
    pool_size = 5 if path == "writing" else 2
    told = 0

    async def ask(_: int) -> httpx.Response:
        nonlocal told
        answer = await client.get(f"/v1/busy/{path}")
        told += 1
        # The service's own work may hold one of the connections at the time.
        if told == AT_ONCE - pool_size:
            await admin.execute(LET_GO)
        return answer

    await admin.execute(HOLD)
    answers = await asyncio.gather(*(ask(number) for number in range(AT_ONCE)))
    statuses = Counter(answer.status_code for answer in answers)
    assert 0 < statuses[200] <= pool_size
    assert statuses[200] + statuses[503] == AT_ONCE
    assert await admin.fetchval(CONNECTIONS) <= CONNECTIONS_MAX
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {problem(answer) for answer in refused} == {(503, "database_unavailable")}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    await becomes(partial(is_idle, database))
    assert (await client.get(f"/v1/busy/{path}")).status_code == 200
