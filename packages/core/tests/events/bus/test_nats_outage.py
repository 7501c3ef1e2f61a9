"""What an outage of NATS costs: time, and nothing else."""

import asyncio
from contextlib import AsyncExitStack

import nats
import pytest
from company import logged, made, replica

from core.events.bus import BusUnavailable
from core.events.bus.nats import open_nats
from core.testing.nats import nats_server
from core.testing.network import free_port

SUBJECTS = ("thg_1", "thg_2", "thg_3")


async def test_a_server_that_is_killed_in_the_middle_loses_and_repeats_nothing(
    users, billing, own_server, over, becomes
):
    connect = over(own_server.url)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(replica(users, connect))
            await stack.enter_async_context(replica(billing, connect, billing.noting()))
        for n in range(150):
            await users.emit(subject=SUBJECTS[n % 3], sequence=1 + n // 3, n=n)
            if n % 50 == 25:
                # While some are on their way.
                await becomes(lambda so_far=n: billing.has(so_far - 20))
                own_server.kill()
            if n % 50 == 35:
                own_server.start()
        await becomes(lambda: billing.has(150))
        await becomes(users.has_sent_all)
    assert len(await billing.notes()) == 150
    for place, subject in enumerate(SUBJECTS):
        assert await billing.notes(subject) == list(range(place, 150, 3))


async def test_an_outage_is_one_line_and_its_end_another(billing, own_server, over, becomes, logs, monkeypatch):
    attempts: list[int] = []
    monkeypatch.setattr("core.events.bus.nats.link.backoff_s", lambda count, **_: attempts.append(count) or 0.01)
    async with replica(billing, over(own_server.url), billing.noting()):
        await becomes(lambda: _reads(billing))
        own_server.kill()
        # Another replica may reach what this one does not.
        await becomes(lambda: _is_free(billing))
        await becomes(lambda: _are(attempts, 5))
        own_server.start()
        await becomes(lambda: logged(logs, "nats is back"))
    away = [line["cause"] for line in logs if line["event"] == "nats is away"]
    # That it is lost, and why there is no other one.
    assert len(away) == len(set(away)) == 2
    assert "UnexpectedEOF" in away[0]
    assert "Connect" in away[1]
    assert len([line for line in logs if line["event"] == "nats is back"]) == 1


async def test_a_service_starts_while_nats_is_away(users, billing, own_server, over, becomes, logs):
    own_server.kill()
    connect = over(own_server.url)
    async with replica(users, connect), replica(billing, connect, billing.noting()):
        await users.emit(n=1)
        await becomes(lambda: logged(logs, "events wait"))
        own_server.start()
        await becomes(billing.notes)
    assert await users.admin.fetchval("SELECT attempts FROM outbox") == 1


async def test_who_publishes_while_it_is_away_is_told_why(stream):
    async with open_nats(f"nats://u:secret@127.0.0.1:{free_port()}", stream=stream, name="test") as bus:
        with pytest.raises(BusUnavailable, match=r"127\.0\.0\.1:\d+: .*Connect"):
            await bus.publish([made()])


async def test_a_server_that_hangs_is_given_up(own_server, stream, monkeypatch, becomes, logs):
    monkeypatch.setattr("core.events.bus.nats.connection.HEARTBEAT_S", 0.02)
    monkeypatch.setattr("core.events.bus.nats.connection.ANSWER_TIMEOUT_S", 1)
    monkeypatch.setattr("core.events.bus.nats.connection.CONNECT_TIMEOUT_S", 1)
    monkeypatch.setattr("core.events.bus.nats.connection.CLOSE_TIMEOUT_S", 0.1)
    async with open_nats(own_server.url, stream=stream, name="test") as bus:
        await bus.publish([made()])
        own_server.hang()
        with pytest.raises(BusUnavailable):
            await bus.publish([made()])
        await becomes(lambda: logged(logs, "nats is away"))
        own_server.wake()
        await becomes(lambda: logged(logs, "nats is back"))


async def test_a_wrong_password_is_told_without_the_password(stream, becomes, logs):
    with nats_server("--user", "app", "--pass", "r@ight/") as server:
        where = f"127.0.0.1:{server.port}"
        async with open_nats(f"nats://app:w%40rong%2F@{where}", stream=stream, name="test") as bus:
            with pytest.raises(BusUnavailable, match="Authorization Violation"):
                await bus.publish([made()])
        async with open_nats(f"nats://app:r%40ight%2F@{where}", stream=stream, name="test") as bus:
            await bus.publish([made()])
    assert not any("rong" in str(line) or "ight" in str(line) for line in logs)


async def test_a_publish_whose_answer_is_lost_is_no_second_event(users, billing, nats, over, becomes, stream):
    connect = over(nats.url)
    event = made()
    async with connect() as bus:
        task = asyncio.create_task(bus.publish([event]))
        await becomes(lambda: _holds(nats, stream, 1))
        task.cancel()
        await asyncio.wait([task])
        await bus.publish([event])
        assert await _holds(nats, stream, 1)


async def _holds(server, stream: str, count: int) -> bool:
    client = await nats.connect(server.url)
    try:
        return (await client.jetstream().stream_info(stream)).state.messages == count
    except nats.js.errors.NotFoundError:
        return False
    finally:
        await client.close()


async def _are(attempts: list[int], count: int) -> bool:
    return len(attempts) >= count


async def _is_free(service) -> bool:
    return await service.admin.fetchval("SELECT reader IS NULL FROM bus_positions")


async def _reads(service) -> bool:
    return await service.admin.fetchval("SELECT reader IS NOT NULL FROM bus_positions")
