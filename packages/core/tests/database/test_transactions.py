"""What a transaction promises to who opens one."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Database, DatabaseUnavailable
from core.errors import Conflict

# Of this test's database: the server has others.
SESSIONS = "FROM pg_stat_activity WHERE datname = current_database()"
INSERT = text("INSERT INTO notes VALUES (:text)")


class Kept(Conflict):
    """A refusal that keeps what was written."""

    keeps_changes = True


async def test_what_was_written_is_committed_when_the_block_ends(database, notes):
    async with database.transaction() as session:
        await session.execute(INSERT, {"text": "a"})
        assert await notes() == []
    assert await notes() == ["a"]


async def write_and_fail(database: Database, failure: Exception) -> None:
    async with database.transaction() as session:
        await session.execute(INSERT, {"text": "a"})
        raise failure


@pytest.mark.parametrize("failure", [Conflict(), RuntimeError("a bug")])
async def test_a_refusal_or_a_bug_rolls_back(database, notes, failure):
    with pytest.raises(type(failure)):
        await write_and_fail(database, failure)
    assert await notes() == []


async def test_a_refusal_that_keeps_its_changes_is_committed_and_raised(database, notes):
    with pytest.raises(Kept):
        await write_and_fail(database, Kept())
    assert await notes() == ["a"]


async def test_a_commit_that_fails_is_raised(database, notes):
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            await session.execute(text("INSERT INTO notes VALUES ('a'), ('a')"))
    assert await notes() == []


async def test_a_block_that_is_cancelled_rolls_back(database, notes):
    written = asyncio.Event()

    async def write() -> None:
        async with database.transaction() as session:
            await session.execute(INSERT, {"text": "a"})
            written.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(write())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await notes() == []


async def test_a_commit_that_has_begun_is_finished_though_its_task_is_cancelled(database, notes, commits, becomes):
    async def write() -> None:
        async with database.transaction() as session:
            await session.execute(INSERT, {"text": "a"})

    await commits.hold("notes")
    task = asyncio.create_task(write())
    await becomes(commits.wait)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0.05)
    assert not task.done()
    await commits.let_go()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await notes() == ["a"]


async def test_a_statement_that_is_cancelled_is_no_outage_and_leaves_the_pool_usable(opened, admin, becomes):
    async def sleep() -> None:
        async with database.transaction() as session:
            await session.execute(text("SELECT pg_sleep(30)"))

    async with opened(pool_size=1) as database:
        task = asyncio.create_task(sleep())
        sleeping = f"SELECT count(*) = 1 {SESSIONS} AND query LIKE '%pg_sleep(30)' AND state = 'active'"
        await becomes(lambda: admin.fetchval(sleeping))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await select_one(database)


async def select_one(database) -> None:
    async with database.transaction() as session:
        await session.execute(text("SELECT 1"))


async def lose_connection(session: AsyncSession, admin: asyncpg.Connection) -> int:
    pid = await session.scalar(text("SELECT pg_backend_pid()"))
    await admin.execute("SELECT pg_terminate_backend($1, 1000)", pid)
    return pid


async def test_a_lost_connection_does_not_hide_why_the_block_failed(database, admin):
    async def refuse() -> None:
        async with database.transaction() as session:
            await lose_connection(session, admin)
            raise Conflict

    with pytest.raises(Conflict):
        await refuse()


async def test_a_connection_that_is_lost_is_told_and_replaced(opened, admin):
    async def go_on() -> None:
        async with database.transaction() as session:
            await lose_connection(session, admin)
            await session.execute(text("SELECT 1"))

    async with opened(pool_size=1) as database:
        with pytest.raises(DatabaseUnavailable):
            await go_on()
        await select_one(database)


async def test_a_connection_that_is_lost_before_the_commit_is_no_success(database, notes, admin):
    async def write() -> None:
        async with database.transaction() as session:
            await session.execute(INSERT, {"text": "a"})
            await lose_connection(session, admin)

    with pytest.raises(DatabaseUnavailable):
        await write()
    assert await notes() == []


async def test_no_connection_is_taken_before_the_first_statement(opened):
    async with opened(pool_size=1) as database, database.transaction() as idle:
        async with database.transaction() as session:
            assert await session.scalar(text("SELECT 1")) == 1
        assert await idle.scalar(text("SELECT 2")) == 2


async def test_a_full_pool_is_told_in_time_and_never_grows(opened, admin):
    async with opened(pool_size=2, pool_timeout_s=0.2) as database:
        busy = asyncio.Event()

        async def occupy() -> None:
            async with database.transaction() as session:
                await session.execute(text("SELECT 1"))
                await busy.wait()

        holders = [asyncio.create_task(occupy()) for _ in range(2)]
        began = asyncio.get_running_loop().time()
        waiting = await asyncio.gather(*(select_one(database) for _ in range(5)), return_exceptions=True)
        assert asyncio.get_running_loop().time() - began > 0.15
        assert {type(outcome) for outcome in waiting} == {DatabaseUnavailable}
        # Two that write, and two that only read.
        assert await admin.fetchval(f"SELECT count(*) {SESSIONS} AND application_name = 'under test'") == 4
        busy.set()
        await asyncio.gather(*holders)
        await select_one(database)


async def test_who_is_cancelled_while_waiting_for_a_connection_takes_none(opened):
    async with opened(pool_size=1, pool_timeout_s=5) as database:
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))
            waiting = [asyncio.create_task(select_one(database)) for _ in range(3)]
            await asyncio.sleep(0.02)
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
        assert database.engine.pool.checkedout() == 0
        await select_one(database)


async def test_a_statement_that_takes_too_long_is_ended(database):
    async def take_long() -> None:
        async with database.transaction() as session:
            # In place of the setting, under which a busy machine may not even connect.
            await session.execute(text("SET LOCAL statement_timeout = 50"))
            await session.execute(text("SELECT pg_sleep(5)"))

    with pytest.raises(DatabaseUnavailable) as raised:
        await take_long()
    assert "statement timeout" in str(raised.value.__cause__)


async def test_a_statement_that_is_refused_is_no_outage_and_shows_no_parameter(database, notes):
    async with database.transaction() as session:
        with pytest.raises(DBAPIError) as raised:
            await session.execute(text("INSERT INTO notes VALUES (CAST(:text AS int) / 0)"), {"text": 4711})
    assert "4711" not in str(raised.value)
