"""Which replica reads the stream, and that it leaves nothing out."""

import asyncio
from collections.abc import Sequence

from company import logged, made, replica
from nats.js import JetStreamContext

from core.events import Inbox
from core.events.bus.nats.delivery import Delivery
from core.events.bus.protocol import Turn
from core.ids import new_id


async def test_one_replica_reads_and_the_next_one_follows_when_it_stops(connect, users, billing, becomes):
    async with replica(users, connect):
        async with replica(billing, connect, billing.noting()):
            first = await becomes(lambda: _reader(billing))
            waiting = replica(billing, connect, billing.noting())
            await waiting.__aenter__()
            await users.emit(n=1)
            await becomes(billing.notes)
            assert await _reader(billing) == first
        assert await becomes(lambda: _reader(billing)) != first
        await users.emit(n=2)
        await becomes(lambda: billing.has(2))
        await waiting.__aexit__(None, None, None)
    assert await _reader(billing) is None


async def test_a_replica_that_died_is_followed_when_its_turn_runs_out(connect, users, billing, becomes, stream):
    dead = Inbox("billing", billing.database, billing.noting().subscriptions)
    assert await dead.take_turn(stream, by=new_id()) == Turn(position=0, last_at=None)
    async with replica(users, connect), replica(billing, connect, billing.noting()):
        await users.emit(n=1)
        await becomes(users.has_sent_all)
        assert await billing.notes() == []
        await billing.admin.execute("UPDATE bus_positions SET leased_until = now() - interval '1 ms'")
        await becomes(billing.notes)


async def test_a_turn_is_renewed_while_it_lasts(connect, billing, becomes, monkeypatch):
    monkeypatch.setattr("core.events.bus.nats.feed.RENEW_S", 0.01)
    async with replica(billing, connect, billing.noting()):
        await becomes(lambda: _reader(billing))
        until = await billing.admin.fetchval("SELECT leased_until FROM bus_positions")
        await becomes(lambda: billing.admin.fetchval("SELECT leased_until > $1 FROM bus_positions", until))


async def test_who_was_overtaken_stores_nothing(connect, operator, users, billing, becomes, stream):
    """Another replica took over, because this one was stopped for a while, and has read on."""
    async with replica(users, connect) as bus, replica(billing, connect, billing.noting()):
        await bus.publish([made(subject="thg_1", data={"n": 1})])
        await becomes(billing.notes)
        await billing.admin.execute(
            "UPDATE bus_positions SET reader = gen_random_uuid(), leased_until = now() + interval '1 h', position = 3"
        )
        await bus.publish([made(subject="thg_2", data={"n": 2}), made(subject="thg_3", data={"n": 3})])
        await becomes(lambda: _is_unread(operator, stream))
        await billing.admin.execute("UPDATE bus_positions SET reader = NULL, leased_until = now()")
        await bus.publish([made(subject="thg_4", data={"n": 4})])
        await becomes(lambda: billing.has(2))
    assert await billing.notes() == [1, 4]


async def test_a_message_that_is_missing_is_noticed(connect, operator, users, billing, becomes, logs, stream):
    async with replica(users, connect) as bus, replica(billing, connect, billing.noting()):
        await bus.publish([made(subject="thg_1", data={"n": 1})])
        await becomes(billing.notes)
        [consumer] = await operator.consumers_info(stream)
        thief = await operator.pull_subscribe_bind(consumer.name, stream)
        # Requests take turns: of some events, somebody else gets one.
        stolen = asyncio.create_task(thief.fetch(1))
        await becomes(lambda: _waits(operator, stream, consumer.name))
        for n in range(2, 6):
            await bus.publish([made(subject=f"thg_{n}", data={"n": n})])
        await stolen
        await becomes(lambda: billing.has(5))
    assert sorted(await billing.notes()) == [1, 2, 3, 4, 5]
    assert "1 messages are missing" in {line.get("cause") for line in logs}
    assert any(line["event"] == "events are read again" for line in logs)


