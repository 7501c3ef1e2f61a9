"""core is tested through the smallest whole service, which lives beside its tests."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core.services import Service
from core.testing.databases import TemplateDatabase

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def service() -> Service:
    """The example service."""
    return Service("example", "example.app")


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees what the database under test really holds."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def served_url(served_url: str) -> str:
    """The owner's: operations of these tests make tables."""
    return served_url.replace("//serving@", "//postgres@", 1)


@pytest.fixture
async def second_url(template: TemplateDatabase) -> AsyncIterator[str]:
    """Another database: each service has its own."""
    name = await template.copy()
    yield template.postgres.url(name)
    await template.drop(name)


class Commits:
    """COMMITs that wait until the test lets them go."""

    def __init__(self, admin: asyncpg.Connection) -> None:
        self._admin = admin

    async def hold(self, table: str, *, when: str = "true") -> None:
        """From here on a COMMIT waits whose transaction has inserted such a row."""
        await self._admin.execute(f"""
            CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql
                AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION wait();
            SELECT pg_advisory_lock(1)
        """)

    async def wait(self) -> bool:
        """Whether one does."""
        # Of this test's database: the server has others.
        waiting = """
            SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
            WHERE NOT granted AND locktype = 'advisory' AND datname = current_database()
        """
        return await self._admin.fetchval(waiting) == 1

    async def let_go(self) -> None:
        """Ends their wait, and none waits any more."""
        await self._admin.execute("SELECT pg_advisory_unlock(1)")


@pytest.fixture
def commits(admin: asyncpg.Connection) -> Commits:
    """`await commits.hold("things")`: what writes a thing stops at its COMMIT, until `await commits.let_go()`."""
    return Commits(admin)


@pytest.fixture
def cut_off(admin: asyncpg.Connection, becomes: Callable[..., Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    """`await cut_off()`: ends the statement that waits for a lock of `admin`, once it does, as a time limit would."""
    waiting = """
        SELECT pg_cancel_backend(pid) FROM pg_locks
        WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
    """
    return lambda: becomes(lambda: admin.fetchval(waiting))
