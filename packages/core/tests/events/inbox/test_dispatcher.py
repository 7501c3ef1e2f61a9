"""How events are delivered: again until it works, in order for a subject, and by one replica at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from core.database import Database, open_database
from core.errors import Unavailable
from core.events import Dispatcher, Event, Handlers
from core.events.inbox.effects import Effects, NotBegun
from core.events.queues import Claimed, Leases

# Who died at work leaves it so.
LEFT = "UPDATE inbox SET leased_until = now() - interval '1 s'"


def failing(*names: str) -> Callable[[Event], None]:
    def fail(event: Event) -> None:
        if event.data["name"] in names:
            raise RuntimeError

    return fail


def hanging(*names: str) -> Callable[[Event], object]:
    return lambda event: asyncio.Event().wait() if event.data["name"] in names else None


async def test_an_event_is_delivered_once_and_marked(dispatching, deliveries, arrive, event, inbox, all_handled):
    await arrive(deliveries.handlers, event(name="a"))
    async with dispatching(deliveries.handlers):
        await all_handled()
    [row] = await inbox()
    assert deliveries.seen == ["a"]
    assert (row["attempts"], row["leased_until"], row["last_error"]) == (1, None, None)


async def test_a_subject_keeps_its_order_over_replicas(dispatching, deliveries, arrive, event, all_handled, settings):
    events = [event(subject=f"thg_{number % 3}", sequence=1 + number, name=str(number)) for number in range(90)]
    deliveries.then = lambda _: asyncio.sleep(0)
    await arrive(deliveries.handlers, *events)
    async with (
        open_database(settings.database, name="replica") as replica,
        dispatching(deliveries.handlers),
        dispatching(deliveries.handlers, over=replica),
    ):
        await all_handled()
    assert sorted(deliveries.seen, key=int) == [str(number) for number in range(90)]
    for subject in range(3):
        mine = [int(name) for name in deliveries.seen if int(name) % 3 == subject]
        assert mine == sorted(mine)


@pytest.mark.parametrize("trouble", [failing, hanging])
async def test_trouble_with_a_subject_holds_back_that_subject_alone(
    dispatching, deliveries, arrive, event, admin, becomes, trouble
):
    deliveries.then = trouble("a1")
    others = [event(subject=f"b{number}", name="b") for number in range(10)]
    await arrive(deliveries.handlers, event(subject="a", name="a1"), event(subject="a", name="a2"), *others)
    async with dispatching(deliveries.handlers):
        await becomes(lambda: admin.fetchval("SELECT count(*) = 10 FROM inbox WHERE handled_at IS NOT NULL"))
    assert sorted(deliveries.seen) == ["a1", *["b"] * 10]


async def test_an_event_that_is_given_up_holds_back_no_later_one(
    dispatching, deliveries, arrive, event, becomes, admin, logged, logs, monkeypatch
):
    monkeypatch.setattr("core.events.queues.leases.BACKOFF_S_MAX", 0.001)
    deliveries.then = failing("a1")
    await arrive(deliveries.handlers, event(name="a1"), event(name="a2"))
    async with dispatching(deliveries.handlers):
        await becomes(lambda: admin.fetchval("SELECT handled_at FROM inbox WHERE data ->> 'name' = 'a2'"))
        await logged("event is dead")
    assert deliveries.seen == [*["a1"] * 12, "a2"]
    [dead] = [line for line in logs if line["event"] == "event is dead"]
    assert dead["consumer"].endswith("Deliveries.handle")


@pytest.mark.parametrize(
    ("cause", "told"), [(ConnectionRefusedError(), "ConnectionRefusedError"), (None, "unavailable")]
)
async def test_an_outage_of_what_a_handler_needs_kills_no_event(
    dispatching, deliveries, arrive, event, all_handled, logs, monkeypatch, inbox, cause, told
):
    monkeypatch.setattr("core.events.queues.leases.BACKOFF_S_MAX", 0.001)

    def away(event: Event) -> None:
        if event.data["name"] == "a1" and len(deliveries.seen) <= 20:
            raise Unavailable("ada@example.com") from cause

    deliveries.then = away
    await arrive(deliveries.handlers, event(name="a1"), event(name="a2"))
    async with dispatching(deliveries.handlers):
        await all_handled()
    assert deliveries.seen == [*["a1"] * 21, "a2"]
    assert [row["attempts"] for row in await inbox()] == [9, 1]
    lines = [line for line in logs if line["event"] == "event waits for what is away"]
    assert [(line["level"], line["failure"], line["cause"]) for line in lines] == [
        ("warning", "Unavailable", told)
    ] * 20
    assert "ada@example.com" not in str(logs)


async def test_what_ends_every_process_is_dead_too_and_takes_nobody_with_it(
    dispatching, deliveries, arrive, event, admin, becomes
):
    await arrive(deliveries.handlers, *(event(name=name) for name in "abc"))
    await admin.execute(f"{LEFT}, attempts = CASE data ->> 'name' WHEN 'a' THEN 12 ELSE 11 END")
    async with dispatching(deliveries.handlers):
        await becomes(lambda: admin.fetchval("SELECT count(*) = 2 FROM inbox WHERE handled_at IS NOT NULL"))
    assert deliveries.seen == ["b", "c"]
    assert await admin.fetchval("SELECT data ->> 'name' FROM inbox WHERE dead_at IS NOT NULL") == "a"


async def test_a_handler_that_takes_too_long_has_failed(
    dispatching, deliveries, arrive, event, admin, becomes, monkeypatch
):
    monkeypatch.setattr("core.events.inbox.dispatcher.HANDLER_TIMEOUT_S", 0.01)
    deliveries.then = hanging("a")
    await arrive(deliveries.handlers, event(name="a"))
    async with dispatching(deliveries.handlers):
        assert await becomes(lambda: admin.fetchval("SELECT last_error FROM inbox")) == "TimeoutError"


async def test_a_cancellation_that_nobody_asked_for_is_a_failure(
    dispatching, deliveries, arrive, event, admin, becomes
):
    async def cancelled() -> None:
        raise asyncio.CancelledError

    deliveries.then = lambda _: cancelled()
    await arrive(deliveries.handlers, event(name="a"))
    async with dispatching(deliveries.handlers):
        assert await becomes(lambda: admin.fetchval("SELECT last_error FROM inbox")) == "CancelledError"


async def test_a_burst_leaves_connections_to_requests(dispatching, arrive, event, inbox, settings):
    handlers, running, most, four = Handlers(), [], 0, asyncio.Event()

    @handlers.once("thing.made", source="shop")
    async def busy(event: Event, session: AsyncSession, _resources: object) -> None:
        nonlocal most
        running.append(event.subject)
        most = max(most, len(running))
        if most == 4:
            four.set()
        await four.wait()
        await session.execute(text("SELECT pg_sleep(0.02)"))
        running.remove(event.subject)

    await arrive(handlers, *(event(subject=f"thg_{number}") for number in range(30)))
    crowded = settings.database.model_copy(update={"pool_size": 6})
    async with open_database(crowded, name="crowded") as over, dispatching(handlers, over=over):
        while [row for row in await inbox() if row["handled_at"] is None]:
            async with over.transaction() as session:
                await session.execute(text("SELECT 1"))
    assert most == 4
    assert {(row["attempts"], row["last_error"]) for row in await inbox()} == {(1, None)}


async def test_to_wait_for_a_handler_that_hangs_is_not_to_fail(dispatching, arrive, event, admin, becomes, monkeypatch):
    monkeypatch.setattr("core.events.inbox.dispatcher.TRANSACTIONS_MAX", 1)
    monkeypatch.setattr("core.events.inbox.dispatcher.HANDLER_TIMEOUT_S", 0.2)
    handlers = Handlers()

    @handlers.once("thing.made", source="shop")
    async def handle(event: Event, *_: object) -> None:
        if event.subject == "hangs":
            await asyncio.Event().wait()

    await arrive(handlers, event(subject="hangs"), *(event(subject=f"thg_{number}") for number in range(5)))
    async with dispatching(handlers):
        await becomes(lambda: admin.fetchval("SELECT last_error FROM inbox WHERE subject = 'hangs'"))
        await becomes(lambda: admin.fetchval("SELECT count(*) = 5 FROM inbox WHERE handled_at IS NOT NULL"))
    assert await admin.fetchval("SELECT sum(attempts) FROM inbox WHERE subject <> 'hangs'") == 5


async def test_a_lane_whose_lease_nears_its_end_is_given_back_and_goes_on(
    dispatching, deliveries, arrive, event, inbox, all_handled, monkeypatch
):
    # Nothing of the lease is left when a lane begins, until the claims have come round a few times.
    monkeypatch.setattr("core.events.inbox.dispatcher.LEASE", timedelta(0))
    claims: list[int] = []
    claim = Leases.claim

    async def counted(self: Leases, most: int) -> list[Claimed]:
        claims.append(most)
        if len(claims) == 4:
            monkeypatch.setattr("core.events.inbox.dispatcher.LEASE", timedelta(seconds=60))
        return await claim(self, most)

    monkeypatch.setattr(Leases, "claim", counted)
    await arrive(deliveries.handlers, event(name="a"), event(name="b"))
    async with dispatching(deliveries.handlers):
        await all_handled()
    assert len(claims) >= 4
    assert (deliveries.seen, {row["attempts"] for row in await inbox()}) == (["a", "b"], {1})


async def test_a_delivery_makes_place_for_the_next_at_once(
    dispatching, deliveries, arrive, event, all_handled, monkeypatch
):
    monkeypatch.setattr("core.events.queues.polling.POLL_S_MIN", 600)
    monkeypatch.setattr("core.events.queues.polling.POLL_S_MAX", 600)
    monkeypatch.setattr("core.events.inbox.dispatcher.DELIVERIES_MAX", 2)
    await arrive(deliveries.handlers, *(event(subject=f"thg_{number % 6}", name="a") for number in range(12)))
    async with dispatching(deliveries.handlers):
        await all_handled()


async def test_handlers_that_hang_leave_the_other_places_to_others(
    dispatching, deliveries, arrive, event, admin, becomes, monkeypatch
):
    monkeypatch.setattr("core.events.inbox.dispatcher.DELIVERIES_MAX", 4)
    deliveries.then = hanging(*"abc")
    await arrive(deliveries.handlers, *(event(subject=name, name=name) for name in "abcdef"))
    async with dispatching(deliveries.handlers):
        await becomes(lambda: admin.fetchval("SELECT count(*) = 3 FROM inbox WHERE handled_at IS NOT NULL"))
    assert sorted(deliveries.seen) == [*"abcdef"]


async def test_who_has_few_places_left_does_not_claim_for_each_of_them(
    dispatching, deliveries, arrive, event, inbox, turned, monkeypatch, becomes
):
    monkeypatch.setattr("core.events.inbox.dispatcher.DELIVERIES_MAX", 4)
    monkeypatch.setattr("core.events.inbox.dispatcher.PAUSE_S", 600)
    finish = asyncio.Event()
    deliveries.then = lambda event: {"a": finish.wait}.get(event.data["name"], asyncio.Event().wait)()
    await arrive(deliveries.handlers, *(event(subject=name, name=name) for name in "abc"))
    async with dispatching(deliveries.handlers) as dispatcher:

        async def are_running() -> bool:
            return len(deliveries.seen) == 3

        async def is_next() -> bool:
            return "d" in deliveries.seen

        await becomes(are_running)
        await arrive(deliveries.handlers, event(subject="d", name="d"))
        await turned(dispatcher)
        assert [row["attempts"] for row in await inbox()] == [1, 1, 1, 0]
        finish.set()
        await becomes(is_next)


async def test_what_may_end_the_process_runs_when_nothing_else_does(
    dispatching, deliveries, arrive, event, inbox, database, admin, becomes, turned, all_handled
):
    finish, beside = asyncio.Event(), []

    async def look(dispatcher: Dispatcher) -> None:
        await turned(dispatcher)
        async with database.statement() as connection:
            beside.append(await connection.scalar(text("SELECT attempts FROM inbox WHERE subject = 'later'")))

    await arrive(deliveries.handlers, *(event(subject=name, name=name) for name in ("first", "suspect")))
    await admin.execute(f"{LEFT}, attempts = 3, due_at = now() + interval '1 hour' WHERE subject = 'suspect'")
    async with dispatching(deliveries.handlers) as dispatcher:
        work = {"first": finish.wait, "suspect": lambda: look(dispatcher)}
        deliveries.then = lambda event: work.get(event.data["name"], lambda: None)()
        await becomes(lambda: admin.fetchval("SELECT attempts = 1 FROM inbox WHERE subject = 'first'"))
        left_until = await admin.fetchval("UPDATE inbox SET due_at = now() WHERE attempts = 3 RETURNING leased_until")
        # It was claimed, and is given back.
        was_seen = "SELECT attempts = 3 AND leased_until > $1 FROM inbox WHERE subject = 'suspect'"
        await becomes(lambda: admin.fetchval(was_seen, left_until))
        await arrive(deliveries.handlers, event(subject="later", name="later"))
        await turned(dispatcher)
        assert deliveries.seen == ["first"]
        finish.set()
        await all_handled()
    assert (deliveries.seen, beside) == (["first", "suspect", "later"], [0])
    assert {row["subject"]: row["attempts"] for row in await inbox()} == {"first": 1, "suspect": 4, "later": 1}


async def test_a_stop_gives_back_what_is_handled_and_what_waits(
    dispatching, deliveries, arrive, event, inbox, all_handled, begun
):
    deliveries.then = hanging("a")
    await arrive(deliveries.handlers, event(name="a"), event(name="b"))
    async with dispatching(deliveries.handlers):
        await begun()
    assert [(row["attempts"], row["leased_until"], row["last_error"]) for row in await inbox()] == [(0, None, None)] * 2
    deliveries.then = lambda _: None
    async with dispatching(deliveries.handlers):
        await all_handled()


async def test_a_stop_gives_back_what_waits_for_a_transaction(dispatching, arrive, event, inbox, becomes, monkeypatch):
    monkeypatch.setattr("core.events.inbox.dispatcher.TRANSACTIONS_MAX", 1)
    handlers, begun = Handlers(), asyncio.Event()

    @handlers.once("thing.made", source="shop")
    async def hang(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    await arrive(handlers, event(subject="a"), event(subject="b"))
    async with dispatching(handlers):
        await begun.wait()
    assert [(row["attempts"], row["leased_until"]) for row in await inbox()] == [(0, None)] * 2


async def test_who_lost_a_lease_has_nothing_to_say(
    dispatching, deliveries, arrive, event, inbox, admin, all_handled, begun, logged
):
    finish = asyncio.Event()

    async def slow_then_failing() -> None:
        if len(deliveries.seen) == 1:
            await finish.wait()
            raise RuntimeError

    deliveries.then = lambda _: slow_then_failing()
    await arrive(deliveries.handlers, event(name="a"))
    async with dispatching(deliveries.handlers):
        await begun()
        await admin.execute(LEFT)
        await all_handled()
        finish.set()
        await logged("event not handled")
    [row] = await inbox()
    assert deliveries.seen == ["a", "a"]
    assert (row["attempts"], row["last_error"], row["dead_at"]) == (2, None, None)
    assert row["handled_at"] is not None


async def test_rows_of_handlers_that_are_not_here_are_left_alone(
    dispatching, deliveries, arrive, event, admin, becomes
):
    other = Handlers()

    @other.on("thing.made", source="shop")
    async def newer(*_: object) -> None: ...

    both = Handlers()
    both.subscriptions += [*other.subscriptions, *deliveries.handlers.subscriptions]
    await arrive(both, event(name="a"))
    await admin.execute("UPDATE inbox SET source = 'elsewhere' WHERE consumer LIKE '%newer'")
    await arrive(both, event(name="b"))
    async with dispatching(deliveries.handlers):
        await becomes(lambda: admin.fetchval("SELECT count(*) = 2 FROM inbox WHERE handled_at IS NOT NULL"))
    assert deliveries.seen == ["a", "b"]
    assert await admin.fetchval("SELECT count(*) FROM inbox WHERE attempts = 0") == 2
    # Its own replica, whose source is another by now, leaves the first of its lane and goes on with the second.
    async with dispatching(other):
        await becomes(lambda: admin.fetchval("SELECT count(*) = 3 FROM inbox WHERE handled_at IS NOT NULL"))


@asynccontextmanager
async def without_connections(database: Database, becomes) -> AsyncIterator[None]:
    """Nobody else has any of the pool until the block ends."""
    async with AsyncExitStack() as held:

        async def hold() -> AsyncConnection | None:
            with suppress(PoolTimeoutError):
                return await held.enter_async_context(database.engine.connect())
            return None

        for _ in range(database.pool.size()):
            await becomes(hold)
        yield


async def test_who_finds_no_connection_for_an_outcome_writes_it_later(
    dispatching, deliveries, arrive, event, inbox, all_handled, becomes, settings, logged, begun
):
    scarce = settings.database.model_copy(update={"pool_size": 2, "pool_timeout_s": 0.05})
    finish = asyncio.Event()
    deliveries.then = lambda _: finish.wait()
    await arrive(deliveries.handlers, event(name="a"))
    async with open_database(scarce, name="scarce") as over, dispatching(deliveries.handlers, over=over):
        await begun()
        async with without_connections(over, becomes):
            finish.set()
            await logged("events wait")
        await all_handled()
    assert (deliveries.seen, [row["attempts"] for row in await inbox()]) == (["a"], [1])


async def test_what_has_not_begun_has_not_failed(
    dispatching, deliveries, arrive, event, inbox, all_handled, monkeypatch
):
    handle, tried = Effects.on, []

    async def away_at_first(*given: Any, **limits: Any) -> None:
        tried.append(given)
        if len(tried) < 4:
            raise NotBegun
        await handle(*given, **limits)

    monkeypatch.setattr(Effects, "on", away_at_first)
    await arrive(deliveries.handlers, event(name="a"), event(name="b"))
    async with dispatching(deliveries.handlers):
        await all_handled()
    assert deliveries.seen == ["a", "b"]
    assert {(row["attempts"], row["last_error"]) for row in await inbox()} == {(1, None)}
