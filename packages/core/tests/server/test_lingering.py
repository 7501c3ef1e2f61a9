"""A client that takes what it is sent, however slowly, is not cut off."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from core.server.lingering import LingeringTransport

SIZE = 8 * 1024 * 1024
SEND_TIMEOUT_S = 0.1


@pytest.fixture
async def pair() -> AsyncIterator[tuple[LingeringTransport, socket.socket]]:
    """The server's end of a connection, and the client's."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)  # noqa: FBT003 - the socket module has it so
    transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, ours)
    line = LingeringTransport(transport, loop, stop_reading=lambda: False, send_timeout_s=SEND_TIMEOUT_S)
    yield line, theirs
    theirs.close()
    line.lost()
    line.abort()


async def take(client: socket.socket, size: int) -> None:
    while size > 0:
        size -= len(await asyncio.get_running_loop().sock_recv(client, min(size, 65_536)))


async def look_is_over() -> None:
    await asyncio.sleep(SEND_TIMEOUT_S * 2)


async def test_whoever_has_taken_all_is_watched_no_longer(pair):
    line, client = pair
    line.write(b"x" * SIZE)
    line.watch()
    await take(client, SIZE)
    await look_is_over()
    assert not line.is_closing()


async def test_whoever_takes_some_is_watched_further_and_cut_off_when_it_takes_no_more(pair, becomes):
    line, client = pair
    line.write(b"x" * SIZE)
    line.close()
    await take(client, SIZE // 2)
    assert line.get_write_buffer_size()

    async def ended() -> bool:
        return not line.get_write_buffer_size()

    await becomes(ended)
