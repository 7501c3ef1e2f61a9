"""What a whole service measures of its database, its events and its process."""

import asyncio
from datetime import timedelta

import pytest
from example.app import create_app
from sqlalchemy import func, insert, text

from core.database import measure_pools, open_database
from core.events import Backlog
from core.events.tables import inbox, outbox
from core.ids import new_id
from core.metrics import Metrics
from core.telemetry.logs import logging_to
from core.telemetry.writer import LineWriter
from core.testing import running

POOL, STATE = "db_client_connection_pool_name", "db_client_connection_state"


def read(metrics, name):
    (family,) = (each for each in metrics.collect() if each.name == name)
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


async def test_both_pools_tell_what_is_used_what_is_idle_and_who_waits(settings, becomes):
    small = settings.database.model_copy(update={"pool_size": 2, "read_pool_size": 2})
    metrics = Metrics()
    async with open_database(small, name="test") as database:
        measure_pools(database, metrics)
        idle = {("write", "used"): 0, ("write", "idle"): 2, ("read", "used"): 0, ("read", "idle"): 2}
        assert read(metrics, "db_client_connection_count") == idle
        assert read(metrics, "db_client_connection_max") == {("write",): 2, ("read",): 2}
        leave = asyncio.Event()

        async def write() -> None:
            async with database.transaction() as session:
                await session.execute(text("SELECT 1"))
                await leave.wait()

        async def look() -> None:
            async with database.reads._connection():
                await leave.wait()

        tasks = [asyncio.create_task(work()) for work in (write, write, write, look, look, look, look)]

        async def waiting() -> bool:
            return read(metrics, "db_client_connection_pending_requests") == {("write",): 1, ("read",): 2}

        assert await becomes(waiting)
        busy = {("write", "used"): 2, ("write", "idle"): 0, ("read", "used"): 2, ("read", "idle"): 0}
        assert read(metrics, "db_client_connection_count") == busy
        leave.set()
        await asyncio.gather(*tasks)
        assert read(metrics, "db_client_connection_count") == idle
        assert read(metrics, "db_client_connection_pending_requests") == {("write",): 0, ("read",): 0}


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def backlog(database, metrics):
    return Backlog(database, metrics)


@pytest.fixture(params=["outbox", "inbox"])
def queue(request) -> str:
    """A table in which events wait."""
    return request.param


@pytest.fixture
def add(database, queue):
    """`await add({"attempts": 3}, {})`: two events in that table."""

    async def add(*given) -> None:
        event = {"type": "t", "subject": "s", "sequence": 1, "time": func.now(), "data": {}}
        async with database.transaction() as session:
            for columns in given:
                if queue == "outbox":
                    row = event | {"id": new_id()} | columns
                else:
                    row = event | {"event_id": new_id(), "source": "s", "consumer": "c"} | columns
                await session.execute(insert(outbox if queue == "outbox" else inbox).values(row))

    return add


@pytest.fixture
def measured(metrics, queue):
    """`measured()`: how many events wait in that table, by state, and for how long the oldest one has."""
    return lambda: (read(metrics, f"{queue}_events"), read(metrics, f"{queue}_oldest_age_seconds"))


def states(**counts):
    return {(state,): counts.get(state, 0) for state in ("due", "delayed", "retrying", "dead")}


async def test_what_waits_is_told_by_state(backlog, measured, add, queue):
    assert measured() == ({}, {})
    await backlog.measure()
    assert measured() == (states(), {(): 0})
    ago, hence = func.now() - timedelta(seconds=90), func.now() + timedelta(hours=1)
    await add(
        {"due_at": ago},
        {"due_at": func.now(), "attempts": 3},
        {"due_at": hence},
        {"due_at": hence, "attempts": 1},
        {"due_at": ago - timedelta(days=1), "dead_at": func.now(), "attempts": 12},
        {"due_at": ago - timedelta(days=2), "sent_at" if queue == "outbox" else "handled_at": func.now()},
    )
    await backlog.measure()
    events, oldest_s = measured()
    assert events == states(due=2, delayed=1, retrying=1, dead=1)
    assert 90 <= oldest_s[()] < 120


async def test_neither_table_is_told_of_as_the_other(backlog, metrics, add, queue):
    await add({"due_at": func.now() - timedelta(seconds=90)}, {"dead_at": func.now()})
    await backlog.measure()
    other = "inbox" if queue == "outbox" else "outbox"
    assert read(metrics, f"{other}_events") == states()
    assert read(metrics, f"{other}_oldest_age_seconds") == {(): 0}


async def test_of_a_long_backlog_the_first_ones_are_counted_and_the_dead_ones_all_the_same(
    backlog, measured, add, monkeypatch
):
    monkeypatch.setattr("core.events.upkeep.backlog.EVENTS_COUNTED_MAX", 3)
    await add({"due_at": func.now() - timedelta(seconds=90)}, *[{}] * 4, *[{"dead_at": func.now()}] * 2)
    await backlog.measure()
    events, oldest_s = measured()
    assert events == states(due=3, dead=2)
    assert oldest_s[()] >= 90
    await add(*[{"dead_at": func.now()}] * 2)
    await backlog.measure()
    assert measured()[0] == states(due=3, dead=3)


async def test_a_backlog_that_is_not_known_has_no_value(backlog, database, measured):
    await backlog.measure()
    database.reads.pool.terminate()
    await backlog.measure()
    assert measured() == ({}, {})


async def test_a_service_measures_its_backlog_by_itself(anywhere, scrape, becomes):
    async def measured() -> bool:
        families = [await scrape(anywhere, f"{queue}_events", "state") for queue in ("outbox", "inbox")]
        return all(families)

    assert await becomes(measured)
    connections = await scrape(anywhere, "db_client_connection_count", POOL, STATE)
    assert connections.keys() == {(pool, state) for pool in ("write", "read") for state in ("used", "idle")}
    assert (await scrape(anywhere, "log_lines_dropped_total")) == {(): 0}


async def test_a_service_that_starts_again_counts_on(service, settings, ports, scrape):
    app = service.create_app(settings, ports)
    for begun in (1, 2):
        async with running(app) as client:
            await client.get("/livez")
            counts = await scrape(client, "http_server_request_duration_seconds_count", "http_route")
            assert counts["/livez",] == begun


async def test_lines_that_were_lost_are_counted(settings, ports, scrape, monkeypatch):
    monkeypatch.setattr("core.telemetry.writer.LINES_MAX", 0)
    async with running(create_app(settings, ports)) as client:
        with logging_to(LineWriter(), level="info", form="json"):
            await client.get("/livez")
            await client.get("/livez")
            assert await scrape(client, "log_lines_dropped_total") == {(): 2}
