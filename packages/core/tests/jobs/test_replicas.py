"""Replicas as real processes: one runs each job, and another goes on when it is killed or told to stop."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PATIENCE_S = 30
Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(database_url, admin) -> AsyncIterator[Start]:
    """`await start("first")`: a replica of that name; none outlives the test."""
    await admin.execute("CREATE TABLE notes (replica text, started_at timestamptz)")
    started: list[Process] = []

    async def launch(mode: str) -> Process:
        command = [sys.executable, str(TESTS / "jobs" / "replica.py"), mode, database_url]
        environment = {**os.environ, "PYTHONPATH": str(TESTS)}
        started.append(await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=PIPE, env=environment))
        return started[-1]

    yield launch
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@pytest.fixture
def connected(admin, becomes) -> Callable[[int], Awaitable[object]]:
    """`await connected(3)`: so many replicas have opened their database."""
    sql = """
        SELECT count(*) >= 4 * $1::int FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'example'
    """
    return lambda replicas: becomes(lambda: admin.fetchval(sql, replicas), patience_s=PATIENCE_S)


async def test_of_three_processes_one_runs_a_job_each_second_and_all_stop_well(start, admin, becomes, connected):
    replicas = [await start(name) for name in ("first", "second", "third")]
    await connected(3)
    await admin.execute("DELETE FROM notes")
    await becomes(lambda: admin.fetchval("SELECT count(*) >= 3 FROM notes"), patience_s=PATIENCE_S)
    for replica in replicas:
        replica.send_signal(signal.SIGTERM)
    assert [await replica.wait() for replica in replicas] == [0, 0, 0]
    seconds = await admin.fetch("SELECT date_trunc('second', started_at) AS begun FROM notes")
    assert len({each["begun"] for each in seconds}) == len(seconds)
    left = await admin.fetchrow("SELECT leased_until, failures, last_error FROM jobs WHERE name = 'note'")
    assert tuple(left) == (None, 0, None)


async def hanging(start, admin, becomes) -> Process:
    """A process in the middle of its job."""
    process = await start("hangs")
    await becomes(lambda: admin.fetchval("SELECT count(*) = 1 FROM notes"), patience_s=PATIENCE_S)
    return process


LEASE = "SELECT leased_until - now() FROM jobs WHERE name = 'note'"
SURVIVES = "SELECT true FROM notes WHERE replica = 'survives'"


async def test_a_process_that_is_killed_in_the_middle_of_a_job_leaves_it_when_its_lease_has_run_out(
    start, admin, becomes, connected
):
    killed = await hanging(start, admin, becomes)
    killed.kill()
    await killed.wait()
    assert await admin.fetchval(LEASE) > timedelta(seconds=30)
    await start("survives")
    await connected(1)
    await asyncio.sleep(0.5)
    assert not await admin.fetchval(SURVIVES)
    await admin.execute("UPDATE jobs SET leased_until = now()")
    await becomes(lambda: admin.fetchval(SURVIVES), patience_s=PATIENCE_S)


async def test_a_process_that_stops_in_the_middle_of_a_job_leaves_it_at_once(start, admin, becomes):
    stopped = await hanging(start, admin, becomes)
    stopped.terminate()
    assert await stopped.wait() == 0
    assert await admin.fetchval(LEASE) is None
    await start("survives")
    await becomes(lambda: admin.fetchval(SURVIVES), patience_s=PATIENCE_S)
