"""What `on` and `once` promise to a handler."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import open_database
from core.events import Event, Handlers
from core.events.inbox.effects import Effects, NotBegun, TransactionEnded
from core.events.queues import INBOX, Claimed, Leases


class Noting:
    """A handler that writes one note for an event, and then does as `then` says."""

    def __init__(self, admin: asyncpg.Connection) -> None:
        self.admin = admin
        self.handlers = Handlers()
        self.handlers.once("thing.made", source="shop")(self.note)
        self.then = lambda _: None

    async def note(self, event: Event, session, _resources) -> None:
        await session.execute(text("INSERT INTO notes (text) VALUES (:text)"), {"text": event.data["name"]})
        outcome = self.then(event)
        if asyncio.iscoroutine(outcome):
            await outcome

    async def notes(self) -> list[str]:
        return [row["text"] for row in await self.admin.fetch("SELECT text FROM notes ORDER BY number")]


@pytest.fixture
async def noting(admin) -> Noting:
    await admin.execute("CREATE TABLE notes (number bigint GENERATED ALWAYS AS IDENTITY, text text)")
    return Noting(admin)


async def test_an_effect_happens_once_however_often_its_event_comes(dispatching, noting, arrive, event, all_handled):
    told = event(name="chair")
    async with dispatching(noting.handlers), dispatching(noting.handlers):
        for _ in range(3):
            await arrive(noting.handlers, told, told)
        await all_handled()
        await arrive(noting.handlers, told)
    assert await noting.notes() == ["chair"]


async def test_an_effect_that_fails_leaves_nothing_and_is_tried_again(
    dispatching, noting, arrive, event, all_handled, monkeypatch, inbox
):
    monkeypatch.setattr("core.events.queues.leases.BACKOFF_S_MAX", 0.01)
    failures = iter([RuntimeError()])

    def fail_once(_event: Event) -> None:
        for failure in failures:
            raise failure

    noting.then = fail_once
    await arrive(noting.handlers, event(name="chair", sequence=1))
    async with dispatching(noting.handlers):
        await all_handled()
    assert await noting.notes() == ["chair"]
    [row] = await inbox()
    assert (row["attempts"], row["last_error"]) == (2, None)


@pytest.fixture
def claim(database, admin) -> Callable[[], Awaitable[Claimed]]:
    """`await claim()`: the first of the inbox, for the caller."""

    async def claim_() -> Claimed:
        [claimed] = await Leases("example", database, INBOX).claim(1)
        return claimed

    return claim_


@pytest.mark.parametrize("sequence", [0, 1])
async def test_who_was_taken_over_has_no_effect(database, noting, arrive, event, admin, claim, sequence):
    await arrive(noting.handlers, event(name="chair", sequence=sequence))
    lost = await claim()
    await admin.execute("UPDATE inbox SET leased_until = now() - interval '1 s'")
    taken = await claim()
    effects = Effects(database, None, asyncio.Semaphore(1))
    for claimed, notes in ((lost, []), (taken, ["chair"]), (taken, ["chair"])):
        await effects.once(claimed, noting.handlers.subscriptions[0], timeout_s=30)
        assert await noting.notes() == notes


@pytest.mark.parametrize("end", [AsyncSession.commit, AsyncSession.rollback])
async def test_a_handler_that_ends_its_transaction_has_failed(database, arrive, event, claim, end):
    handlers = Handlers()

    @handlers.once("thing.made", source="shop")
    async def handle(_event: Event, session: AsyncSession, _resources: object) -> None:
        await end(session)
        await session.execute(text("SELECT 1"))

    await arrive(handlers, event(name="chair", sequence=1))
    with pytest.raises(TransactionEnded, match="handle"):
        await Effects(database, None, asyncio.Semaphore(1)).once(await claim(), handlers.subscriptions[0], timeout_s=30)


async def test_a_handler_may_undo_a_savepoint(dispatching, arrive, event, all_handled, inbox):
    handlers = Handlers()

    @handlers.once("thing.made", source="shop")
    async def handle(_event: Event, session: AsyncSession, _resources: object) -> None:
        savepoint = await session.begin_nested()
        await session.execute(text("SELECT 1"))
        await savepoint.rollback()

    await arrive(handlers, event(name="chair", sequence=1))
    async with dispatching(handlers):
        await all_handled()
    [row] = await inbox()
    assert row["attempts"] == 1


@pytest.mark.parametrize("way", ["on", "once"])
async def test_a_handler_has_not_begun_while_there_is_no_connection(noting, arrive, event, settings, claim, way):
    await arrive(noting.handlers, event(name="chair", sequence=1))
    claimed, [subscription] = await claim(), noting.handlers.subscriptions
    scarce = settings.database.model_copy(update={"pool_size": 1, "pool_timeout_s": 0.01})
    async with open_database(scarce, name="scarce") as over, over.engine.connect():
        handle = getattr(Effects(over, None, asyncio.Semaphore(1)), way)
        with pytest.raises(NotBegun):
            await handle(claimed, subscription, timeout_s=30)
    assert await noting.notes() == []


@pytest.mark.parametrize("way", ["on", "once"])
async def test_what_is_older_than_what_a_handler_knows_is_passed_over(dispatching, event, arrive, all_handled, way):
    handlers, seen = Handlers(), []

    async def handle(told: Event, *_: object) -> None:
        seen.append(told.data["name"])

    getattr(handlers, way)("thing.made", source="shop")(handle)
    told = [event(sequence=number, name=str(number)) for number in (2, 1, 2, 3)]
    unordered = [event(name=f"unordered {number}") for number in range(2)]
    elsewhere = event(sequence=1, name="elsewhere", subject="thg_2")
    async with dispatching(handlers):
        await arrive(handlers, *told, *unordered)
        await all_handled()
        # A replay tells the same state in new events.
        await arrive(handlers, event(sequence=3, name="again"), elsewhere)
        await all_handled()
    assert seen == ["2", "3", "unordered 0", "unordered 1", "elsewhere"]


async def test_two_handlers_of_one_event_are_independent(dispatching, deliveries, arrive, event, admin, becomes):
    seen: list[str] = []

    @deliveries.handlers.once("thing.made", source="shop")
    async def broken(*_: object) -> None:
        seen.append("broken")
        raise RuntimeError

    await arrive(deliveries.handlers, event(name="a", sequence=1))
    async with dispatching(deliveries.handlers):
        await becomes(lambda: admin.fetchval("SELECT count(*) FROM inbox WHERE handled_at IS NOT NULL"))
        await becomes(lambda: admin.fetchval("SELECT count(*) FROM inbox WHERE last_error IS NOT NULL"))
    assert (seen, deliveries.seen) == (["broken"], ["a"])


async def test_a_handler_is_given_the_event_and_the_resources_of_its_service(dispatching, arrive, event, all_handled):
    handlers, seen = Handlers(), []

    @handlers.on("thing.made", source="shop")
    async def handle(*given: object) -> None:
        seen.extend(given)

    told = event(name="chair", sequence=1)
    await arrive(handlers, told)
    async with dispatching(handlers, "resources"):
        await all_handled()
    assert seen == [told, "resources"]
