"""Constant load over a few keep-alive connections: every answer is looked at, each failure kept with time and cause."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Self
from urllib.parse import urlsplit

ANSWER_TIMEOUT_S = 60
REFUSED_PAUSE_S = 0.02

Visit = Callable[["Connection"], Awaitable[None]]


class Stopped(Exception):
    """The load has ended before this request began."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came for a request; status 0 if nothing did."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


NOTHING = Answer(0, {}, b"")


class Load:
    """What a number of clients see while the block runs; each makes one visit after the other."""

    def __init__(self, url: str, visit: Visit, *, headers: Mapping[str, str], clients: int, pause_s: float = 0) -> None:
        self.url = urlsplit(url)
        self.headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.pause_s = pause_s
        self.is_stopped = False
        self.latencies_s: list[float] = []
        self.failures: list[str] = []
        self._visit = visit
        self._clients = clients
        self._began = monotonic()
        self._thread = threading.Thread(target=self._in_thread, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends it once the requests that have begun are answered."""
        self.is_stopped = True
        self._thread.join()

    @property
    def requests(self) -> int:
        """How many requests were answered or have failed."""
        return len(self.latencies_s) + len(self.failures)

    def fail(self, request: str, cause: object) -> None:
        """Keeps a failure."""
        self.failures.append(f"{monotonic() - self._began:.3f} s: {request}: {cause}")

    def __str__(self) -> str:
        latencies_s = sorted(self.latencies_s) or [0.0]
        p99_ms = latencies_s[len(latencies_s) * 99 // 100] * 1000
        told = f"{self.requests} requests in {monotonic() - self._began:.0f} s, {len(self.failures)} failed"
        return f"{told}, p99 {p99_ms:.0f} ms, slowest {latencies_s[-1] * 1000:.0f} ms"

    def _in_thread(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as broken:
            self.fail("the load", repr(broken))
            raise

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._clients):
                group.create_task(self._visits())

    async def _visits(self) -> None:
        connection = Connection(self)
        try:
            while True:
                await self._visit(connection)
        except Stopped:
            connection.close()


class Connection:
    """One client: it leaves where it is told to, and comes again where it is refused, and nothing else."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        content: Any = None,
        expected: Container[int],
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer; one of a status that is not `expected` counts as a failure.

        Raises:
            Stopped: the load has ended.
        """
        await asyncio.sleep(self._load.pause_s)
        body = b"" if content is None else json.dumps(content).encode()
        head = f"{method} {self._load.url.path}{path} HTTP/1.1\r\nHost: {self._load.url.netloc}\r\n{self._load.headers}"
        head += "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        if content is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        streams = await self._connected()
        began = monotonic()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answer = await self._exchange(streams, head.encode() + b"\r\n" + body)
        except (OSError, EOFError, TimeoutError) as failed:
            self.fail(f"{method} {path}", repr(failed))
            self.close()
            return NOTHING
        if answer.status not in expected:
            self.fail(f"{method} {path}", f"{answer.status} {answer.body!r}")
        else:
            self._load.latencies_s.append(monotonic() - began)
        return answer

    def fail(self, request: str, cause: object) -> None:
        """Keeps a failure, with the time since the load began."""
        self._load.fail(request, cause)

    def close(self) -> None:
        """Leaves."""
        if self._streams:
            self._streams[1].close()
            self._streams = None

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while not self._streams:
            if self._load.is_stopped:
                raise Stopped
            try:
                self._streams = await asyncio.open_connection(self._load.url.hostname, self._load.url.port)
            except ConnectionRefusedError:
                await asyncio.sleep(REFUSED_PAUSE_S)
        if self._load.is_stopped:
            raise Stopped
        return self._streams

    async def _exchange(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes) -> Answer:
        reader, writer = streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
        status = int(head[0].split()[1])
        # RFC 9110, 8.6: a 204 has none.
        body = await reader.readexactly(0 if status == 204 else int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        return Answer(status, headers, body)
