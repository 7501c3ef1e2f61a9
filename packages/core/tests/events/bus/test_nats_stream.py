"""The stream that services share, and what they make of what they find in it."""

import asyncio

import pytest
from company import logged, made, replica
from nats.js import JetStreamContext

from core.events.bus import BusUnavailable
from core.events.bus.nats.publishing import EventRefused
from core.events.cloudevents import encode


async def test_it_is_made_if_it_is_not_there(connect, operator, stream):
    async with connect() as one, connect() as other:
        await asyncio.gather(*(bus.publish([made()]) for bus in (one, other)))
    there = await operator.stream_info(stream)
    assert there.config.subjects == [f"{stream}.>"]
    assert (there.config.storage, there.config.retention) == ("file", "limits")
    assert (there.config.max_age, there.config.duplicate_window) == (7 * 24 * 60 * 60, 120)
    assert there.state.messages == 2


async def test_one_that_is_there_is_used_as_it_is(connect, operator, stream):
    await operator.add_stream(name=stream, subjects=[f"{stream}.*.>"], max_age=60, storage="memory")
    async with connect() as bus:
        await bus.publish([made()])
    assert (await operator.stream_info(stream)).config.max_age == 60


async def test_one_that_somebody_else_makes_at_the_same_time_is_used(connect, operator, stream, monkeypatch):
    look = JetStreamContext.stream_info

    async def look_too_early(self: JetStreamContext, name: str):
        monkeypatch.undo()
        try:
            return await look(self, name)
        finally:
            await operator.add_stream(name=stream, subjects=[f"{stream}.>"], max_age=60)

    monkeypatch.setattr(JetStreamContext, "stream_info", look_too_early)
    async with connect() as bus:
        await bus.publish([made()])
    assert (await operator.stream_info(stream)).config.max_age == 60


async def test_a_message_says_what_it_is(connect, operator, stream):
    told = made()
    async with connect() as bus:
        await bus.publish([told])
    message = await operator.get_msg(stream, 1)
    assert message.subject == f"{stream}.users.thing.made"
    assert message.data == encode(told)
    assert message.headers["content-type"] == "application/cloudevents+json"
    assert message.headers["Nats-Msg-Id"] == str(told.id)


async def test_subjects_of_another_stream_are_an_outage(connect, operator, stream):
    await operator.add_stream(name=f"{stream}other", subjects=[f"{stream}.>"])
    async with connect() as bus:
        with pytest.raises(BusUnavailable, match="subjects overlap"):
            await bus.publish([made()])


async def test_a_stream_of_something_else_is_an_outage_that_is_told_once(connect, operator, stream, becomes, logs):
    await operator.add_stream(name=stream, subjects=["other.>"])
    async with connect() as bus:
        for _ in range(3):
            with pytest.raises(BusUnavailable, match=f"is there, without the subjects {stream}.>"):
                await bus.publish([made()])
        [told] = [line for line in logs if line["event"] == "nats is away"]
        assert told["cause"].endswith(f"the stream {stream} is there, without the subjects {stream}.>")
        await operator.delete_stream(stream)
        await becomes(lambda: _is_back(logs))
        await bus.publish([made()])


async def test_one_that_is_deleted_is_made_again(connect, operator, stream, users, billing, becomes, logs):
    async with replica(users, connect), replica(billing, connect, billing.noting()):
        await users.emit(n=1)
        await becomes(billing.notes)
        await operator.delete_stream(stream)
        await users.emit(n=2)
        await becomes(lambda: billing.has(2))
    assert any(line["event"] == "the stream is another one than before: it is read from its start" for line in logs)


async def test_who_publishes_to_one_that_is_deleted_makes_it_again(connect, operator, stream, becomes, logs):
    async with connect() as bus:
        await bus.publish([made()])
        await operator.delete_stream(stream)
        with pytest.raises(BusUnavailable, match=r"NoStreamResponse|is gone"):
            await bus.publish([made()])
        await becomes(lambda: logged(logs, "nats is back"))
        await bus.publish([made()])
    assert (await operator.stream_info(stream)).state.messages == 1


async def test_one_that_was_made_anew_while_nobody_read_is_read_from_its_start(
    connect, operator, stream, users, billing, becomes, logs
):
    async with replica(users, connect), replica(billing, connect, billing.noting()):
        await users.emit(n=1)
        await becomes(billing.notes)
    await operator.delete_stream(stream)
    async with replica(users, connect):
        for n in range(2, 10):
            await users.emit(n=n)
        await becomes(users.has_sent_all)
    async with replica(billing, connect, billing.noting()):
        await becomes(lambda: billing.has(9))
    assert [line["position"] for line in logs if "another one" in line["event"]] == [1]


