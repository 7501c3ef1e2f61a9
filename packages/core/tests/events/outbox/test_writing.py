"""An event is stored with the change that it announces, as it was declared, and wakes the relay at the commit."""

from datetime import timedelta
from uuid import UUID

import pytest

from core.clock import SystemClock
from core.errors import Conflict
from core.events import Announced, Announcements, Catalogue, Handlers, Outbox, UndeclaredEvent
from core.events.outbox.writing import DATA_BYTES_MAX
from core.testing import MovableClock

announcements = Announcements()


@announcements.tells("thing.made", "thing.changed")
class ThingState(Announced):
    """A thing."""

    name: str
    owner: UUID | None = None


class Other(Announced):
    """Something else."""


handlers = Handlers()


@handlers.on("thing.checked")
async def check(*_: object) -> None:
    """Work that is deferred."""


@pytest.fixture
def declared() -> Outbox:
    return Catalogue.of("example", announces=[announcements], handlers=[handlers]).outbox(MovableClock())


async def test_an_event_is_stored_with_its_change_and_not_without_it(database, declared, outbox):
    async def announce(*, then: Exception | None) -> None:
        async with database.transaction() as session:
            await declared.events(session).emit("thing.made", subject="thg_1", data=ThingState(name="chair"))
            if then is not None:
                raise then

    with pytest.raises(Conflict):
        await announce(then=Conflict())
    assert await outbox() == []
    assert not declared.awake.is_set()
    await announce(then=None)
    assert [row["type"] for row in await outbox()] == ["thing.made"]
    assert declared.awake.is_set()


async def test_an_event_of_a_savepoint_wakes_the_relay_at_the_commit(database, declared):
    async with database.transaction() as session:
        async with session.begin_nested():
            await declared.events(session).emit("thing.made", subject="thg_1", data=ThingState(name="chair"))
        declared.awake.clear()
    assert declared.awake.is_set()


async def test_a_delayed_event_is_due_later_and_wakes_nobody(database, declared, admin):
    async with database.transaction() as session:
        delayed = {"subject": "thg_1", "data": {}, "delay": timedelta(hours=1)}
        await declared.events(session).emit("thing.checked", **delayed)
    assert not declared.awake.is_set()
    due_in = await admin.fetchval("SELECT due_at - now() FROM outbox")
    assert timedelta(minutes=55) < due_in <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("type_", "data", "why"),
    [
        ("thing.lost", {}, "neither announces nor handles thing.lost"),
        ("thing.made", {"name": "chair"}, "thing.made tells ThingState, not dict"),
        ("thing.made", Other(), "thing.made tells ThingState, not Other"),
    ],
)
async def test_what_is_not_declared_is_refused(database, declared, outbox, type_, data, why):
    async with database.transaction() as session:
        with pytest.raises(UndeclaredEvent, match=why):
            await declared.events(session).emit(type_, subject="thg_1", data=data)
    assert await outbox() == []


@pytest.mark.parametrize("data", [{"name": "chair"}, ThingState(name="chair")])
async def test_deferred_work_is_told_as_it_likes(database, declared, outbox, data):
    async with database.transaction() as session:
        await declared.events(session).emit("thing.checked", subject="thg_1", data=data)
    [row] = await outbox()
    assert '"name": "chair"' in row["data"]


async def test_an_event_has_a_size_that_every_bus_carries(database, declared, outbox):
    async with database.transaction() as session:
        events = declared.events(session)
        largest = "x" * (DATA_BYTES_MAX - len('{"a":""}'))
        await events.emit("thing.checked", subject="thg_1", data={"a": largest})
        with pytest.raises(ValueError, match=f"tells {DATA_BYTES_MAX + 1} bytes, and {DATA_BYTES_MAX} are the most"):
            await events.emit("thing.checked", subject="thg_1", data={"a": f"{largest}x"})
    assert len(await outbox()) == 1


@pytest.mark.parametrize("wrong", [{"subject": "s" * 256}, {"sequence": -1}, {"sequence": 2**63}])
async def test_what_no_consumer_could_store_is_refused(database, declared, outbox, wrong):
    largest = {"subject": "s" * 255, "sequence": 2**63 - 1}
    async with database.transaction() as session:
        events = declared.events(session)
        await events.emit("thing.checked", data={}, **largest)
        with pytest.raises(ValueError, match=r"thing\.checked has a subject of"):
            await events.emit("thing.checked", data={}, **largest | wrong)
    assert len(await outbox()) == 1


async def test_a_service_that_declares_nothing_emits_nothing(database):
    async with database.transaction() as session:
        with pytest.raises(UndeclaredEvent):
            await Outbox(clock=SystemClock()).events(session).emit("thing.made", subject="thg_1", data={})
