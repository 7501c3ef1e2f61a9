"""Real processes, real sockets: what is promised here is about bytes and exit codes."""

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx
import pytest

PATIENCE_S = 60.0
SCRIPT = Path(__file__).parent / "served.py"


class Served:
    """One server process, and what it has said so far."""

    def __init__(self, mode: str = "", **server: Any) -> None:
        # What a machine under load does is none of its lines, unless a test asks for them.
        told = {"loop_stall_ms": 10_000, **server}
        command = [sys.executable, str(SCRIPT), mode, json.dumps({"server": told})]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines: list[dict[str, Any]] = []
        self._mode = mode
        self._port: Future[int] = Future()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self._port.set_result(int(self.process.stdout.readline()))
        if self._mode == "unheard":
            self.process.stdout.close()
            return
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return self._port.result(PATIENCE_S)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> "Served":
        """The same, when it answers."""
        eventually(lambda: self.answers("/livez"))
        return self

    def answers(self, path: str) -> int | None:
        """The status of its answer; None if it does not."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as connection:
            try:
                connection.request("GET", path)
                return connection.getresponse().status
            except (OSError, http.client.HTTPException):
                return None

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def says(self, event: str) -> bool:
        return any(line["event"] == event for line in list(self.lines))

    def ends(self) -> int:
        """The exit code, once it has one and all it said is read."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.ends()

    def in_flight(self, path: str, *, method: str = "GET", headers: str = "") -> "InFlight":
        """A request that was sent, and waits for its answer."""
        connection = self.connect()
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: service.test\r\n{headers}\r\n".encode())
        return InFlight(connection)

    def in_progress(self, mount: str = "") -> int:
        """How many requests it works on; this question is one of them."""
        metrics = httpx.get(f"{self.url}{mount}/metrics", timeout=PATIENCE_S).text
        (active,) = re.findall(r"^http_server_active_requests (\d+)", metrics, re.MULTILINE)
        return int(active)

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


class InFlight:
    """A request without an answer yet."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, body: bytes) -> None:
        """What was still to come of it."""
        self._connection.sendall(body)

    def answer(self) -> bytes:
        """All that comes until the server closes."""
        received = b""
        with self._connection as connection:
            while part := connection.recv(65_536):
                received += part
        return received


def eventually(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@pytest.fixture(name="eventually")
def _eventually() -> Callable[[Callable[[], Any]], None]:
    return eventually


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """`serve("mode", graceful_timeout_s=1)`: a process that serves; none outlives the test."""
    started: list[Served] = []

    def start(mode: str = "", **server: Any) -> Served:
        started.append(Served(mode, **server))
        return started[-1]

    yield start
    for served in started:
        served.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """One process for all tests of a module that do it no harm."""
    served = Served(body_max_bytes=200_000).ready()
    yield served
    served.stop()
    served.close()


@pytest.fixture(scope="module")
def server_that_waits_for_no_body() -> Iterator[Served]:
    """One that soon gives up a body."""
    served = Served(body_timeout_s=0.3).ready()
    yield served
    served.close()


@pytest.fixture(scope="module")
def server_that_is_in_a_hurry() -> Iterator[Served]:
    """One that soon gives up whoever says or takes nothing."""
    served = Served(head_timeout_s=0.3, keep_alive_s=1, send_timeout_s=0.3).ready()
    yield served
    served.stop()
    served.close()


@pytest.fixture(scope="module")
def server_that_waits_for_no_answer() -> Iterator[Served]:
    """One that soon gives up a request."""
    served = Served(request_timeout_s=0.5).ready()
    yield served
    served.close()
