"""What users tells again, for a consumer that starts anew."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from core.dependencies.resources import STATE
from core.ids import format_id
from core.lifespan import started


@pytest.fixture
async def retell(build):
    """`await retell("users", 2)`: tells one kind of thing again, two of them at a time; gives their ids."""
    app = await build()
    replays = {replay.name: replay for replay in app.catalogue.replays}

    async def run(name, limit=100):
        told = []
        while True:
            async with resources.database.transaction() as session:
                page = await replays[name].retell(session, resources, told[-1] if told else None, limit)
                count = await replays[name].count(session, resources)
            told += page
            if len(page) < limit:
                assert told == sorted(set(told))
                assert count == len(told)
                return told

    async with started(app, name="users") as state:
        resources = state[STATE]
        yield run


async def test_users_are_told_again_as_they_are(join, rows, retell):
    people = [await join(f"{name}@example.com") for name in ("ada", "eve", "joe")]
    await rows("UPDATE users SET status = 'suspended', version = 7 WHERE email = 'eve@example.com'")
    told = [format_id("usr", user_id) for user_id in await retell("users", 2)]
    assert told == [person.id for person in people]
    events = await rows("SELECT subject, sequence, data FROM outbox WHERE type = 'user.updated' ORDER BY position")
    assert [tuple(event.values()) for event in events] == [
        (people[0].id, 2, {"id": people[0].id, "status": "active"}),
        (people[1].id, 7, {"id": people[1].id, "status": "suspended"}),
        (people[2].id, 2, {"id": people[2].id, "status": "active"}),
    ]


@pytest.mark.parametrize(
    "state", ["status = 'pending'", "status = 'deleting'", "status = 'erased', address = NULL, email = NULL"]
)
async def test_who_comes_or_goes_is_not_told_of(ada, rows, retell, state):
    assert len(await retell("users")) == 1
    await rows(f"UPDATE users SET {state}")  # noqa: S608 - ours
    assert await retell("users") == []


async def test_an_ended_session_is_told_again_while_its_tokens_are_believed(client, ada, clock, rows, retell):
    sessions = []
    for _ in range(3):
        await ada.sign_in()
        sessions.append(ada.tokens["session"]["id"])
        assert (await client.delete("/v1/sessions/current", headers=ada.headers)).status_code == 204
    await ada.sign_in()
    state = "SELECT subject, sequence, data FROM outbox WHERE type = 'session.revoked' ORDER BY position"
    before = await rows(state)
    assert [format_id("ses", session_id) for session_id in await retell("sessions", 2)] == sessions
    assert await rows(state) == before * 2
    clock.advance(timedelta(seconds=300))
    assert await retell("sessions") == []


@pytest.mark.parametrize("name", ["users", "sessions"])
async def test_a_thing_that_is_being_changed_is_told_after_its_change(client, ada, database_url, retell, becomes, name):
    await ada.sign_in()
    await client.delete("/v1/sessions/current", headers=ada.headers)
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    changing = await asyncpg.connect(database_url)
    async with changing.transaction():
        await changing.execute(f"SELECT 1 FROM {name} FOR NO KEY UPDATE")  # noqa: S608 - ours
        telling = asyncio.create_task(retell(name))
        await becomes(lambda: changing.fetch(waiting))
        assert not telling.done()
    assert len(await telling) == 1
    await changing.close()
