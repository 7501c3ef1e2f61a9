"""What a relay promises: all that is committed is published, in order, and an outage is nobody's fault."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

import pytest

from core.database import DatabaseUnavailable, open_database
from core.events import Event, Handlers
from core.events.bus import BusUnavailable

TYPES = ["thing.made"]


class Bus:
    """One that remembers what it took, and does as `then` says."""

    def __init__(self) -> None:
        self.took: list[str] = []
        self.calls: list[list[str]] = []
        self.then: Callable[[list[str]], object] = lambda _: None

    async def publish(self, events: Sequence[Event]) -> None:
        names = [event.data["name"] for event in events]
        self.calls.append(names)
        outcome = self.then(names)
        if asyncio.iscoroutine(outcome):
            await outcome
        self.took += names

    def feeding(self, _reader: object) -> AbstractAsyncContextManager[None]:
        return nullcontext()


@pytest.fixture
def bus() -> Bus:
    return Bus()


def refusing(*culprits: str, failure: Exception) -> Callable[[list[str]], None]:
    def refuse(names: list[str]) -> None:
        if set(culprits) & set(names):
            raise failure

    return refuse


@pytest.fixture
def all_sent(outbox, becomes):
    async def are() -> bool:
        return not [row for row in await outbox() if row["sent_at"] is None]

    return lambda: becomes(are)


@pytest.fixture
def called(bus, becomes):
    """`await called(3)`: returns when something was published so often, or tried to be."""

    async def was(times: int) -> bool:
        return len(bus.calls) >= times

    return lambda times=1: becomes(lambda: was(times))


async def test_what_is_announced_is_published_once_and_marked(relaying, bus, emit, outbox, all_sent):
    await emit("thing.made", name="a")
    async with relaying(bus, types=TYPES):
        await all_sent()
    [row] = await outbox()
    assert bus.calls == [["a"]]
    assert (row["attempts"], row["leased_until"], row["last_error"]) == (1, None, None)


async def test_what_the_service_handles_itself_comes_into_its_own_inbox(relaying, emit, inbox, all_sent):
    handlers = Handlers()

    @handlers.on("thing.made")
    async def check(*_: object) -> None: ...

    await emit("thing.made", name="a")
    async with relaying(None, handlers=handlers, types=TYPES):
        await all_sent()
    [row] = await inbox()
    assert (row["source"], row["type"], row["subject"], row["sequence"]) == ("example", "thing.made", "thg_1", 1)


async def test_what_only_another_version_knows_waits_for_that_and_holds_back_nobody(
    relaying, bus, emit, outbox, all_sent, admin, becomes
):
    await emit("thing.renamed", name="new")
    await emit("thing.made", name="old")
    async with relaying(bus, types=TYPES):
        await becomes(lambda: admin.fetchval("SELECT sent_at FROM outbox WHERE type = 'thing.made'"))
    assert bus.took == ["old"]
    assert [row["attempts"] for row in await outbox()] == [0, 1]
    async with relaying(bus, types=[*TYPES, "thing.renamed"]):
        await all_sent()
    assert bus.took == ["old", "new"]


async def test_a_commit_wakes_the_relay(relaying, bus, emit, all_sent, called, monkeypatch):
    await emit("thing.made", name="a")
    async with relaying(bus, types=TYPES) as relay:
        await all_sent()
        monkeypatch.setattr("core.events.queues.polling.POLL_S_MAX", 600)
        await emit("thing.made", name="b")
        relay.awake.set()
        await called(2)
    assert bus.took == ["a", "b"]


async def test_what_is_more_than_one_claim_follows_at_once(relaying, bus, emit, all_sent, monkeypatch):
    monkeypatch.setattr("core.events.queues.polling.POLL_S_MIN", 600)
    monkeypatch.setattr("core.events.queues.polling.POLL_S_MAX", 600)
    monkeypatch.setattr("core.events.outbox.relay.EVENTS_MAX", 2)
    for name in "abcde":
        await emit("thing.made", name=name)
    async with relaying(bus, types=TYPES):
        await all_sent()
    assert bus.calls == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.parametrize("outage", [BusUnavailable("away"), DatabaseUnavailable()])
async def test_an_outage_counts_no_attempt_and_loses_nothing(relaying, bus, emit, outbox, called, all_sent, outage):
    for number in range(5):
        await emit("thing.made", subject=f"thg_{number % 2}", name=str(number))
    bus.then = refusing(*"01234", failure=outage)
    async with relaying(bus, types=TYPES):
        # More often than an event is attempted.
        await called(15)
        bus.then = lambda _: None
        await all_sent()
    assert bus.took == list("01234")
    assert {(row["attempts"], row["last_error"]) for row in await outbox()} == {(1, None)}
    assert all(len(names) == 5 for names in bus.calls)


async def test_a_bus_that_does_not_answer_is_an_outage(relaying, bus, emit, outbox, all_sent, monkeypatch):
    monkeypatch.setattr("core.events.outbox.relay.PUBLISH_TIMEOUT_S", 0.01)
    await emit("thing.made", name="a")
    bus.then = lambda _: asyncio.Event().wait() if len(bus.calls) == 1 else None
    async with relaying(bus, types=TYPES):
        await all_sent()
    assert [row["attempts"] for row in await outbox()] == [1]


async def test_what_cannot_be_published_is_found_and_holds_back_its_subject_alone(relaying, bus, emit, admin, becomes):
    for name in ("a1", "b1", "a2", "b2", "a3", "c1"):
        await emit("thing.made", subject=name[0], name=name)
    bus.then = refusing("a2", failure=ValueError("too large"))
    async with relaying(bus, types=TYPES):
        await becomes(lambda: admin.fetchval("SELECT count(*) = 4 FROM outbox WHERE sent_at IS NOT NULL"))
        await becomes(lambda: admin.fetchval("SELECT last_error FROM outbox WHERE data ->> 'name' = 'a2'"))
    assert bus.took == ["a1", "b1", "b2", "c1"]
    rows = await admin.fetch("SELECT data ->> 'name' AS name, attempts FROM outbox WHERE sent_at IS NULL ORDER BY 1")
    assert [tuple(row) for row in rows] == [("a2", 1), ("a3", 0)]


async def test_what_can_never_be_published_is_dead_after_twelve_attempts(
    relaying, bus, emit, outbox, admin, becomes, monkeypatch
):
    monkeypatch.setattr("core.events.queues.leases.BACKOFF_S_MAX", 0.001)
    bus.then = refusing("a1", failure=ValueError("too large"))
    await emit("thing.made", name="a1")
    await emit("thing.made", name="a2")
    async with relaying(bus, types=TYPES):
        await becomes(lambda: admin.fetchval("SELECT sent_at FROM outbox WHERE data ->> 'name' = 'a2'"))
    [dead, _] = await outbox()
    assert (dead["attempts"], dead["last_error"], dead["sent_at"]) == (12, "ValueError", None)
    assert dead["dead_at"] is not None
    assert bus.took == ["a2"]


async def test_what_ends_every_process_is_dead_too_and_takes_nobody_with_it(relaying, bus, emit, admin, becomes):
    for name in "abc":
        await emit("thing.made", name=name)
    await admin.execute("UPDATE outbox SET attempts = 12, leased_until = now() - interval '1 s'")
    await admin.execute("UPDATE outbox SET attempts = 11 WHERE data ->> 'name' <> 'a'")
    async with relaying(bus, types=TYPES):
        await becomes(lambda: admin.fetchval("SELECT count(*) = 2 FROM outbox WHERE sent_at IS NOT NULL"))
    assert bus.calls == [["b"], ["c"]]
    assert await admin.fetchval("SELECT data ->> 'name' FROM outbox WHERE dead_at IS NOT NULL") == "a"


async def test_a_stop_while_publishing_gives_back_everything(relaying, bus, emit, outbox, called):
    for number in range(3):
        await emit("thing.made", subject=f"thg_{number}", name=str(number))
    bus.then = lambda _: asyncio.Event().wait()
    async with relaying(bus, types=TYPES):
        await called()
    assert [(row["attempts"], row["leased_until"]) for row in await outbox()] == [(0, None)] * 3


async def test_a_stop_while_a_culprit_is_sought_gives_back_the_rest(relaying, bus, emit, outbox, called):
    for name in "abcd":
        await emit("thing.made", subject=name, name=name)

    def seek(names: list[str]) -> object:
        if len(names) > 1:
            raise ValueError
        return asyncio.Event().wait() if names == ["b"] else None

    bus.then = seek
    async with relaying(bus, types=TYPES):
        await called(3)
    assert [(row["attempts"], row["leased_until"]) for row in await outbox()] == [(1, None), *[(0, None)] * 3]
    assert bus.took == ["a"]


async def test_two_relays_publish_nothing_twice_and_everything_in_order(
    relaying, bus, emit, all_sent, settings, monkeypatch
):
    monkeypatch.setattr("core.events.outbox.relay.EVENTS_MAX", 7)
    for number in range(60):
        await emit("thing.made", subject=f"thg_{number % 4}", name=str(number))
    async with (
        open_database(settings.database, name="replica") as replica,
        relaying(bus, types=TYPES),
        relaying(bus, types=TYPES, over=replica),
    ):
        await all_sent()
    assert sorted(bus.took, key=int) == [str(number) for number in range(60)]
    for subject in range(4):
        mine = [int(name) for name in bus.took if int(name) % 4 == subject]
        assert mine == sorted(mine)


async def test_an_outcome_that_is_cut_off_is_written_a_moment_later(
    relaying, bus, emit, outbox, admin, all_sent, cut_off
):
    locked, is_locked = admin.transaction(), asyncio.Event()

    async def lock() -> None:
        await locked.start()
        await admin.execute("SELECT FROM outbox FOR UPDATE")
        is_locked.set()

    bus.then = lambda _: lock()
    await emit("thing.made", name="a")
    async with relaying(bus, types=TYPES):
        await is_locked.wait()
        await cut_off()
        await locked.rollback()
        await all_sent()
    assert (bus.calls, [row["attempts"] for row in await outbox()]) == ([["a"]], [1])
