"""What the example tells other services of its things: each change, and again from the beginning."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from example.things.replays import replays

from core.ids import format_id, new_id
from core.lifespan import held_back, started
from core.resources import STATE, Resources

TOLD = "SELECT type, subject, sequence, data FROM outbox ORDER BY position"


@pytest.fixture
async def resources(app) -> AsyncIterator[Resources]:
    """Those of the running example, whose relay does not begin."""
    with held_back():
        async with started(app, name="example") as state:
            yield state[STATE]


@pytest.fixture
def told(admin):
    """`await told()`: type, subject, sequence and data of each event, in order."""

    async def events():
        rows = await admin.fetch(TOLD)
        return [(row["type"], row["subject"], row["sequence"], json.loads(row["data"])) for row in rows]

    return events


@pytest.fixture
async def things(admin) -> list[UUID]:
    """The ids of three things, in order; the second one has been changed once."""
    ids = sorted(new_id() for _ in range(3))
    for number, thing in reversed(list(enumerate(ids))):
        await admin.execute(
            "INSERT INTO things (id, name, version, created_at, announced) VALUES ($1, $2, $3, now(), 0)",
            thing,
            f"thing {number}",
            2 if number == 1 else 1,
        )
    return ids


async def test_a_thing_is_told_as_it_is_after_each_change(client, signed_in, told):
    made = await client.post("/v1/things", json={"name": "chair"}, headers=signed_in() | {"Idempotency-Key": "1"})
    thing = made.json()["id"]
    await client.patch(f"/v2/things/{thing}", json={"note": "old"}, headers={"If-Match": '"v1"'})
    assert await told() == [
        ("thing.made", thing, 1, {"id": thing, "name": "chair", "note": None}),
        ("thing.changed", thing, 2, {"id": thing, "name": "chair", "note": "old"}),
    ]


async def test_things_are_told_again_page_by_page_as_they_are(resources, things, told):
    (replay,) = replays.declared
    async with resources.database.transaction() as session:
        assert await replay.count(session, resources) == 3
        first = await replay.retell(session, resources, None, 2)
        rest = await replay.retell(session, resources, first[-1], 2)
        assert await replay.retell(session, resources, rest[-1], 2) == []
    assert [*first, *rest] == things
    assert [(type_, subject, sequence) for type_, subject, sequence, _ in await told()] == [
        ("thing.changed", format_id("thg", thing), 2 if number == 1 else 1) for number, thing in enumerate(things)
    ]


async def test_a_change_that_is_under_way_is_waited_for_and_told(resources, things, told, admin, becomes):
    (replay,) = replays.declared

    async def retell() -> None:
        async with resources.database.transaction() as session:
            await replay.retell(session, resources, None, 1)

    waiting = "SELECT true FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    async with admin.transaction():
        await admin.execute("UPDATE things SET note = 'new', version = 2 WHERE id = $1", things[0])
        retelling = asyncio.create_task(retell())
        await becomes(lambda: admin.fetchval(waiting))
    await retelling
    ((_, _, sequence, data),) = await told()
    assert (sequence, data["note"]) == (2, "new")
