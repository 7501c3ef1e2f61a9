"""Clients that say, byte for byte, what they send, and no HTTP library would."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx

from core.testing.problems import problem

PATIENCE_S = 60


def until(condition: Callable[[], object], *, patience_s: float = PATIENCE_S) -> None:
    """Waits for something that takes its time."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    """A connection to the edge."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S) as connection:
        yield connection


def head(request_line: str, *headers: str) -> bytes:
    """The head of a request that ends its connection."""
    lines = [f"{request_line} HTTP/1.1", "Host: api.test", "Connection: close", *headers]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def asked(url: str, sent: bytes) -> httpx.Response:
    """The answer to these bytes."""
    with connected(url) as connection:
        connection.sendall(sent)
        response = answer(connection)
    assert response is not None
    return response


def dripped(connection: socket.socket, every_s: float) -> httpx.Response | None:
    """The answer to who sends a byte from time to time, and never ends."""
    connection.settimeout(every_s)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            connection.sendall(b"x")
            began = connection.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return None
        connection.settimeout(PATIENCE_S)
        return answer(connection, began) if began else None
    raise AssertionError("nobody cuts it")


def poured(connection: socket.socket, part: bytes, most_bytes: int) -> tuple[int, httpx.Response | None]:
    """How much was sent until an answer began, and the answer."""
    sent = 0
    began = b""
    with suppress(ConnectionError):
        while sent < most_bytes and not began:
            connection.settimeout(PATIENCE_S)
            connection.sendall(part)
            sent += len(part)
            connection.settimeout(0.001)
            with suppress(TimeoutError):
                began = connection.recv(65536)
    connection.settimeout(PATIENCE_S)
    return sent, answer(connection, began)


def answer(connection: socket.socket, began: bytes = b"") -> httpx.Response | None:
    """What comes until the other side closes."""
    received = began
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            received += part
    return parsed(received) if received else None


def parsed(received: bytes) -> httpx.Response:
    """One answer with a Content-Length, or none to its body."""
    top, _, body = received.partition(b"\r\n\r\n")
    status, *lines = top.decode("latin-1").split("\r\n")
    pairs = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return httpx.Response(int(status.split(" ")[1]), headers=pairs, content=body)


def problem_of(response: httpx.Response | None) -> tuple[int, str]:
    """Status and code of a problem document of the edge, with all that belongs to one."""
    assert response is not None
    found = problem(response)
    assert set(response.json()) == {"type", "title", "status", "detail", "instance", "code", "request_id"}
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers.get("retry-after") == ("1" if response.status_code == 503 else None)
    assert "server" not in response.headers
    return found
