"""A handler that forgets how far it is: what it is told again it handles anew, whatever it was doing meanwhile."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from core.events import Handlers
from core.events.upkeep import forgetting
from core.events.upkeep.forgetting import Forgetting, Forgotten

CONSUMER = f"{__name__}.Handler.handle"
TOLD_AGAIN = UUID(int=99)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(forgetting, "LOOK_PAUSE_S", 0.01)


class Handler:
    """One that takes as long as a test wants, and says what it has handled."""

    def __init__(self) -> None:
        self.handlers = Handlers()
        self.has_begun, self.may_end = asyncio.Event(), asyncio.Event()
        self.handled: list[int] = []

    async def handle(self, event, *_given):
        self.has_begun.set()
        await self.may_end.wait()
        self.handled.append(event.sequence)


@pytest.fixture
def handler():
    return Handler()


@pytest.fixture
def is_handled(admin):
    async def look():
        return await admin.fetchval("SELECT count(handled_at) = count(*) FROM inbox")

    return look


@pytest.fixture
def known(admin):
    return lambda: admin.fetchval("SELECT count(*) FROM inbox_sequences WHERE consumer = $1", CONSUMER)


async def test_some_are_forgotten_at_a_time(database, admin, monkeypatch, known):
    monkeypatch.setattr(forgetting, "SUBJECTS_MAX", 2)
    await admin.execute("INSERT INTO inbox_sequences SELECT $1, n::text, n FROM generate_series(1, 3) AS n", CONSUMER)
    assert await Forgetting(database, CONSUMER).count() == 3
    steps = Forgetting(database, CONSUMER).run()
    assert (await anext(steps), await known()) == (Forgotten(2), 1)
    assert [step async for step in steps] == [Forgotten(3)]


@pytest.mark.parametrize("way", [Handlers.once, Handlers.on])
async def test_what_a_run_under_way_learns_is_forgotten_too(
    database, handler, way, event, dispatching, becomes, is_handled, known
):
    way(handler.handlers, "thing.made", source="shop")(handler.handle)
    async with dispatching(handler.handlers) as dispatcher:
        state = event(sequence=1)
        await dispatcher.inbox.receive([state])
        await handler.has_begun.wait()
        steps = Forgetting(database, CONSUMER).run()
        assert await anext(steps) == Forgotten(0, awaited=1)
        assert await anext(steps) == Forgotten(0, awaited=1)
        handler.may_end.set()
        assert [step async for step in steps][-1] == Forgotten(1)
        assert await known() == 0
        await dispatcher.inbox.receive([replace(state, id=TOLD_AGAIN)])
        await becomes(is_handled)
        # It knows it again.
        await dispatcher.inbox.receive([replace(state, id=UUID(int=100))])
        await becomes(is_handled)
    assert handler.handled == [1, 1]


@pytest.fixture
def claimed(admin):
    """`await claimed(CONSUMER)`: a run of another replica begins."""

    async def begin(consumer):
        statement = """
            INSERT INTO inbox (consumer, event_id, source, type, subject, sequence, time, data, attempts, leased_until)
            VALUES ($1, gen_random_uuid(), 'shop', 'thing.made', 'thg_3', 1, now(), '{}', 1, now() + interval '1 hour')
        """
        await admin.execute(statement, consumer)

    return begin


async def test_neither_a_run_that_begins_meanwhile_nor_what_it_has_locked_is_waited_for(
    database, handler, event, dispatching, admin, known, claimed
):
    handler.handlers.once("thing.made", source="shop")(handler.handle)
    await admin.execute("INSERT INTO inbox_sequences VALUES ($1, 'thg_1', 1), ($1, 'thg_2', 1)", CONSUMER)
    await claimed(CONSUMER)
    steps = Forgetting(database, CONSUMER).run()
    assert await anext(steps) == Forgotten(0, awaited=1)
    async with dispatching(handler.handlers) as dispatcher:
        await dispatcher.inbox.receive([event(sequence=2)])
        await handler.has_begun.wait()
        # The other one was killed, and its lease ends.
        await admin.execute("UPDATE inbox SET leased_until = now() WHERE subject = 'thg_3'")
        assert [step async for step in steps][-1] == Forgotten(1)
        assert await known() == 1
        handler.may_end.set()


@pytest.mark.parametrize(
    "change", ["UPDATE inbox SET attempts = 2", "UPDATE inbox SET leased_until = now() - interval '1 second'"]
)
async def test_a_run_that_was_taken_over_or_killed_is_waited_for_no_longer(database, admin, claimed, change):
    await claimed(CONSUMER)
    steps = Forgetting(database, CONSUMER).run()
    assert await anext(steps) == Forgotten(0, awaited=1)
    await admin.execute(change)
    assert [step async for step in steps] == [Forgotten(0)]


async def test_a_run_of_another_handler_is_not_waited_for(database, claimed):
    await claimed("another")
    assert [step async for step in Forgetting(database, CONSUMER).run()] == [Forgotten(0)]
