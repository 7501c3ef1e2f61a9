"""An event is stored with the change that it announces, and delivered when that is committed."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from core.errors import Conflict
from core.events import Event, Events, Handlers
from core.testing import MovableClock

MOMENT = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Seen:
    """Handlers of `thing.made` that remember what they were given."""

    def __init__(self) -> None:
        self.handlers = Handlers()
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.handlers.on("thing.made")(self.handle)

    async def handle(self, event: Event, _resources: object) -> None:
        self.events.put_nowait(event)


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def never_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.events.relay.POLL_S_MIN", 30)
    monkeypatch.setattr("core.events.relay.POLL_S_MAX", 30)


async def test_an_event_is_stored_with_its_change_and_not_without_it(database, outbox):
    async def announce(*, then: Exception | None) -> None:
        async with database.transaction() as session:
            await Events(session, MovableClock(), lambda: None).emit("thing.made", subject="thg_1", data={})
            if then is not None:
                raise then

    with pytest.raises(Conflict):
        await announce(then=Conflict())
    assert await outbox() == []
    await announce(then=None)
    assert [row["type"] for row in await outbox()] == ["thing.made"]


async def test_an_event_arrives_as_it_was_announced(database, relaying, seen):
    data = {"name": "chair", "price": {"amount": 5}, "owner": UUID(int=7)}
    async with relaying(seen.handlers) as relay, database.transaction() as session:
        events = Events(session, MovableClock(MOMENT), relay.awake.set)
        await events.emit("thing.made", subject="thg_1", data=data, sequence=3)
        await session.commit()
        event = await asyncio.wait_for(seen.events.get(), 30)
    expected = {"type": "thing.made", "source": "example", "subject": "thg_1", "sequence": 3, "time": MOMENT}
    assert {name: getattr(event, name) for name in expected} == expected
    assert event.data == {**data, "owner": str(UUID(int=7))}
    assert event.id.version == 7


async def test_a_commit_wakes_the_relay_and_an_uncommitted_event_is_not_delivered(
    database, relaying, seen, never_polls
):
    async with relaying(seen.handlers) as relay:
        await asyncio.sleep(0.05)
        async with database.transaction() as session:
            await Events(session, MovableClock(), relay.awake.set).emit("thing.made", subject="thg_1", data={})
            relay.awake.set()
            await asyncio.sleep(0.05)
            assert seen.events.empty()
        await asyncio.wait_for(seen.events.get(), 30)


async def test_an_event_of_a_savepoint_wakes_the_relay_at_the_commit(database, relaying, seen, never_polls):
    async with relaying(seen.handlers) as relay:
        await asyncio.sleep(0.05)
        async with database.transaction() as session:
            async with session.begin_nested():
                await Events(session, MovableClock(), relay.awake.set).emit("thing.made", subject="thg_1", data={})
            await asyncio.sleep(0.05)
            assert seen.events.empty()
        await asyncio.wait_for(seen.events.get(), 30)


async def test_what_another_process_commits_is_found_by_polling(relaying, seen, emit):
    async with relaying(seen.handlers):
        await emit("thing.made")
        await asyncio.wait_for(seen.events.get(), 30)


async def test_a_delayed_event_waits_and_wakes_nobody(database, relaying, seen, admin):
    woken: list[str] = []
    async with relaying(seen.handlers):
        async with database.transaction() as session:
            events = Events(session, MovableClock(), lambda: woken.append("woken"))
            await events.emit("thing.made", subject="thg_1", data={}, delay=timedelta(hours=1))
            due_at = (await session.execute(text("SELECT due_at - now() FROM outbox"))).scalar_one()
        assert (woken, due_at) == ([], timedelta(hours=1))
        await asyncio.sleep(0.1)
        assert seen.events.empty()
        await admin.execute("UPDATE outbox SET due_at = now()")
        await asyncio.wait_for(seen.events.get(), 30)
