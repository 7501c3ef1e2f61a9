"""Lists of the example while others write: what a client that walks the pages of a list sees, and what it may miss."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from core.ids import format_id

MOMENT = datetime(2026, 5, 1, 12, tzinfo=UTC)
INSERT = "INSERT INTO things (id, name, created_at, announced) VALUES ($1, $2, $3, 0)"


async def add(connection: asyncpg.Connection, created_at: datetime) -> UUID:
    # Any place among the rows of its instant, not only behind them.
    row_id = uuid4()
    await connection.execute(INSERT, row_id, str(row_id), created_at)
    return row_id


async def walk(client: httpx.AsyncClient, *, limit: int, version: str = "v2") -> list[str]:
    """The ids of all pages, in the order in which a client sees them."""
    seen: list[str] = []
    query: dict[str, str | int] = {"limit": limit}
    while True:
        page = (await client.get(f"/{version}/things", params=query)).json()
        seen += [row["id"] for row in page["data"]]
        if page["next_cursor"] is None:
            return seen
        query["cursor"] = page["next_cursor"]


@asynccontextmanager
async def churning(database_url: str, *, instants: int) -> AsyncIterator[None]:
    """While the block runs, others insert and delete rows between, beside and after those that are there."""
    stop = asyncio.Event()
    numbers = count()

    async def churn() -> None:
        connection = await asyncpg.connect(database_url)
        made: list[UUID] = []
        while not stop.is_set():
            # Instants that rows have already, and later ones.
            made.append(await add(connection, MOMENT + timedelta(microseconds=next(numbers) % (2 * instants))))
            if len(made) > 5:
                await connection.execute("DELETE FROM things WHERE id = $1", made.pop(0))
            # So few between two pages that a walk comes to its end.
            await asyncio.sleep(0.005)
        await connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(churn())
        try:
            yield
        finally:
            stop.set()


@pytest.mark.parametrize("instants", [1, 10])
@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_a_row_that_is_there_all_the_time_is_seen_once(anywhere, database_url, admin, instants, version):
    stays = [await add(admin, MOMENT + timedelta(microseconds=number % instants)) for number in range(60)]
    expected = {format_id("thg", row_id) for row_id in stays}
    async with churning(database_url, instants=instants):
        for limit in (3, 7, 20):
            seen = await walk(anywhere, limit=limit, version=version)
            assert len(seen) == len(set(seen))
            assert expected <= set(seen)


async def test_a_row_that_is_committed_behind_the_cursor_is_seen_by_the_next_walk(client, database_url, admin):
    """Its instant is that of its request, not of its COMMIT: a walk that is past it then does not see it."""
    early, late = await add(admin, MOMENT), await add(admin, MOMENT + timedelta(seconds=2))
    first = (await client.get("/v2/things", params={"limit": 1})).json()
    writer = await asyncpg.connect(database_url)
    async with writer.transaction():
        slow = await add(writer, MOMENT + timedelta(seconds=1))
        rest = (await client.get("/v2/things", params={"limit": 1, "cursor": first["next_cursor"]})).json()
    await writer.close()
    assert [row["id"] for row in rest["data"]] == [format_id("thg", late)]
    assert rest["next_cursor"] is None
    assert await walk(client, limit=1) == [format_id("thg", row_id) for row_id in (early, slow, late)]
