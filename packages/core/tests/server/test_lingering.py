"""A client that takes what it is sent, however slowly, is not cut off, and one that takes nothing is."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from core.server.lingering import LINGER_BYTES_MAX, LINGER_S, LingeringTransport

SIZE = 8 * 1024 * 1024
SEND_TIMEOUT_S = 3


class Timer:
    """What is done later, unless it is cancelled."""

    def __init__(self, seconds: float, then: Callable[[], object]) -> None:
        self.seconds, self.then, self.runs = seconds, then, True

    def cancel(self) -> None:
        self.runs = False


class Timers:
    """A loop in which time passes when the test says so."""

    def __init__(self) -> None:
        self._timers: list[Timer] = []

    def call_later(self, seconds: float, then: Callable[[], object]) -> Timer:
        self._timers.append(Timer(seconds, then))
        return self._timers[-1]

    @property
    def running_s(self) -> list[float]:
        return [timer.seconds for timer in self._timers if timer.runs]

    def end(self) -> None:
        """The time of the only one that runs has passed."""
        (timer,) = (timer for timer in self._timers if timer.runs)
        timer.runs = False
        timer.then()


class Line(LingeringTransport):
    """The server's end of a connection, whose client may send on; and the client's."""

    def __init__(self, transport: asyncio.Transport, loop: Any, client: socket.socket) -> None:
        super().__init__(transport, loop, stop_reading=self.stop_reading, send_timeout_s=SEND_TIMEOUT_S)
        self.client, self.stops = client, 0

    def stop_reading(self) -> bool:
        self.stops += 1
        return True

    async def is_cut_off(self) -> bool:
        """Whether the client has been told so, and not only that all was sent."""
        await asyncio.sleep(0)
        try:
            self.client.send(b"x")
            self.client.send(b"x")
        except ConnectionError:
            return True
        return False


@pytest.fixture
def timers() -> Timers:
    return Timers()


@pytest.fixture
async def line(timers) -> AsyncIterator[Line]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)  # noqa: FBT003 - the socket module has it so
    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(asyncio.Protocol, ours)
    line = Line(transport, timers, theirs)
    yield line
    theirs.close()
    line.abort()


async def take(line: Line, size: int) -> None:
    while size > 0:
        size -= len(await asyncio.get_running_loop().sock_recv(line.client, min(size, 65_536)))


async def sent(line: Line) -> None:
    async with asyncio.timeout(60):
        while line.get_write_buffer_size():  # noqa: ASYNC110 - a transport has no events for it
            await asyncio.sleep(0)


async def test_whoever_has_taken_all_is_watched_no_longer(line, timers):
    line.write(b"x" * SIZE)
    line.watch()
    assert timers.running_s == [SEND_TIMEOUT_S]
    await take(line, SIZE)
    await sent(line)
    timers.end()
    assert not line.is_closing()
    assert timers.running_s == []


async def test_whoever_takes_some_is_watched_further_and_cut_off_when_it_takes_no_more(line, timers):
    line.write(b"x" * SIZE)
    line.watch()
    await take(line, SIZE // 2)
    timers.end()
    assert line.get_write_buffer_size()
    assert not line.is_closing()
    assert timers.running_s == [SEND_TIMEOUT_S]
    timers.end()
    assert line.is_closing()
    assert timers.running_s == []


async def test_who_is_watched_anew_is_watched_once(line, timers):
    line.write(b"x" * SIZE)
    line.watch()
    line.watch()
    assert timers.running_s == [SEND_TIMEOUT_S]
    line.lost()
    assert timers.running_s == []


async def test_whoever_has_all_and_does_not_leave_is_cut_off(line, timers):
    line.write(b"x" * SIZE)
    line.close()
    assert timers.running_s == [SEND_TIMEOUT_S]
    await take(line, SIZE)
    await sent(line)
    timers.end()
    assert timers.running_s == [LINGER_S]
    assert not await line.is_cut_off()
    timers.end()
    assert timers.running_s == []
    assert await line.is_cut_off()


async def test_what_is_closed_twice_is_closed_once(line):
    line.close()
    line.close()
    assert line.stops == 1
    assert line.is_closing()


async def test_what_is_cut_off_is_closed(line, timers):
    line.abort()
    assert line.is_closing()
    line.close()
    assert (line.stops, timers.running_s) == (0, [])


async def test_of_what_is_dropped_there_is_a_most(line):
    line.close()
    line.discard(LINGER_BYTES_MAX)
    assert not await line.is_cut_off()
    line.discard(1)
    assert await line.is_cut_off()
