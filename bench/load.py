"""A load of HTTP/1.1 requests over kept connections, from a process of its own: `python -m bench.load PORT SECONDS`.

The requests come as JSON on standard input, and each connection sends them in turn; what comes out is how many were
answered in how many seconds. It reads no more of an answer than it must, so that one processor loads another fully.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from functools import partial
from itertools import cycle, islice
from time import perf_counter
from typing import Any

import uvloop

from bench.machine import stay_on

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "


class BadAnswerError(Exception):
    """An answer that is not 200: its cost is not the one that was to be measured."""


class Connection(asyncio.Protocol):
    """Sends one request after the other, each when the one before it has been answered."""

    def __init__(self, requests: Sequence[bytes], begin_at: int) -> None:
        self._next = islice(cycle(requests), begin_at, None)
        self._buffer = b""
        self.answered = 0
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Sends the first."""
        self.transport = transport
        transport.write(next(self._next))

    def data_received(self, data: bytes) -> None:
        """Counts an answer when it is whole, and sends the next."""
        self._buffer += data
        end = self._buffer.find(HEAD_END)
        if end < 0:
            return
        head = self._buffer[:end].lower()
        if not head.startswith(b"http/1.1 200"):
            self._fail(BadAnswerError(self._buffer.decode(errors="replace")))
            return
        start = head.index(LENGTH) + len(LENGTH)
        length = int(head[start:].split(b"\r\n", 1)[0])
        if len(self._buffer) >= end + len(HEAD_END) + length:
            self._buffer = b""
            self.answered += 1
            self.transport.write(next(self._next))

    def connection_lost(self, exc: Exception | None) -> None:
        """The server is not to close what it could keep."""
        self._fail(exc or BadAnswerError("the server closed the connection"))

    def _fail(self, failure: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(failure)


async def load(port: int, *, seconds: float, connections: int, requests: Sequence[bytes]) -> tuple[int, float]:
    """How many requests were answered, in how many seconds.

    Raises:
        BadAnswerError: one was not answered with 200.
    """
    loop = asyncio.get_running_loop()
    step = len(requests) // connections
    opened = [
        (await loop.create_connection(partial(Connection, requests, number * step), "127.0.0.1", port))[1]
        for number in range(connections)
    ]
    before, started = sum(each.answered for each in opened), perf_counter()
    done, _ = await asyncio.wait([each.failed for each in opened], timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    answered, took = sum(each.answered for each in opened) - before, perf_counter() - started
    for failed in done:
        failed.result()
    for connection in opened:
        connection.failed.cancel()
        connection.transport.abort()
    return answered, took


def main() -> None:
    """Loads the port, on the last processor."""
    stay_on(last=True)
    given = json.load(sys.stdin)
    requests = [text.encode() for text in given["requests"]]
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    answered, took = uvloop.run(load(port, seconds=seconds, connections=given["connections"], requests=requests))
    sys.stdout.write(json.dumps([answered, took]))


if __name__ == "__main__":
    main()
