"""How events are delivered: again until it works, in order for a subject, and by one relay at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from core.database import Database, open_database
from core.events import Event, Handlers, Relay


class Deliveries:
    """Handlers of `thing.made` that remember what they were given, and do as `then` says."""

    def __init__(self) -> None:
        self.handlers = Handlers()
        self.seen: list[str] = []
        self.then: Callable[[Event], object] = lambda _: None
        self.handlers.on("thing.made")(self.handle)

    async def handle(self, event: Event, _resources: object) -> None:
        self.seen.append(event.data["name"])
        outcome = self.then(event)
        if asyncio.iscoroutine(outcome):
            await outcome


@pytest.fixture
def deliveries() -> Deliveries:
    return Deliveries()


def failing(*names: str) -> Callable[[Event], None]:
    def fail(event: Event) -> None:
        if event.data["name"] in names:
            raise RuntimeError("canary-secret")

    return fail


@pytest.fixture
def logged(logs, becomes) -> Callable[[str], Awaitable[object]]:
    """`await logged("…")`: returns when a line says that."""

    async def has(text: str) -> bool:
        return any(line["event"] == text for line in logs)

    return lambda text: becomes(lambda: has(text))


@pytest.fixture
def begun(deliveries, becomes) -> Callable[[], Awaitable[object]]:
    """`await begun()`: returns when a handler runs."""

    async def has() -> bool:
        return bool(deliveries.seen)

    return lambda: becomes(has)


def hanging(*names: str) -> Callable[[Event], object]:
    return lambda event: asyncio.sleep(60) if event.data["name"] in names else None


async def all_sent(outbox) -> bool:
    return not [row for row in await outbox() if row["sent_at"] is None]


async def test_an_event_is_delivered_once_and_marked(relaying, deliveries, emit, outbox, becomes):
    await emit("thing.made", name="a")
    async with relaying(deliveries.handlers):
        await becomes(lambda: all_sent(outbox))
        await asyncio.sleep(0.1)
    [row] = await outbox()
    assert deliveries.seen == ["a"]
    assert (row["attempts"], row["leased_until"], row["last_error"]) == (1, None, None)


async def test_an_event_that_nobody_handles_is_done(relaying, deliveries, emit, outbox, becomes):
    await emit("thing.lost", name="a")
    async with relaying(deliveries.handlers):
        await becomes(lambda: all_sent(outbox))
    assert deliveries.seen == []


@pytest.mark.parametrize(("attempts_before", "backoff_s"), [(0, 2), (5, 64), (10, 300)])
async def test_a_failure_is_tried_again_later_each_time(
    relaying, deliveries, emit, admin, becomes, attempts_before, backoff_s
):
    deliveries.then = failing("a")
    await emit("thing.made", name="a")
    await admin.execute("UPDATE outbox SET attempts = $1", attempts_before)
    # As it is recorded: who looks later may find the next attempt.
    await admin.execute("""
        CREATE TABLE failed AS SELECT *, due_at - now() AS due_in FROM outbox WHERE false;
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN INSERT INTO failed SELECT NEW.*, NEW.due_at - now(); RETURN NULL; END';
        CREATE TRIGGER note AFTER UPDATE OF last_error ON outbox FOR EACH ROW EXECUTE FUNCTION note()
    """)
    async with relaying(deliveries.handlers):
        row = await becomes(lambda: admin.fetchrow("SELECT * FROM failed ORDER BY attempts LIMIT 1"))
    assert (row["attempts"], row["leased_until"], row["sent_at"], row["dead_at"]) == (
        attempts_before + 1,
        None,
        None,
        None,
    )
    assert timedelta(seconds=backoff_s / 2) <= row["due_in"] <= timedelta(seconds=backoff_s)


async def test_what_failed_is_delivered_when_it_is_due_again(relaying, deliveries, emit, outbox, monkeypatch, becomes):
    monkeypatch.setattr("core.events.leases.BACKOFF_S_MAX", 0.05)
    deliveries.then = lambda event: failing("a")(event) if len(deliveries.seen) < 3 else None
    await emit("thing.made", name="a")
    async with relaying(deliveries.handlers):
        await becomes(lambda: all_sent(outbox))
    [row] = await outbox()
    assert deliveries.seen == ["a"] * 3
    assert (row["attempts"], row["last_error"]) == (3, None)


async def test_an_event_is_dead_after_twelve_attempts(relaying, deliveries, emit, outbox, admin, becomes):
    deliveries.then = failing("a")
    await emit("thing.made", name="a")
    await admin.execute("UPDATE outbox SET attempts = 11")
    async with relaying(deliveries.handlers):
        await becomes(lambda: admin.fetchval("SELECT dead_at FROM outbox"))
        await asyncio.sleep(0.1)
    [row] = await outbox()
    assert (deliveries.seen, row["attempts"], row["sent_at"]) == (["a"], 12, None)


async def test_an_event_that_is_given_up_is_told_and_holds_back_no_later_one(
    relaying, deliveries, emit, admin, becomes, logged
):
    deliveries.then = failing("a1")
    await emit("thing.made", name="a1")
    await emit("thing.made", name="a2")
    await admin.execute("UPDATE outbox SET attempts = 11 WHERE data ->> 'name' = 'a1'")
    async with relaying(deliveries.handlers):
        await logged("event is dead")
        await becomes(lambda: admin.fetchval("SELECT sent_at FROM outbox WHERE data ->> 'name' = 'a2'"))
    assert deliveries.seen == ["a1", "a2"]


async def test_only_the_type_of_a_failure_is_stored(relaying, deliveries, emit, outbox, becomes, admin):
    deliveries.then = failing("a")
    await emit("thing.made", name="a")
    async with relaying(deliveries.handlers):
        await becomes(lambda: admin.fetchval("SELECT last_error FROM outbox"))
    [row] = await outbox()
    assert row["last_error"] == "RuntimeError"
    assert "canary" not in str(dict(row))


async def test_an_event_that_ends_every_process_that_handles_it_is_dead_too(relaying, deliveries, emit, admin, becomes):
    await emit("thing.made", name="a")
    await admin.execute("UPDATE outbox SET attempts = 12, leased_until = now() - interval '1 s'")
    async with relaying(deliveries.handlers):
        await becomes(lambda: admin.fetchval("SELECT dead_at FROM outbox"))
    assert deliveries.seen == []


async def test_events_of_a_subject_keep_their_order(relaying, deliveries, emit, outbox, becomes):
    def order(event: Event) -> object:
        return asyncio.sleep(0.03 if event.data["name"] == "a" else 0)

    deliveries.then = order
    for name in "abcd":
        await emit("thing.made", name=name)
    async with relaying(deliveries.handlers), relaying(deliveries.handlers):
        await becomes(lambda: all_sent(outbox))
    assert deliveries.seen == list("abcd")


@pytest.mark.parametrize("trouble", [failing, hanging])
async def test_trouble_with_a_subject_holds_back_that_subject_alone(
    relaying, deliveries, emit, admin, becomes, trouble
):
    deliveries.then = trouble("a1")
    await emit("thing.made", subject="a", name="a1")
    await emit("thing.made", subject="a", name="a2")
    for number in range(10):
        await emit("thing.made", subject=f"b{number}", name="b")
    async with relaying(deliveries.handlers):
        await becomes(lambda: admin.fetchval("SELECT count(*) = 10 FROM outbox WHERE sent_at IS NOT NULL"))
        await asyncio.sleep(0.05)
    assert sorted(deliveries.seen) == ["a1", *["b"] * 10]


async def test_a_handler_that_takes_too_long_has_failed(relaying, deliveries, emit, admin, becomes, monkeypatch):
    monkeypatch.setattr("core.events.relay.HANDLER_TIMEOUT_S", 0.05)
    deliveries.then = hanging("a")
    await emit("thing.made", name="a")
    async with relaying(deliveries.handlers):
        assert await becomes(lambda: admin.fetchval("SELECT last_error FROM outbox")) == "TimeoutError"


async def test_a_cancellation_that_nobody_asked_for_is_a_failure(relaying, deliveries, emit, admin, becomes):
    async def cancelled() -> None:
        raise asyncio.CancelledError

    deliveries.then = lambda _: cancelled()
    await emit("thing.made", name="a")
    async with relaying(deliveries.handlers):
        assert await becomes(lambda: admin.fetchval("SELECT last_error FROM outbox")) == "CancelledError"


async def test_a_burst_of_events_leaves_connections_to_requests(relaying, emit, outbox, settings):
    handlers = Handlers()
    running: list[str] = []
    most = 0

    @handlers.once("thing.made")
    async def busy(event: Event, session: AsyncSession, _resources: object) -> None:
        nonlocal most
        running.append(event.subject)
        most = max(most, len(running))
        await session.execute(text("SELECT pg_sleep(0.05)"))
        running.remove(event.subject)

    for number in range(30):
        await emit("thing.made", subject=f"thg_{number}")
    crowded = settings.database.model_copy(update={"pool_size": 5})
    async with open_database(crowded, name="crowded") as over, relaying(handlers, over=over):
        while not await all_sent(outbox):
            async with over.transaction() as session:
                await session.execute(text("SELECT 1"))
    assert most == 4
    assert {row["attempts"] for row in await outbox()} == {1}


async def test_a_delivery_makes_place_for_the_next_at_once(relaying, deliveries, emit, outbox, becomes, monkeypatch):
    monkeypatch.setattr("core.events.relay.POLL_S_MIN", 30)
    for number in range(12):
        await emit("thing.made", subject=f"thg_{number % 6}", name="a")
    async with relaying(deliveries.handlers):
        await becomes(lambda: all_sent(outbox))


async def test_two_relays_deliver_nothing_twice(relaying, deliveries, emit, outbox, becomes, settings):
    for number in range(40):
        await emit("thing.made", subject=f"thg_{number}", name=str(number))
    async with (
        open_database(settings.database, name="replica") as replica,
        relaying(deliveries.handlers),
        relaying(deliveries.handlers, over=replica),
    ):
        await becomes(lambda: all_sent(outbox))
    assert sorted(deliveries.seen, key=int) == [str(number) for number in range(40)]


async def test_a_relay_that_is_stopped_gives_back_what_it_had(relaying, deliveries, emit, outbox, becomes, begun):
    deliveries.then = hanging("a")
    await emit("thing.made", name="a")
    async with relaying(deliveries.handlers):
        await begun()
    [row] = await outbox()
    assert (row["leased_until"], row["attempts"], row["last_error"]) == (None, 0, None)
    deliveries.then = lambda _: None
    async with relaying(deliveries.handlers):
        await becomes(lambda: all_sent(outbox))


async def test_a_relay_that_is_stopped_while_its_claim_commits_gives_it_back(database, deliveries, emit, outbox):
    await emit("thing.made", name="a")
    relaying = asyncio.create_task(Relay("example", database, deliveries.handlers.subscriptions, None).run())
    event.listen(database.engine.sync_engine, "commit", lambda _: relaying.cancel(), once=True)
    await asyncio.wait([relaying])
    [row] = await outbox()
    assert (row["leased_until"], row["attempts"], deliveries.seen) == (None, 0, [])


RUN_OUT = "UPDATE outbox SET leased_until = now()"


async def test_a_relay_that_lost_its_lease_has_nothing_to_say(
    relaying, deliveries, emit, outbox, admin, becomes, begun
):
    finish = asyncio.Event()

    async def slow_then_failing(_event: Event) -> None:
        if len(deliveries.seen) == 1:
            await finish.wait()
            raise RuntimeError("too late")

    deliveries.then = slow_then_failing
    await emit("thing.made", name="a")
    async with relaying(deliveries.handlers):
        await begun()
        await admin.execute(RUN_OUT)
        await becomes(lambda: all_sent(outbox))
        finish.set()
        await asyncio.sleep(0.05)
    [row] = await outbox()
    assert deliveries.seen == ["a", "a"]
    assert (row["attempts"], row["last_error"], row["dead_at"]) == (2, None, None)
    assert row["sent_at"] is not None


async def test_an_outcome_that_cannot_be_written_is_delivered_again(
    relaying, deliveries, emit, outbox, admin, becomes, logged, cut_off
):
    locked, is_locked = admin.transaction(), asyncio.Event()

    async def lock(_event: Event) -> None:
        if len(deliveries.seen) == 1:
            await locked.start()
            await admin.execute("SELECT FROM outbox FOR UPDATE")
            is_locked.set()

    deliveries.then = lock
    await emit("thing.made", name="a")
    async with relaying(deliveries.handlers):
        await is_locked.wait()
        await cut_off()
        await logged("event will be delivered again")
        await locked.rollback()
        await admin.execute(RUN_OUT)
        await becomes(lambda: all_sent(outbox))
    assert deliveries.seen == ["a", "a"]


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


async def test_a_relay_that_finds_no_connection_lets_what_it_delivers_go_on(
    relaying, deliveries, emit, outbox, becomes, settings, logged, begun
):
    # One for a claim and one for an outcome, so that neither waits for the other in vain.
    scarce = settings.database.model_copy(update={"pool_size": 2, "pool_timeout_s": 0.05})
    finish = asyncio.Event()
    deliveries.then = lambda _: finish.wait()
    await emit("thing.made", name="a")
    async with open_database(scarce, name="scarce") as over, relaying(deliveries.handlers, over=over):
        await begun()
        async with without_connections(over, becomes):
            await logged("events wait for the database")
        finish.set()
        await becomes(lambda: all_sent(outbox))
    assert deliveries.seen == ["a"]
