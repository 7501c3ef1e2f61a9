"""What `on` and `once` promise to a handler."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from core.events import Event, Handlers

EVENT = Event(
    id=UUID(int=1),
    type="thing.made",
    source="example",
    subject="thg_1",
    sequence=1,
    time=datetime(2026, 5, 1, tzinfo=UTC),
    data={"name": "chair"},
)


@pytest.fixture
async def noting(admin: asyncpg.Connection) -> Handlers:
    """A handler that writes one note for an event, and is slow about it."""
    await admin.execute("CREATE TABLE notes (text text)")
    handlers = Handlers()

    @handlers.once("thing.made")
    async def note(event: Event, session, resources) -> None:
        await session.execute(text("INSERT INTO notes VALUES (:text)"), {"text": event.data["name"]})
        await asyncio.sleep(0.02)
        if resources == "broken":
            raise RuntimeError("broken")

    return handlers


async def test_an_effect_happens_once_however_often_its_event_is_delivered(noting, database, admin):
    [subscription] = noting.subscriptions
    for _ in range(2):
        await subscription.handle(EVENT, database, None)
    await asyncio.gather(*(subscription.handle(EVENT, database, None) for _ in range(3)))
    assert await admin.fetchval("SELECT count(*) FROM notes") == 1


async def test_an_effect_that_fails_leaves_nothing_and_can_be_tried_again(noting, database, admin):
    [subscription] = noting.subscriptions
    with pytest.raises(RuntimeError):
        await subscription.handle(EVENT, database, "broken")
    assert await admin.fetchval("SELECT (SELECT count(*) FROM notes) + (SELECT count(*) FROM inbox)") == 0
    await subscription.handle(EVENT, database, None)
    assert await admin.fetchval("SELECT text FROM notes") == "chair"


async def test_every_handler_of_an_event_has_its_own_memory(database, admin):
    handlers = Handlers()
    seen: list[str] = []

    @handlers.once("thing.made")
    async def first(*_: object) -> None:
        seen.append("first")

    @handlers.once("thing.made")
    async def second(*_: object) -> None:
        seen.append("second")

    for subscription in handlers.subscriptions:
        await subscription.handle(EVENT, database, None)
    assert seen == ["first", "second"]
    assert await admin.fetchval("SELECT count(*) FROM inbox WHERE event_id = $1", EVENT.id) == 2


async def test_a_handler_gets_the_event_and_the_resources_of_its_service(database):
    handlers = Handlers()
    seen: list[object] = []

    @handlers.on("thing.made")
    async def handle(*given: object) -> None:
        seen.extend(given)

    await handlers.subscriptions[0].handle(EVENT, database, "resources")
    assert seen == [EVENT, "resources"]


def test_a_handler_that_the_inbox_could_not_tell_from_another_is_refused():
    handlers = Handlers()

    def make():
        async def same(*_: object) -> None: ...

        return same

    handlers.once("thing.made")(make())
    handlers.once("thing.lost")(make())
    with pytest.raises(ValueError, match=r"make\.<locals>\.same handles thing\.made twice"):
        handlers.once("thing.made")(make())


@pytest.mark.parametrize("way", ["on", "once"])
def test_a_handler_that_is_not_async_is_refused(way):
    def forgot(*_: object) -> None: ...

    with pytest.raises(TypeError, match="forgot is no async function"):
        getattr(Handlers(), way)("thing.made")(forgot)
