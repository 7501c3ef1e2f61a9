"""What is told again: after what it repeats, no faster than it is sent, and without effect on those who know it."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from uuid import UUID

import pytest
from example.things.announcements import announcements
from example.things.dependencies import build
from example.things.replays import count_things, retell_things
from sqlalchemy import text

from core.cli.applications import opened
from core.database import open_database
from core.errors import Conflict
from core.events import Dispatcher, Handlers, Inbox, Relay, Replay
from core.events.bus import LocalBus
from core.events.upkeep import replaying
from core.events.upkeep.replaying import Progress, Replaying
from core.settings import DatabaseSettings
from core.web.etags import EntityTags, Preconditions

THINGS = Replay("things", count_things, retell_things)
ANY = Preconditions(if_match=EntityTags(anything=True))
BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(replaying, "LOOK_PAUSE_S", 0.01)


@pytest.fixture
async def resources(app):
    """Those of the example, which does nothing in the background."""
    async with opened(app) as held:
        yield held


@pytest.fixture
def things(resources):
    """`async with things() as things`: what can be done with them, in one transaction."""

    @asynccontextmanager
    async def transaction():
        async with resources.database.transaction() as session:
            yield build(session, resources)

    return transaction


@pytest.fixture
def make(things):
    async def thing(name):
        async with things() as made:
            return (await made.make(name)).id

    return thing


@pytest.fixture
def retell(resources):
    """`await retell()`: tells all things again, and gives the progress of it."""

    async def all_of_it(*replays: Replay, rate: int | None = None, after: UUID | None = None) -> Sequence[Progress]:
        replays = replays or (THINGS,)
        told = Replaying(database=resources.database, resources=resources, rate=rate)
        return [progress async for progress in told.run(replays, after=after)]

    return all_of_it


@pytest.fixture
def told(admin):
    """What the outbox holds, in its order: the name and the version of a thing."""

    async def look():
        rows = await admin.fetch("SELECT data->>'name', sequence FROM outbox ORDER BY position")
        return [tuple(row) for row in rows]

    return look


@pytest.fixture
def waits(becomes, admin):
    """`await waits()`: until somebody waits for a lock."""
    return lambda: becomes(lambda: admin.fetchval(BLOCKED))


async def test_a_change_under_way_is_told_before_the_state_that_it_leaves(things, make, retell, told, waits):
    thing_id = await make("old")
    async with things() as changing:
        await changing.change(thing_id, ANY, {"name": "new"})
        retelling = asyncio.create_task(retell())
        await waits()
    await retelling
    assert await told() == [("old", 1), ("new", 2), ("new", 2)]


async def test_a_change_waits_for_the_page_that_tells_the_state_before_it(things, make, retell, told, waits):
    thing_id = await make("old")
    has_told, may_commit = asyncio.Event(), asyncio.Event()

    async def slowly(session, resources, after, limit):
        page = await retell_things(session, resources, after, limit)
        has_told.set()
        await may_commit.wait()
        return page

    async def change():
        async with things() as changing:
            await changing.change(thing_id, ANY, {"name": "new"})

    retelling = asyncio.create_task(retell(replace(THINGS, retell=slowly)))
    await has_told.wait()
    changing = asyncio.create_task(change())
    await waits()
    may_commit.set()
    await asyncio.gather(retelling, changing)
    assert await told() == [("old", 1), ("old", 1), ("new", 2)]


async def test_it_waits_while_the_outbox_is_full(make, resources, told, admin, monkeypatch):
    monkeypatch.setattr(replaying, "UNSENT_MAX", 2)
    monkeypatch.setattr(replaying, "THINGS_MAX", 1)
    first, second = await make("first"), await make("second")
    steps = Replaying(database=resources.database, resources=resources).run([THINGS])

    async def step():
        progress = await anext(steps)
        return progress.told, progress.through, progress.is_waiting

    assert await step() == (0, None, True)
    assert await step() == (0, None, True)
    # What is dead, or due later, does not fill it.
    await admin.execute("UPDATE outbox SET dead_at = now() WHERE data->>'name' = 'first'")
    await admin.execute("UPDATE outbox SET due_at = now() + interval '1 hour' WHERE data->>'name' = 'second'")
    assert await step() == (1, first, False)
    assert await step() == (2, second, False)
    assert await step() == (2, second, True)
    await admin.execute("UPDATE outbox SET sent_at = now()")
    with pytest.raises(StopAsyncIteration):
        await step()
    assert await told() == [("first", 1), ("second", 1)] * 2


async def test_what_is_announced_no_more_does_not_fill_it(make, resources, admin, monkeypatch):
    monkeypatch.setattr(replaying, "UNSENT_MAX", 1)
    await make("first")
    await admin.execute("UPDATE outbox SET type = 'thing.forgotten'")
    progress = await anext(Replaying(database=resources.database, resources=resources).run([THINGS]))
    assert not progress.is_waiting


async def test_no_more_are_told_in_a_second_than_was_asked_for(make, retell):
    await make("first")
    await make("second")
    began_at = time.monotonic()
    assert [progress.told for progress in await retell(rate=1000)] == [0, 2]
    assert [progress.told for progress in await retell(rate=20)] == [0, 2]
    assert time.monotonic() - began_at >= 2 / 20


async def test_a_page_that_fails_is_not_told_and_the_one_before_it_is(make, retell, told, admin, monkeypatch):
    monkeypatch.setattr(replaying, "THINGS_MAX", 1)
    await make("first")
    await make("second")
    await admin.execute("DELETE FROM outbox")

    async def once(session, resources, after, limit):
        page = await retell_things(session, resources, after, limit)
        if after:
            raise Conflict
        return page

    with pytest.raises(Conflict):
        await retell(replace(THINGS, retell=once))
    assert await told() == [("first", 1)]


async def test_a_replay_that_gives_the_same_things_again_is_stopped(make, retell, told, admin):
    thing_id = await make("first")
    await admin.execute("DELETE FROM outbox")

    async def from_the_first(session, resources, _after, limit):
        return await retell_things(session, resources, None, limit)

    with pytest.raises(ValueError, match=f"the replay of things does not go on after {thing_id}"):
        await asyncio.wait_for(retell(replace(THINGS, retell=from_the_first)), 30)
    assert await told() == [("first", 1)]


class Copies:
    """A consumer that keeps a copy of each thing, once by one handler and once by a handler for each type."""

    def __init__(self, database) -> None:
        self.database = database
        self.handlers = Handlers()
        self.handlers.once("thing.made", source="example")(self.handlers.once("thing.changed", source="example")(copy))
        self.handlers.once("thing.made", source="example")(copy_made)
        self.handlers.once("thing.changed", source="example")(copy_changed)

    async def rows(self):
        async with self.database.statement() as connection:
            rows = await connection.execute(text("SELECT keeper, id, name FROM copies ORDER BY keeper, id"))
            return [tuple(row) for row in rows]

    async def writes(self):
        async with self.database.statement() as connection:
            return dict((await connection.execute(text("SELECT keeper, sum(writes) FROM copies GROUP BY 1"))).all())

    async def has_handled(self, count):
        async with self.database.statement() as connection:
            handled = "SELECT count(*) = :count AND count(handled_at) = :count FROM inbox"
            return await connection.scalar(text(handled), {"count": count})

    async def execute(self, statement, **values):
        async with self.database.statement() as connection:
            await connection.execute(text(statement), values)


async def _copy(keeper, event, session):
    await session.execute(
        text("""
            INSERT INTO copies VALUES (:keeper, :id, :name, 1)
            ON CONFLICT (keeper, id) DO UPDATE SET name = excluded.name, writes = copies.writes + 1
        """),
        {"keeper": keeper, "id": event.data["id"], "name": event.data["name"]},
    )


async def copy(event, session, _resources):
    await _copy("both", event, session)


async def copy_made(event, session, _resources):
    await _copy("each", event, session)


async def copy_changed(event, session, _resources):
    await _copy("each", event, session)


@pytest.fixture
async def copies(template, resources):
    """A consumer in a database of its own, which a relay of the example feeds."""
    name = await template.copy()
    bus = LocalBus()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(template.drop, name)
        url = template.postgres.url(name)
        consumer = Copies(await stack.enter_async_context(open_database(DatabaseSettings(url=url), name="copies")))
        await consumer.execute("CREATE TABLE copies (keeper text, id text, name text, writes int, UNIQUE (keeper, id))")
        inbox = Inbox("copies", consumer.database, consumer.handlers.subscriptions)
        await stack.enter_async_context(bus.feeding(inbox))
        relay = Relay(
            service="example",
            database=resources.database,
            types=announcements.types,
            own=Inbox("example", resources.database, []),
            bus=bus,
            awake=resources.outbox.awake,
        )
        work = [asyncio.create_task(each.run()) for each in (relay, Dispatcher(inbox=inbox, resources=None))]
        yield consumer
        assert not any(task.done() for task in work)
        for task in work:
            task.cancel()
        await asyncio.wait(work)


async def test_a_consumer_whose_database_was_emptied_is_rebuilt(copies, make, things, retell, becomes):
    first, _ = await make("first"), await make("second")
    async with things() as changing:
        await changing.change(first, ANY, {"name": "third"})
    await becomes(lambda: copies.has_handled(6))
    before = await copies.rows()
    assert [name for _, _, name in before] == ["third", "second"] * 2
    await copies.execute("TRUNCATE copies, inbox, inbox_sequences")
    assert await retell()
    await becomes(lambda: copies.has_handled(4))
    assert await copies.rows() == before


async def test_a_consumer_that_knows_everything_is_not_changed(copies, make, retell, becomes):
    await make("first")
    await becomes(lambda: copies.has_handled(2))
    before = await copies.rows()
    assert await copies.writes() == {"both": 1, "each": 1}
    await retell()
    await becomes(lambda: copies.has_handled(4))
    # The handler of both types has passed it over; the one that had not seen this type has stored the same again.
    assert await copies.writes() == {"both": 1, "each": 2}
    assert await copies.rows() == before
    await retell()
    await becomes(lambda: copies.has_handled(6))
    assert await copies.writes() == {"both": 1, "each": 2}


async def test_a_table_of_a_consumer_is_rebuilt_when_its_handlers_forget_how_far_they_were(
    copies, make, retell, becomes
):
    await make("first")
    await becomes(lambda: copies.has_handled(2))
    before = await copies.rows()
    await copies.execute("TRUNCATE copies")
    await copies.execute("DELETE FROM inbox_sequences WHERE consumer = :consumer", consumer=f"{__name__}.copy")
    await retell()
    await becomes(lambda: copies.has_handled(4))
    assert await copies.rows() == before
