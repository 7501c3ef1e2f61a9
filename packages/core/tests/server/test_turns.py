"""Requests begin few at a time, so that a burst of them holds up nobody who comes after it."""

import asyncio
import gc
import os
import signal
import weakref
from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest

from core.server.turns import BEGINS_MAX, Turns

BURST = 200
# The application is not interested in them.
RECEIVE: Any = None
SEND: Any = None


class Begun:
    """An application that notes what has begun, and in which turn of the loop."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.turns: Counter[int] = Counter()
        self._turn = 0

    async def __call__(self, scope, _receive, _send) -> None:
        self.paths.append(scope.get("path", scope["type"]))
        self.turns[self._turn] += 1
        if scope.get("path") == "/fails":
            raise RuntimeError("it failed")

    async def count_turns(self) -> None:
        while True:
            await asyncio.sleep(0)
            self._turn += 1


@pytest.fixture
def begun() -> Begun:
    return Begun()


@pytest.fixture
def ask(begun):
    turns = Turns(begun)

    def start(path):
        return asyncio.create_task(turns({"type": "http", "path": path}, RECEIVE, SEND))

    return start


async def a_turn() -> None:
    await asyncio.sleep(0)


async def test_what_comes_after_a_burst_is_read_before_the_burst_has_begun(begun, ask):
    burst = [ask(f"/{number}") for number in range(BURST)]
    await a_turn()
    assert begun.paths == ["/0", "/1"]
    await asyncio.gather(*burst)


async def test_a_burst_begins_in_its_order_and_few_at_a_turn(begun, ask):
    counting = asyncio.create_task(begun.count_turns())
    burst = [ask(f"/{number}") for number in range(BURST)]
    await asyncio.gather(*burst)
    counting.cancel()
    assert begun.paths == [f"/{number}" for number in range(BURST)]
    assert max(begun.turns.values()) == BEGINS_MAX


async def test_whoever_comes_later_begins_later(begun, ask):
    first = [ask(f"/first/{number}") for number in range(5)]
    await a_turn()
    second = [ask(f"/second/{number}") for number in range(5)]
    await asyncio.gather(*first, *second)
    assert begun.paths == [f"/{each}/{number}" for each in ("first", "second") for number in range(5)]


@pytest.mark.parametrize("probe", ["/livez", "/readyz", "/startupz", "/metrics"])
async def test_a_probe_waits_for_no_turn(begun, ask, probe):
    burst = [ask(f"/{number}") for number in range(BURST)]
    await ask(probe)
    assert begun.paths == ["/0", "/1", probe]
    await asyncio.gather(*burst)


async def test_the_start_of_the_application_waits_for_no_turn(begun):
    await Turns(begun)({"type": "lifespan"}, RECEIVE, SEND)
    assert begun.paths == ["lifespan"]


async def test_who_is_cancelled_takes_nobodys_turn(begun, ask):
    burst = [ask(f"/{number}") for number in range(BURST)]
    await a_turn()
    for each in burst[2:-2]:
        each.cancel()
    await asyncio.wait(burst[2:-2])
    await a_turn()
    assert begun.paths == ["/0", "/1", f"/{BURST - 2}", f"/{BURST - 1}"]


async def test_who_is_cancelled_when_their_turn_has_come_holds_up_nobody(begun, ask):
    burst = [ask(f"/{number}") for number in range(5)]
    # The turn of the next two has come when the first two have begun; they have not run yet.
    await a_turn()
    await a_turn()
    for each in burst[2:4]:
        each.cancel()
    await asyncio.gather(*burst, return_exceptions=True)
    assert begun.paths == ["/0", "/1", "/4"]
    await asyncio.gather(ask("/later"), ask("/and another"))
    assert begun.paths[3:] == ["/later", "/and another"]


async def test_a_burst_of_failures_holds_up_nobody(begun, ask):
    burst = [ask("/fails") for _ in range(BURST)]
    assert {type(each) for each in await asyncio.gather(*burst, return_exceptions=True)} == {RuntimeError}
    await ask("/later")
    assert begun.paths[-1] == "/later"


async def test_nothing_is_kept_of_those_who_began_or_left(begun, ask):
    burst = [ask(f"/{number}") for number in range(BURST)]
    kept = [weakref.ref(each) for each in burst]
    await a_turn()
    for each in burst[BURST // 2 :]:
        each.cancel()
    await asyncio.gather(*burst, return_exceptions=True)
    del burst, each
    await a_turn()
    gc.collect()
    assert [each() for each in kept] == [None] * BURST


class NotedLoop(asyncio.SelectorEventLoop):
    """A loop that notes what it is asked to run."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[object] = []

    def call_soon(self, callback, *args, context=None):
        self.asked.append(getattr(callback, "__self__", None))
        return super().call_soon(callback, *args, context=context)


def test_a_loop_without_requests_is_left_alone(begun):
    turns = Turns(begun)

    async def burst_and_rest(loop: NotedLoop) -> bool:
        await asyncio.gather(*(turns({"type": "http", "path": f"/{number}"}, RECEIVE, SEND) for number in range(5)))
        assert turns in loop.asked
        for _ in range(5):
            await a_turn()
        loop.asked.clear()
        await a_turn()
        return turns in loop.asked

    loop = NotedLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert not runner.run(burst_and_rest(loop))


def test_a_probe_that_comes_after_a_burst_is_answered_before_it(server, eventually):
    seen = len(server.lines)
    with ExitStack() as opened:
        # The first, because what was read last before the stop is read first after it.
        last, *burst = connections = [opened.enter_context(server.connect()) for _ in range(BURST)]
        for each in connections:
            send(each, "/livez", "accepted")
            each.recv(1000)
        # All of it comes in one turn of the loop.
        server.process.send_signal(signal.SIGSTOP)
        os.waitpid(server.process.pid, os.WUNTRACED)
        for each in burst:
            send(each, "/of-no-route", "burst")
        send(last, "/livez", "probe")
        server.process.send_signal(signal.SIGCONT)
        for each in connections:
            each.recv(1000)
    eventually(lambda: len(ids_of(server, seen)) == BURST)
    assert ids_of(server, seen).index("probe") <= BEGINS_MAX


def test_a_probe_on_a_new_connection_waits_for_few_of_the_connections_before_it(server, eventually):
    seen = len(server.lines)
    with ExitStack() as opened:
        server.process.send_signal(signal.SIGSTOP)
        os.waitpid(server.process.pid, os.WUNTRACED)
        *burst, last = connections = [opened.enter_context(server.connect()) for _ in range(BURST)]
        for each in burst:
            send(each, "/of-no-route", "burst")
        send(last, "/livez", "probe")
        server.process.send_signal(signal.SIGCONT)
        for each in connections:
            each.recv(1000)
    eventually(lambda: len(ids_of(server, seen)) == BURST)
    # It is accepted in the seventh turn; one connection a turn would be the two hundredth.
    assert ids_of(server, seen).index("probe") < BURST / 4


def send(connection, path, request_id):
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: service.test\r\nX-Request-ID: {request_id}\r\n\r\n".encode())


def ids_of(server, seen):
    ids = [line.get("request_id") for line in server.lines[seen:]]
    return [each for each in ids if each in {"burst", "probe"}]
