"""A listening socket that ends: who has connected to it is accepted first, and nobody connects meanwhile."""

import asyncio
import socket
import sys

import pytest

from core.server import listen, unheard
from core.server.unheard import all_accepted, is_readable, keep_off, let_in

PATIENCE_S = 30
IN_THE_KERNEL = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can keep off who has not connected yet")


@pytest.fixture
def listener():
    with listen("127.0.0.1", 0) as listener:
        listener.settimeout(PATIENCE_S)
        yield listener


def connect(listener, *, timeout=PATIENCE_S):
    return socket.create_connection(listener.getsockname(), timeout=timeout)


async def accepted_in_time(listener):
    async with asyncio.timeout(PATIENCE_S):
        await all_accepted(listener)


def test_who_has_connected_is_accepted_though_others_are_kept_off(listener):
    with connect(listener) as early:
        early.sendall(b"asked")
        keep_off(listener)
        accepted, _ = listener.accept()
        with accepted:
            accepted.settimeout(PATIENCE_S)
            assert accepted.recv(5) == b"asked"


@IN_THE_KERNEL
def test_only_the_first_packet_of_a_connection_is_kept_off(listener):
    with connect(listener) as early:
        accepted, _ = listener.accept()
        with accepted:
            accepted.settimeout(PATIENCE_S)
            keep_off(accepted)
            early.sendall(b"asked")
            assert accepted.recv(5) == b"asked"


@IN_THE_KERNEL
def test_who_is_kept_off_has_not_connected_and_connects_once_let_in(listener):
    keep_off(listener)
    with pytest.raises(TimeoutError):
        connect(listener, timeout=0.2)
    let_in(listener)
    with connect(listener):
        pass


@IN_THE_KERNEL
def test_who_is_kept_off_is_refused_when_the_socket_has_closed(listener):
    keep_off(listener)
    with socket.socket() as late:
        late.settimeout(0)
        late.connect_ex(listener.getsockname())
        listener.close()
        late.settimeout(PATIENCE_S)
        # It asks again after a second.
        with pytest.raises(ConnectionRefusedError):
            late.recv(1)


def test_where_the_kernel_knows_no_such_thing_nothing_happens(listener, monkeypatch):
    monkeypatch.setattr(unheard, "_SO_ATTACH_FILTER", 9999)
    keep_off(listener)
    monkeypatch.setattr(sys, "platform", "darwin")
    let_in(listener)
    with connect(listener):
        pass


async def test_all_are_accepted_before_the_socket_may_close(listener):
    accepted: list[asyncio.Transport] = []

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport):
            accepted.append(transport)

    connections = [connect(listener) for _ in range(20)]
    server = await asyncio.get_running_loop().create_server(Protocol, sock=listener.dup())
    await accepted_in_time(listener)
    assert not is_readable(listener)
    await asyncio.sleep(0)
    assert len(accepted) == 20
    for each in accepted:
        each.close()
    server.close()
    for each in connections:
        each.close()


async def test_a_connection_that_nobody_accepts_is_not_waited_for_without_end(listener, monkeypatch):
    monkeypatch.setattr(unheard, "ACCEPT_S_MAX", 0.05)
    with connect(listener):
        await accepted_in_time(listener)
        assert is_readable(listener)
