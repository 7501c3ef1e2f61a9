"""The example's lists and reads: what every list and every read of a service does."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from core.ids import format_id, new_id
from core.testing import problem

MOMENT = datetime(2026, 5, 1, 12, tzinfo=UTC)
AddThings = Callable[..., Awaitable[list[str]]]


@pytest.fixture
def add(admin: asyncpg.Connection) -> AddThings:
    """`await add(3)`: the ids of new things, in the order of the list; all but the first of one instant."""
    made = 0

    async def insert(number: int) -> list[str]:
        nonlocal made
        rows = []
        for _ in range(number):
            made += 1
            rows.append((new_id(), f"thing {made}", MOMENT + timedelta(microseconds=min(made, 2)), 0))
        await admin.executemany("INSERT INTO things (id, name, created_at, announced) VALUES ($1, $2, $3, $4)", rows)
        return [format_id("thg", row[0]) for row in rows]

    return insert


@pytest.fixture
def pages(client: httpx.AsyncClient) -> Callable[..., Awaitable[dict[str, Any]]]:
    async def page(**query: Any) -> dict[str, Any]:
        response = await client.get("/v1/things", params=query)
        assert response.status_code == 200
        return response.json()

    return page


async def test_an_empty_list_is_a_page_without_a_next_one(pages):
    assert await pages() == {"data": [], "next_cursor": None}


async def test_the_pages_of_a_list_give_every_row_once_and_in_order(pages, add):
    ids = await add(7)
    seen: list[str] = []
    page = await pages(limit=2)
    while seen.extend(row["id"] for row in page["data"]) or page["next_cursor"]:
        page = await pages(limit=2, cursor=page["next_cursor"])
    assert seen == ids


async def test_a_last_page_that_is_full_has_no_next_one(pages, add):
    await add(4)
    first = await pages(limit=2)
    second = await pages(limit=2, cursor=first["next_cursor"])
    assert (len(second["data"]), second["next_cursor"]) == (2, None)


async def test_a_row_that_is_added_meanwhile_moves_no_other(pages, add):
    ids = await add(3)
    first = await pages(limit=2)
    later = await add(2)
    second = await pages(limit=10, cursor=first["next_cursor"])
    assert [row["id"] for row in second["data"]] == [ids[2], *later]


@pytest.mark.parametrize(
    ("query", "rows"), [({}, 20), ({"limit": 100}, 100), ({"limit": 1000}, 100), ({"limit": 1}, 1)]
)
async def test_a_page_has_twenty_rows_unless_told_and_never_more_than_a_hundred(pages, add, query, rows):
    await add(101)
    assert len((await pages(**query))["data"]) == rows


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": "many"}, {"color": "red"}])
async def test_a_list_refuses_what_it_does_not_know(client, query):
    assert problem(await client.get("/v1/things", params=query)) == (422, "validation_failed")


CHANGES = {"changed": lambda cursor: "B" + cursor[1:], "cut": lambda cursor: cursor[:-1], "made up": lambda _: "???"}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_cursor_that_the_list_did_not_give_out_is_refused(client, pages, add, change):
    await add(2)
    cursor = (await pages(limit=1))["next_cursor"]
    assert problem(await client.get("/v1/things", params={"cursor": change(cursor)})) == (422, "invalid_cursor")


async def test_a_thing_is_read(client, add):
    [thing] = await add(1)
    response = await client.get(f"/v1/things/{thing}")
    assert response.json() == {"id": thing, "name": "thing 1", "created_at": "2026-05-01T12:00:00.000001Z"}


@pytest.mark.parametrize("thing", ["thg_01h455vb4pex5vsknk084sn02q", "usr_01h455vb4pex5vsknk084sn02q", "thg_1", "1"])
async def test_what_is_no_id_of_a_thing_is_not_found(client, thing):
    assert problem(await client.get(f"/v1/things/{thing}")) == (404, "not_found")
