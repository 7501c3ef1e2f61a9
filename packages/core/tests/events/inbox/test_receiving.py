"""What arrives is stored for each handler that it concerns, once however often it comes."""

import asyncpg
import pytest

from core.events import Handlers, Inbox
from core.events.bus import Reading


@pytest.fixture
def handlers() -> Handlers:
    handlers = Handlers()

    @handlers.once("thing.made", source="shop")
    async def first(*_: object) -> None: ...

    @handlers.on("thing.made", source="shop")
    async def second(*_: object) -> None: ...

    @handlers.on("thing.made")
    async def own(*_: object) -> None: ...

    return handlers


@pytest.fixture
def receiving(database, handlers) -> Inbox:
    return Inbox("example", database, handlers.subscriptions)


@pytest.fixture
async def stream(admin: asyncpg.Connection) -> str:
    await admin.execute("INSERT INTO bus_positions (stream, position) VALUES ('events', 5)")
    return "events"


async def test_every_handler_of_an_event_has_its_own_row_once(receiving, inbox, event):
    told = event(name="chair", sequence=3)
    for _ in range(2):
        assert await receiving.receive([told])
    rows = await inbox()
    assert sorted(row["consumer"].rpartition(".")[2] for row in rows) == ["first", "second"]
    expected = (told.id, "shop", "thing.made", "thg_1", 3, '{"name": "chair"}')
    for row in rows:
        assert tuple(row[name] for name in ("event_id", "source", "type", "subject", "sequence", "data")) == expected
    assert receiving.awake.is_set()


async def test_what_nobody_handles_is_not_stored_and_wakes_nobody(receiving, inbox, event):
    assert await receiving.receive([event(type_="thing.lost")])
    assert await inbox() == []
    assert not receiving.awake.is_set()


async def test_only_events_of_other_services_are_asked_for(receiving):
    assert receiving.foreign == {("shop", "thing.made")}


@pytest.mark.parametrize("types", [["thing.made"], ["thing.lost"]])
async def test_the_position_moves_with_what_was_read(receiving, inbox, event, admin, stream, types):
    events = [event(type_=type_) for type_ in types]
    assert await receiving.receive(events, reading=Reading(stream, after=5, through=9))
    assert await admin.fetchval("SELECT position FROM bus_positions") == 9
    assert len(await inbox()) == (2 if types == ["thing.made"] else 0)


async def test_nothing_is_stored_if_another_replica_has_read_on(receiving, inbox, event, admin, stream):
    assert not await receiving.receive([event()], reading=Reading(stream, after=4, through=9))
    assert not await receiving.receive([event()], reading=Reading("elsewhere", after=5, through=9))
    assert await admin.fetchval("SELECT position FROM bus_positions") == 5
    assert await inbox() == []
    assert not receiving.awake.is_set()
