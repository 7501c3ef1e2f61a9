"""What of a request is in the database when it is answered, and when nobody waits for its answer any more."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from core.testing.conformance.grounds import Conforming
from core.testing.conformance.places import Place
from core.testing.problems import problem
from core.testing.socket_wire import SocketWire
from core.testing.wire import Wire

# COMMIT of who has written here waits until the test lets it go.
TABLES = """
    DROP TABLE IF EXISTS conformance_refused, conformance_kept, conformance_slow;
    CREATE TABLE conformance_slow (n int);
    CREATE OR REPLACE FUNCTION conformance_slow() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON conformance_slow DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION conformance_slow()
"""
_COMMITTING = """
    SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND query ILIKE 'commit%' AND state = 'active')
"""


class Transactions:
    @pytest.fixture
    async def tables(self, conforming: Conforming) -> AsyncIterator[asyncpg.Connection]:
        """The database beside the application, without what the test before has left."""
        connection = await asyncpg.connect(conforming.settings.database.url.get_secret_value())
        await connection.execute(TABLES)
        yield connection
        await connection.close()

    async def test_a_refusal_rolls_back(self, somewhere: httpx.AsyncClient, tables: asyncpg.Connection) -> None:
        assert problem(await somewhere.post("/v1/exits/refused")) == (409, "conflict")
        assert not await tables.fetchval("SELECT to_regclass('conformance_refused') IS NOT NULL")

    async def test_a_refusal_that_keeps_changes_commits_first(
        self, somewhere: httpx.AsyncClient, tables: asyncpg.Connection
    ) -> None:
        assert problem(await somewhere.post("/v1/exits/kept")) == (409, "kept")
        assert await tables.fetchval("SELECT to_regclass('conformance_kept') IS NOT NULL")

    async def test_nothing_of_a_success_leaves_before_its_commit_returned(
        self, place: Place, tables: asyncpg.Connection
    ) -> None:
        wire, task = await _committing(place, tables)
        assert wire.status is None
        await _let_go(tables)
        await task
        assert (wire.status, wire.is_whole) == (200, True)
        await _check_settled(place, tables)

    async def test_a_client_that_leaves_during_the_commit_leaves_a_whole_one(
        self, place: Place, tables: asyncpg.Connection
    ) -> None:
        wire, task = await _committing(place, tables)
        wire.disconnect()
        # For whoever listens to it.
        await asyncio.sleep(0.02)
        await _let_go(tables)
        await task
        await _check_settled(place, tables)

    async def test_a_request_that_is_cancelled_during_the_commit_leaves_a_whole_one(
        self, place: Place, tables: asyncpg.Connection
    ) -> None:
        wire, task = await _committing(place, tables)
        wire.cancel()
        await asyncio.sleep(0)
        await _let_go(tables)
        await asyncio.wait([task])
        assert wire.status != 200
        await _check_settled(place, tables)

    async def test_a_commit_that_outlives_its_deadline_is_whole_and_no_success(
        self, place: Place, tables: asyncpg.Connection
    ) -> None:
        wire, task = await _committing(place, tables)
        place.end_the_time()
        (request,) = place.app.deadlines.requests.values()
        while request.cancelled_at is None:  # noqa: ASYNC110 - it is told to nobody
            await asyncio.sleep(0.01)
        await _let_go(tables)
        await task
        assert wire.status == 504
        await _check_settled(place, tables)


async def _committing(place: Place, tables: asyncpg.Connection) -> tuple[Wire | SocketWire, asyncio.Task[None]]:
    """A request whose COMMIT is under way, and stays so."""
    await tables.execute("SELECT pg_advisory_lock(1)")
    wire = place.wire("POST", "/v1/exits/written")
    wire.arrive()
    task = wire.start()
    async with asyncio.timeout(30):
        while not await tables.fetchval(_COMMITTING):
            pass
    return wire, task


async def _let_go(tables: asyncpg.Connection) -> None:
    await tables.execute("SELECT pg_advisory_unlock(1)")


async def _check_settled(place: Place, tables: asyncpg.Connection) -> None:
    """The one row is there, and no connection stays in use; relay and jobs of the service use one now and then."""
    assert await tables.fetchval("SELECT count(*) FROM conformance_slow") == 1
    async with asyncio.timeout(30):
        in_use = 1
        while in_use:
            await asyncio.sleep(0.01)
            in_use = place.in_use