async def test_a_consumer_that_the_server_forgot_is_made_again(
    connect, operator, users, billing, becomes, logs, stream
):
    async with replica(users, connect) as bus, replica(billing, connect, billing.noting()):
        await bus.publish([made(subject="thg_1", data={"n": 1})])
        await becomes(billing.notes)
        [consumer] = await operator.consumers_info(stream)
        await operator.delete_consumer(stream, consumer.name)
        await bus.publish([made(subject="thg_2", data={"n": 2})])
        await becomes(lambda: billing.has(2))
    assert await operator.consumers_info(stream) == []
    assert any("409 Consumer Deleted" in line.get("cause", "") for line in logs)


async def test_a_server_that_says_nothing_is_asked_anew(connect, users, billing, becomes, logs, monkeypatch):
    monkeypatch.setattr("core.events.bus.nats.delivery.SILENCE_S_MAX", 0.01)
    monkeypatch.setattr("core.events.bus.nats.feed.RENEW_S", 0.02)
    async with replica(users, connect), replica(billing, connect, billing.noting()):
        await becomes(lambda: _was_told(logs, "the server says nothing of the consumer"))
        await users.emit(n=1)
        await becomes(billing.notes)


async def test_many_and_large_events_come_in_several_requests(connect, operator, stream, billing, becomes, monkeypatch):
    monkeypatch.setattr("core.events.bus.nats.delivery.MESSAGES_MAX", 10)
    async with connect() as bus:
        await bus.publish([made(subject=f"thg_{n}", data={"n": n}) for n in range(30)])
        await bus.publish([made(subject=f"thg_{n}", data={"n": n, "more": "x" * 500_000}) for n in range(30, 45)])
        await bus.publish([made(subject=f"thg_{n}", data={"n": n}) for n in range(45, 60)])
    monkeypatch.setattr("core.events.bus.nats.delivery.BYTES_MAX", 0)
    async with replica(billing, connect, billing.noting()):
        await becomes(lambda: billing.has(60))
        [consumer] = await operator.consumers_info(stream)
        assert consumer.num_waiting == 1
    assert sorted(await billing.notes()) == list(range(60))


async def test_a_request_that_brought_nothing_is_made_again(connect, users, billing, becomes, monkeypatch):
    monkeypatch.setattr("core.events.bus.nats.delivery.REQUEST_S", 0.2)
    monkeypatch.setattr("core.events.bus.nats.delivery.HEARTBEAT_S", 0.1)
    asked: list[Delivery] = []
    ask = Delivery._ask

    async def counted(self: Delivery) -> None:
        asked.append(self)
        await ask(self)

    monkeypatch.setattr(Delivery, "_ask", counted)
    async with replica(users, connect), replica(billing, connect, billing.noting()):
        await becomes(lambda: _are(asked, 3))
        await users.emit(n=1)
        await becomes(billing.notes)
    # By one and the same consumer.
    assert len(set(asked)) == 1


async def test_a_database_that_is_away_is_told_once(connect, users, billing, away, becomes, logs, monkeypatch):
    failures: list[int] = []
    monkeypatch.setattr("core.events.bus.nats.feed.backoff_s", lambda count, **_: failures.append(count) or 0.01)
    async with replica(users, connect), replica(billing, connect, billing.noting()):
        await becomes(lambda: _reader(billing))
        async with away(billing):
            await users.emit(n=1)
            await becomes(lambda: _are(failures, 3))
        await becomes(billing.notes)
        await becomes(lambda: logged(logs, "events are read again"))
    # A connection that is closed and a database that takes none are two causes, each told once.
    causes = [line["cause"] for line in logs if line["event"] == "events are not read"]
    assert causes
    assert len(causes) == len(set(causes)) < len(failures)


async def test_who_takes_nothing_reads_nothing(connect, operator, users, stream):
    async with replica(users, connect) as bus:
        await bus.publish([made(subject="thg_1", data={"n": 1})])
        assert await operator.consumers_info(stream) == []
    assert await users.admin.fetch("SELECT * FROM bus_positions") == []


async def _are(things: Sequence[object], count: int) -> bool:
    return len(things) >= count


async def _reader(service):
    return await service.admin.fetchval("SELECT reader FROM bus_positions")


async def _is_unread(operator: JetStreamContext, stream: str) -> bool:
    return await operator.consumers_info(stream) == []


async def _waits(operator: JetStreamContext, stream: str, consumer: str) -> bool:
    return (await operator.consumer_info(stream, consumer)).num_waiting == 2


async def _was_told(logs, cause: str) -> bool:
    return any(line.get("cause") == cause for line in logs)
