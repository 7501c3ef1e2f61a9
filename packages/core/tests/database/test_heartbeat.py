"""Whether the database answers: pools that are busy are no outage, and a connection that was lost is made anew."""

import asyncio

import pytest
from sqlalchemy import text

from core.database import DatabaseUnavailable
from core.dependencies.resources import READINESS, STATE
from core.lifespan import started

# The pools' first connections have said no more than this either, and they stay.
PIDS = """
    SELECT array_agg(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'under test'
"""


@pytest.fixture
def settings(settings):
    limits = {"pool_size": 1, "read_pool_size": 1}
    return settings.model_copy(update={"database": settings.database.model_copy(update=limits)})


async def test_a_service_whose_pools_are_exhausted_stays_ready(app):
    async with started(app, name="app") as state:
        database, readiness = state[STATE].database, state[READINESS]
        async with database.transaction() as session, database.reads._connection():
            await session.execute(text("SELECT 1"))
            for _ in range(4):
                await readiness.check()
            assert readiness.ready


@pytest.fixture
async def beating(opened, admin):
    """A database whose heart has beaten once, and what tells the process on the other end of that connection."""
    async with opened() as database:
        pooled = set(await admin.fetchval(PIDS))

        async def peers() -> set[int]:
            return set(await admin.fetchval(PIDS)) - pooled

        await database.heartbeat.beat()
        yield database.heartbeat, peers


async def test_every_beat_is_on_one_connection(beating):
    heartbeat, peers = beating
    before = await peers()
    await asyncio.gather(*(heartbeat.beat() for _ in range(5)))
    assert (await peers(), len(before)) == (before, 1)


async def test_a_connection_that_was_lost_is_told_and_made_anew(beating, admin):
    heartbeat, peers = beating
    [lost] = await peers()
    await admin.execute("SELECT pg_terminate_backend($1, 1000)", lost)
    with pytest.raises(DatabaseUnavailable):
        await heartbeat.beat()
    await heartbeat.beat()
    [made] = await peers()
    assert made != lost


async def test_a_beat_that_was_given_up_leaves_nothing_that_waits(beating, admin, becomes):
    heartbeat, peers = beating
    [hanging] = await peers()
    beat = asyncio.create_task(heartbeat.beat())
    await asyncio.sleep(0)
    beat.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beat

    async def is_gone() -> bool:
        return hanging not in await peers()

    await becomes(is_gone)
    await heartbeat.beat()
