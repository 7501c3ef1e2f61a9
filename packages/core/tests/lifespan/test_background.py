"""Work in the background begins when every service has started, and ends before anything closes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from core.application import service as make_service
from core.events import Event, Handlers
from core.jobs import Jobs
from core.lifespan import Closing, StartupError, closing_by, started
from core.mount import ServiceMount
from core.ports import Ports
from core.resources import Resource
from core.testing import Host, running
from core.testing.locally import local_settings

AN_EVENT = """
    INSERT INTO outbox (id, type, subject, sequence, time, data)
    VALUES (gen_random_uuid(), 'thing.made', 'thg_1', 1, now(), '{"was": "announced"}')
"""
AN_ARRIVED_EVENT = """
    INSERT INTO inbox (consumer, event_id, source, type, subject, sequence, time, data)
    VALUES ($1, gen_random_uuid(), 'busy', 'thing.made', 'thg_2', 1, now(), '{"was": "stored"}')
"""
A_DUE_JOB = "INSERT INTO jobs (name, due_at) VALUES ('work', now())"


class Late:
    """A resource that opens when the test says so."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.opens = asyncio.Event()
        self.failure: Exception | None = None

    @asynccontextmanager
    async def open(self, _resources: Any) -> AsyncIterator["Late"]:
        self.waiting.set()
        await self.opens.wait()
        if self.failure:
            raise self.failure
        yield self


@pytest.fixture
def happened() -> list[str]:
    return []


@pytest.fixture
async def work_waits(admin) -> None:
    """There is an event to send, and a job to run."""
    await admin.execute(AN_EVENT)
    await admin.execute(A_DUE_JOB)


@pytest.fixture
async def busy(settings, work_waits, happened, admin):
    """A service that finds work at its start."""
    handlers, jobs = Handlers(), Jobs()

    @handlers.on("thing.made")
    async def handle(event: Event, _resources: Any) -> None:
        happened.append(event.data["was"])

    @jobs.every(timedelta(days=3650))
    async def work(_resources: Any) -> None:
        happened.append("worked")

    await admin.execute(AN_ARRIVED_EVENT, handlers.subscriptions[0].consumer)
    return await asyncio.to_thread(
        make_service, "busy", settings, Ports(), routers=[], handlers=[handlers], jobs=[jobs]
    )


@pytest.fixture
def all_happened(happened, becomes):
    async def all_of_it() -> bool:
        return set(happened) == {"announced", "stored", "worked"}

    return lambda: becomes(all_of_it)


async def test_a_service_that_runs_alone_begins_at_once(busy, all_happened):
    async with running(busy):
        await all_happened()


@pytest.fixture
def late() -> Late:
    return Late()


@pytest.fixture
def host(busy, late, service, second_url, tmp_path) -> Host:
    """The busy service, and after it one that starts late."""
    settings = local_settings(service, database_url=second_url, folder=tmp_path)
    other = make_service("late", settings, Ports(), routers=[], resources=[Resource(Late, late.open)])
    return Host(ServiceMount("busy", busy), ServiceMount("late", other))


async def test_a_service_that_is_mounted_begins_when_the_last_one_has_started(host, late, happened, all_happened):
    async def let_it_open() -> list[str]:
        await late.waiting.wait()
        await asyncio.sleep(0.3)
        before = list(happened)
        late.opens.set()
        return before

    before = asyncio.create_task(let_it_open())
    async with running(host):
        assert await before == []
        await all_happened()


async def test_where_one_does_not_start_no_other_begins(host, late, happened, admin):
    late.failure = OSError("no disk")
    late.opens.set()
    with pytest.raises(StartupError, match="late: Late did not open: OSError: no disk"):
        async with running(host):
            pass
    assert happened == []
    assert await admin.fetchval("SELECT count(*) FROM outbox WHERE sent_at IS NULL AND attempts = 0") == 1


@pytest.mark.parametrize("kind", ["job", "handler"])
async def test_work_has_ended_before_what_it_uses_closes(settings, admin, becomes, happened, kind):
    handlers, jobs = Handlers(), Jobs()

    async def work(resources: Any) -> None:
        happened.append("began")
        try:
            await asyncio.sleep(60)
        finally:
            async with resources.database.transaction() as session:
                happened.append(await session.scalar(text("SELECT 'cleaned up'")))

    @handlers.on("thing.made")
    async def handle(_event: Event, resources: Any) -> None:
        await work(resources)

    @asynccontextmanager
    async def pool(_resources: Any) -> AsyncIterator[Late]:
        yield Late()
        happened.append("closed")

    if kind == "job":
        jobs.every(timedelta(days=3650))(work)
        await admin.execute(A_DUE_JOB)
    else:
        await admin.execute(AN_EVENT)

    async def began() -> bool:
        return bool(happened)

    parts = {"resources": [Resource(Late, pool)], "handlers": [handlers], "jobs": [jobs]}
    app = await asyncio.to_thread(make_service, "busy", settings, Ports(), routers=[], **parts)
    async with started(app, name="app"):
        await becomes(began)
    assert happened == ["began", "cleaned up", "closed"]


@pytest.mark.parametrize("kind", ["job", "handler"])
async def test_work_that_does_not_end_is_named_and_keeps_nothing_open(settings, admin, becomes, happened, logs, kind):
    handlers, jobs = Handlers(), Jobs()
    may_end = asyncio.Event()

    async def work(_resources: Any) -> None:
        happened.append("began")
        while not may_end.is_set():
            with suppress(asyncio.CancelledError):
                await may_end.wait()

    @handlers.on("thing.made")
    async def handle(_event: Event, resources: Any) -> None:
        await work(resources)

    @asynccontextmanager
    async def pool(_resources: Any) -> AsyncIterator[Late]:
        yield Late()
        happened.append("closed")
        may_end.set()

    if kind == "job":
        jobs.every(timedelta(days=3650))(work)
        await admin.execute(A_DUE_JOB)
    else:
        await admin.execute(AN_EVENT)

    async def began() -> bool:
        return bool(happened)

    closing = Closing(timeout_s=1)
    parts = {"resources": [Resource(Late, pool)], "handlers": [handlers], "jobs": [jobs]}
    app = await asyncio.to_thread(make_service, "busy", settings, Ports(), routers=[], **parts)
    with closing_by(closing):
        async with started(app, name="app"):
            await becomes(began)
            closing.begin()
    assert happened == ["began", "closed"]
    task, stuck = ("jobs", "work") if kind == "job" else ("dispatcher", handlers.subscriptions[0].consumer)
    lines = [(line["task"], line["stuck"]) for line in logs if line["event"] == "task did not end"]
    assert lines == [(task, [stuck])]
    assert closing.stuck == [f"task {task}"]
