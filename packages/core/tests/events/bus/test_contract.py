"""What every bus does for the services on it: the same tests, over one process and over NATS."""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta, timezone
from functools import partial

import pytest
from company import made

from core.events import Event, Handlers

SUBJECTS = ("thg_1", "thg_2", "thg_3")


async def test_what_one_service_announces_has_its_effect_in_another(users, billing, run, becomes):
    async with run(users), run(billing, billing.noting()):
        await users.emit(n=7)
        await becomes(billing.notes)
        await becomes(lambda: users.admin.fetchval("SELECT sent_at FROM outbox"))
    assert await billing.notes() == [7]
    assert await users.inbox() == []


async def test_an_event_that_comes_again_has_no_second_effect(users, billing, run, becomes):
    first, other = made(), made(subject="thg_2", data={"n": 2})
    async with run(users) as bus, run(billing, billing.noting()):
        await bus.publish([first, first])
        await bus.publish([first])
        await bus.publish([other])
        await becomes(lambda: billing.has(2))
    assert await billing.notes("thg_1") == [1]
    assert len(await billing.inbox()) == 2


async def test_the_events_of_one_subject_are_handled_in_their_order(users, billing, run, becomes):
    async with run(users), run(billing, billing.noting()):
        for n in range(60):
            await users.emit(subject=SUBJECTS[n % 3], sequence=1 + n // 3, n=n)
        await becomes(lambda: billing.has(60))
    for place, subject in enumerate(SUBJECTS):
        assert await billing.notes(subject) == list(range(place, 60, 3))


async def test_each_service_gets_its_own(users, billing, services, run, becomes):
    mail = await services("mail")
    async with run(users), run(billing, billing.noting()), run(mail, mail.noting()):
        await users.emit(n=1)
        await becomes(billing.notes)
        await becomes(mail.notes)
    assert await billing.notes() == await mail.notes() == [1]


async def test_what_nobody_takes_is_sent_and_gone(users, billing, run, becomes):
    async with run(users), run(billing, billing.noting()):
        await users.emit("thing.lost", n=1)
        await users.emit("thing.made", n=2)
        await becomes(billing.notes)
        await becomes(users.has_sent_all)
    assert [row["type"] for row in await billing.inbox()] == ["thing.made"]


async def test_a_consumer_whose_database_is_away_catches_up(users, billing, run, away, becomes, logs):
    async with run(users), run(billing, billing.noting()):
        await users.emit(n=1, sequence=1)
        await becomes(billing.notes)
        async with away(billing):
            for n in range(2, 20):
                await users.emit(n=n, sequence=n)
            await becomes(lambda: _was_logged(logs, "events wait", "events are not read"))
        await becomes(lambda: billing.has(19))
    assert await billing.notes() == list(range(1, 20))


async def test_a_slow_handler_holds_nobody_else_back(users, billing, services, run, becomes):
    mail = await services("mail")
    go_on = asyncio.Event()

    async def slow(event: Event) -> None:
        if event.subject == "thg_1":
            await go_on.wait()

    async with run(users), run(billing, billing.noting(before=slow)), run(mail, mail.noting()):
        await users.emit(subject="thg_1", n=1)
        await users.emit(subject="thg_2", n=2)
        await becomes(lambda: billing.notes("thg_2"))
        await becomes(lambda: mail.has(2))
        await becomes(users.has_sent_all)
        assert await billing.notes("thg_1") == []
        go_on.set()
        await becomes(lambda: billing.notes("thg_1"))


async def test_a_poison_event_holds_back_its_subject_alone(users, billing, run, becomes, monkeypatch):
    monkeypatch.setattr("core.events.queues.leases.BACKOFF_S_MIN", 60)

    async def refuse(event: Event) -> None:
        if event.data["n"] == 1:
            raise ValueError("poison")

    async with run(users), run(billing, billing.noting(before=refuse)):
        await users.emit(subject="thg_1", sequence=1, n=1)
        await users.emit(subject="thg_1", sequence=2, n=2)
        await users.emit(subject="thg_2", sequence=1, n=3)
        await becomes(lambda: billing.notes("thg_2"))
        await becomes(lambda: billing.admin.fetchval("SELECT last_error FROM inbox WHERE last_error IS NOT NULL"))
        assert await billing.notes("thg_1") == []
        await billing.admin.execute("UPDATE inbox SET dead_at = now() WHERE last_error IS NOT NULL")
        await becomes(lambda: billing.notes("thg_1"))
    assert await billing.notes("thg_1") == [2]


async def test_a_consumer_that_was_away_catches_up(users, billing, run, becomes):
    async with run(users):
        async with run(billing, billing.noting()):
            await users.emit(n=1, sequence=1)
            await becomes(billing.notes)
        for n in range(2, 10):
            await users.emit(n=n, sequence=n)
        async with run(billing, billing.noting()):
            await becomes(lambda: billing.has(9))
    assert await billing.notes() == list(range(1, 10))


async def test_three_replicas_of_each_do_nothing_twice(users, billing, run, becomes):
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(run(users))
            await stack.enter_async_context(run(billing, billing.noting()))
        for n in range(90):
            await users.emit(subject=SUBJECTS[n % 3], sequence=1 + n // 3, n=n)
        await becomes(lambda: billing.has(90))
        await becomes(users.has_sent_all)
    assert len(await billing.notes()) == 90
    for place, subject in enumerate(SUBJECTS):
        assert await billing.notes(subject) == list(range(place, 90, 3))


@pytest.mark.parametrize("stopped", ["producer", "consumer"])
async def test_a_stop_in_the_middle_loses_nothing(users, billing, run, becomes, stopped):
    async with run(billing, billing.noting()):
        # From here on, it is known on the bus of one process.
        pass
    async with AsyncExitStack() as stays:
        if stopped == "producer":
            await stays.enter_async_context(run(billing, billing.noting()))
        else:
            await stays.enter_async_context(run(users))
        for n in range(100):
            await users.emit(subject=SUBJECTS[n % 3], sequence=1 + n // 3, n=n)
        while (seen := len(await billing.notes())) < 100:
            async with run(users) if stopped == "producer" else run(billing, billing.noting()):
                await becomes(partial(billing.has, seen + 1))
    assert len(await billing.notes()) == 100
    for place, subject in enumerate(SUBJECTS):
        assert await billing.notes(subject) == list(range(place, 100, 3))


@pytest.mark.parametrize(
    "more",
    [
        {"text": 'żółć 漢字 🎉 " \\ \n \\u0000', "deep": [[{"a": [None, True, 1.5, -1]}]], "ключ": {}},
        "x" * (512 * 1024 - 100),
    ],
    ids=["text", "size"],
)
async def test_what_is_told_arrives_as_it_is(users, billing, run, becomes, more):
    told: list[Event] = []
    handlers = Handlers()

    @handlers.on("thing.made", source="users")
    async def keep(event: Event, resources) -> None:
        told.append(event)

    sent = made(
        subject="thg_ż",
        sequence=2**63 - 1,
        time=datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        data={"n": 1, "more": more},
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    async with run(users) as bus, run(billing, handlers):
        await bus.publish([sent])
        await becomes(lambda: _was_called(told))
    assert told == [sent]


async def _was_called(told: list[Event]) -> bool:
    return bool(told)


async def _was_logged(logs, *events: str) -> bool:
    return any(line["event"] in events for line in logs)