async def test_one_that_was_restored_from_before_is_read_from_its_start(connect, users, billing, becomes, stream, logs):
    inserted = "INSERT INTO bus_positions (stream, position, leased_until) VALUES ($1, 100, now() + interval '1 h')"
    await billing.admin.execute(inserted, stream)
    async with replica(users, connect):
        await users.emit(n=1)
        await becomes(users.has_sent_all)
        async with replica(billing, connect, billing.noting()):
            await becomes(billing.notes)
    assert [line["position"] for line in logs if "another one" in line["event"]] == [100]


async def test_events_that_expired_unread_are_told(connect, operator, stream, users, billing, becomes, logs):
    async with replica(users, connect), replica(billing, connect, billing.noting()):
        await users.emit(n=1)
        await becomes(billing.notes)
    async with replica(users, connect):
        for n in range(2, 7):
            await users.emit(n=n)
        await becomes(users.has_sent_all)
        await operator.purge_stream(stream)
        await users.emit(n=7)
        async with replica(billing, connect, billing.noting()):
            await becomes(lambda: billing.has(2))
    assert await billing.notes() == [1, 7]
    [told] = [line for line in logs if line["level"] == "error"]
    assert told["event"] == "events expired unread: a replay is needed"
    assert told["expired_max"] == 5


async def test_what_concerns_others_may_expire(connect, operator, stream, users, billing, becomes, logs, monkeypatch):
    monkeypatch.setattr("core.events.bus.nats.delivery.HEARTBEAT_S", 0.1)
    async with replica(users, connect):
        async with replica(billing, connect, billing.noting()):
            await users.emit(n=1)
            await becomes(billing.notes)
            for n in range(2, 5):
                await users.emit("thing.lost", n=n)
            await becomes(lambda: _is_at(billing, 4))
        await operator.purge_stream(stream)
        await users.emit(n=5)
        async with replica(billing, connect, billing.noting()):
            await becomes(lambda: billing.has(2))
    assert [line for line in logs if line["level"] == "error"] == []


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"{", "JSONDecodeError"), (encode(made(source="mail")), "it came as")],
    ids=["broken", "in another's name"],
)
async def test_what_is_no_event_is_passed_over(connect, operator, stream, users, billing, becomes, logs, content, why):
    async with replica(users, connect), replica(billing, connect, billing.noting()):
        await users.emit(n=1)
        await becomes(billing.notes)
        await operator.publish(f"{stream}.users.thing.made", content)
        await users.emit(n=2)
        await becomes(lambda: billing.has(2))
    [told] = [line for line in logs if line["level"] == "error"]
    assert (told["event"], told["sequence"]) == ("no event: passed over", 2)
    assert why in told["cause"]


async def test_what_comes_again_after_the_servers_memory_is_known_to_the_inbox(
    connect, operator, stream, users, billing, becomes
):
    first = made()
    async with replica(users, connect) as bus, replica(billing, connect, billing.noting()):
        await bus.publish([first])
        # As it would come from a replica that published it before: without the id that the server remembers.
        await operator.publish(f"{stream}.users.thing.made", encode(first))
        await users.emit(n=2, subject="thg_2")
        await becomes(lambda: billing.has(2))
    assert sorted(await billing.notes()) == [1, 2]


@pytest.mark.parametrize("where", ["server", "stream"])
async def test_an_event_that_is_too_large_is_to_blame_itself(connect, operator, stream, where):
    large = made(data={"n": 1, "more": "x" * (1024**2 if where == "server" else 2000)})
    await operator.add_stream(name=stream, subjects=[f"{stream}.>"], max_msg_size=-1 if where == "server" else 1000)
    async with connect() as bus:
        with pytest.raises(EventRefused, match="it is larger than"):
            await bus.publish([made(), large])
    assert (await operator.stream_info(stream)).state.messages == 1


async def test_a_stream_that_is_full_is_an_outage(connect, operator, stream):
    await operator.add_stream(name=stream, subjects=[f"{stream}.>"], max_msgs=1, discard="new")
    async with connect() as bus:
        await bus.publish([made()])
        with pytest.raises(BusUnavailable, match="maximum messages exceeded"):
            await bus.publish([made()])


async def test_while_there_is_an_outage_no_event_is_to_blame(connect, operator, stream):
    await operator.add_stream(name=stream, subjects=[f"{stream}.>"], max_msgs=1, discard="new")
    async with connect() as bus:
        await bus.publish([made()])
        with pytest.raises(BusUnavailable):
            await bus.publish([made(data={"more": "x" * 1024**2}), made(subject="thg_2")])


async def _is_at(service, position: int) -> bool:
    return await service.admin.fetchval("SELECT position FROM bus_positions") == position


async def _is_back(logs) -> bool:
    return any(line["event"] == "nats is back" for line in logs)
