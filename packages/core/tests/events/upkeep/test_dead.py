"""What becomes of an event that was given up, when somebody has seen to it."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from core.events import Dispatcher, Event, Handlers, Inbox, Relay
from core.events.bus import LocalBus
from core.events.upkeep import dead as dead_events
from core.events.upkeep.dead import Chosen, DeadEvents
from core.ids import new_id

ALL = Chosen()
TELL = text("INSERT INTO things (id, name, created_at, announced) VALUES (:id, :name, clock_timestamp(), 0)")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """One failure ends an event."""
    monkeypatch.setattr("core.events.queues.leases.ATTEMPTS_MAX", 1)


class Poison:
    """A handler that fails until it is mended, and has an effect that can be counted."""

    def __init__(self) -> None:
        self.handlers = Handlers()
        self.handlers.once("thing.made", source="shop")(self.handle)
        self.is_mended = False

    async def handle(self, event, session, _resources):
        await session.execute(TELL, {"id": new_id(), "name": f"{event.sequence} {new_id()}"})
        if not self.is_mended:
            raise KeyError(event.subject)


@pytest.fixture
def poison():
    return Poison()


@pytest.fixture
def inbox(database, poison):
    return Inbox("example", database, poison.handlers.subscriptions)


@pytest.fixture
def dead(database):
    return DeadEvents(database)


@pytest.fixture
def dispatching(inbox):
    """`async with dispatching()`: events are handled until the block ends."""

    @asynccontextmanager
    async def run():
        task = asyncio.create_task(Dispatcher(inbox=inbox, resources=None).run())
        yield
        assert not task.done()
        task.cancel()
        await asyncio.wait([task])

    return run


@pytest.fixture
def effects(admin):
    """The sequence of each event that had its effect, in their order."""

    async def look():
        names = await admin.fetch("SELECT name FROM things ORDER BY created_at")
        return [int(row["name"].split()[0]) for row in names]

    return look


@pytest.fixture
def states(admin):
    """How many are not handled yet, and how many are dead."""

    async def look():
        return tuple(
            await admin.fetchrow("SELECT count(*) FILTER (WHERE handled_at IS NULL), count(dead_at) FROM inbox")
        )

    return look


def made(sequence=1):
    now = datetime.now(UTC)
    return Event(id=new_id(), type="thing.made", source="shop", subject="thg_1", sequence=sequence, time=now, data={})


def becoming(states, expected):
    async def has_become():
        return await states() == expected

    return has_become


async def all_of(pages):
    return [event async for page in pages for event in page]


async def test_a_dead_event_that_is_retried_has_its_effect_once(
    inbox, poison, dispatching, dead, states, effects, becomes
):
    event = made()
    async with dispatching():
        await inbox.receive([event])
        await becomes(becoming(states, (1, 1)))
        assert await effects() == []
        poison.is_mended = True
        [retried] = await all_of(dead.retry(ALL))
        assert (retried.id, retried.attempts, retried.last_error) == (event.id, 1, "KeyError")
        inbox.awake.set()
        await becomes(becoming(states, (0, 0)))
        # Neither a second look nor a second delivery finds anything to do.
        assert await all_of(dead.retry(ALL)) == []
        await inbox.receive([event])
        assert await states() == (0, 0)
    assert await effects() == [1]


async def test_an_event_whose_subject_is_further_is_passed_over(
    inbox, poison, dispatching, dead, states, effects, becomes
):
    async with dispatching():
        await inbox.receive([made(1)])
        await becomes(becoming(states, (1, 1)))
        assert [each.is_superseded for each in await dead.first(ALL)] == [False]
        poison.is_mended = True
        await inbox.receive([made(2)])
        await becomes(becoming(states, (1, 1)))
        await becomes(effects)
        assert [each.is_superseded for each in await all_of(dead.retry(ALL))] == [True]
        inbox.awake.set()
        await becomes(becoming(states, (0, 0)))
    assert await effects() == [2]


async def test_those_of_a_subject_are_retried_in_their_order(
    inbox, poison, dispatching, dead, states, effects, becomes, monkeypatch
):
    monkeypatch.setattr(dead_events, "EVENTS_MAX", 1)
    async with dispatching():
        await inbox.receive([made(number) for number in (1, 2, 3)])
        await becomes(becoming(states, (3, 3)))
        poison.is_mended = True
        assert [len(page) async for page in dead.retry(ALL)] == [1, 1, 1]
        inbox.awake.set()
        await becomes(becoming(states, (0, 0)))
    assert await effects() == [1, 2, 3]


async def test_a_discarded_event_stays_so_when_it_comes_again(inbox, dispatching, dead, states, logs, becomes):
    event = made()
    async with dispatching():
        await inbox.receive([event])
        await becomes(becoming(states, (1, 1)))
        assert len(await all_of(dead.discard(ALL))) == 1
        await inbox.receive([event])
        assert await states() == (0, 0)
    [line] = [line for line in logs if line["event"] == "event discarded"]
    assert (line["event_id"], line["event_type"], line["subject"]) == (str(event.id), "thing.made", "thg_1")


async def test_two_who_retry_at_once_do_not_count_an_event_twice(database, dead, admin, becomes):
    await admin.execute("""
        INSERT INTO outbox (id, type, subject, sequence, time, data, dead_at)
        SELECT gen_random_uuid(), 'thing.made', 'thg_1', number, now(), '{}', now() FROM generate_series(1, 3) AS number
    """)
    # The first is somebody else's at this moment.
    async with admin.transaction():
        await admin.execute("UPDATE outbox SET dead_at = NULL WHERE sequence = 1")
        assert len(await all_of(dead.retry(ALL))) == 2
    assert await dead.count(ALL) == 0


async def test_what_could_not_be_published_is_published_when_it_is_retried(database, dead, admin, becomes):
    await admin.execute("""
        INSERT INTO outbox (id, type, subject, sequence, time, data, attempts, dead_at)
        VALUES (gen_random_uuid(), 'thing.made', 'thg_1', 1, now(), '{}', 12, now())
    """)
    awake = asyncio.Event()
    own = Inbox("example", database, [])
    relay = Relay(service="example", database=database, types=["thing.made"], own=own, bus=LocalBus(), awake=awake)
    relaying = asyncio.create_task(relay.run())
    [event] = await all_of(dead.retry(ALL))
    assert (event.consumer, event.attempts) == (None, 12)
    awake.set()
    await becomes(lambda: admin.fetchval("SELECT attempts = 1 AND sent_at IS NOT NULL FROM outbox"))
    relaying.cancel()
    await asyncio.wait([relaying])
