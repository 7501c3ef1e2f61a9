"""What the tests of this room do again and again: declare a job, run it in replicas, look at its row."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from core.database import Database
from core.jobs import Job, Jobs, Runner
from core.metrics import Metrics

# No test meets a time at which such a job is due.
DECADE = timedelta(days=3650)
RunJobs = Callable[..., AbstractAsyncContextManager[Metrics]]


class Purge:
    """A job called `purge` that remembers its runs, and does as `then` says."""

    def __init__(self, interval: timedelta = DECADE, **options: Any) -> None:
        self.runs = 0
        self.then: Callable[[], Awaitable[object]] | None = None
        jobs = Jobs()

        @jobs.every(interval, **options)
        async def purge(_resources: object) -> None:
            self.runs += 1
            if self.then is not None:
                await self.then()

        [self.job] = jobs.declared

    async def has_run(self) -> bool:
        return self.runs > 0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long: the table is asked again and again."""
    monkeypatch.setattr("core.jobs.runner.PAUSE_S_MAX", 0.05)
    monkeypatch.setattr("core.jobs.runner.PAUSE_IN_OUTAGE_S", 0.05)
    monkeypatch.setattr("core.jobs.runner.JITTER_S_MAX", 0.01)


@pytest.fixture
def purging() -> type[Purge]:
    """`purging(timedelta(seconds=1))`: such a job, once in ten years unless told otherwise."""
    return Purge


@pytest.fixture
def purge() -> Purge:
    return Purge()


@pytest.fixture
def replica(database: Database) -> RunJobs:
    """`async with replica(job)`: a runner runs until the block ends; gives its metrics."""

    @asynccontextmanager
    async def run(*jobs: Job, over: Database = database, resources: object = None) -> AsyncIterator[Metrics]:
        metrics = Metrics()
        task = asyncio.create_task(Runner(jobs, database=over, metrics=metrics, resources=resources).run())
        try:
            yield metrics
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.wait([task])

    return run


@pytest.fixture
def row(admin: asyncpg.Connection) -> Callable[[], Awaitable[asyncpg.Record | None]]:
    """`await row()`: what the table says of the job."""
    return lambda: admin.fetchrow("SELECT *, due_at - now() AS due_in, leased_until - now() AS leased_for FROM jobs")


@pytest.fixture
def make_due(admin: asyncpg.Connection, becomes: Callable[..., Awaitable[Any]]) -> Callable[[], Awaitable[None]]:
    """`await make_due()`: the job has its row, and is due."""

    async def due() -> None:
        await becomes(lambda: admin.fetchval("SELECT true FROM jobs"))
        await admin.execute("UPDATE jobs SET due_at = now()")

    return due
