"""The clients of a service: named, opened once, bounded, and closed."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import httpx
import pytest

from core.client import InProcess, open_clients


@dataclass(frozen=True)
class Sibling:
    url: str = "http://users"
    timeout_s: float = 10
    attempt_timeout_s: float = 3
    retries_max: int = 2


def nobody() -> None:
    return None


def answering(*, headers=(), seen=None, body=b"{}"):
    async def app(scope, receive, send):
        if seen is not None:
            seen.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    return app


@asynccontextmanager
async def client_of(app, *, request_id=nobody, **sibling) -> AsyncGenerator[httpx.AsyncClient]:
    async with open_clients({"users": Sibling(**sibling)}, {"users": InProcess(app)}, request_id=request_id) as clients:
        yield clients.client("users")


@asynccontextmanager
async def server(*answers: bytes) -> AsyncGenerator[tuple[str, list[bytes]]]:
    """A server on the loopback interface that answers each connection's requests with the next of `answers`."""
    heads, left = [], list(answers)

    async def serve(reader, writer):
        with_head = True
        while with_head:
            try:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
            except asyncio.IncompleteReadError:
                with_head = False
            else:
                writer.write(left.pop(0))
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", heads


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"


async def test_a_client_is_made_once():
    async with open_clients({"users": Sibling()}, request_id=nobody) as clients:
        assert clients.client("users") is clients.client("users")


@pytest.mark.parametrize(("upstreams", "known"), [({"users": Sibling()}, "users"), ({}, "none")])
async def test_a_client_that_nobody_configured_is_named_in_the_refusal(upstreams, known):
    async with open_clients(upstreams, request_id=nobody) as clients:
        with pytest.raises(LookupError, match=rf"no client named billing .* there are: {known}"):
            clients.client("billing")


async def test_clients_are_closed_when_the_block_ends():
    async with open_clients({"users": Sibling()}, request_id=nobody) as clients:
        client = clients.client("users")
        assert not client.is_closed
    assert client.is_closed


async def test_a_transport_of_the_host_stays_open():
    class Transport(InProcess):
        closed = False

        async def aclose(self):
            self.closed = True

    transport = Transport(answering())
    async with open_clients({"users": Sibling()}, {"users": transport}, request_id=nobody):
        pass
    assert not transport.closed


async def test_paths_are_relative_to_the_siblings_url():
    seen = []
    async with client_of(answering(seen=seen), url="https://api.example.com/users") as users:
        await users.get("/v1/users/me")
    assert (seen[0]["path"], seen[0]["scheme"]) == ("/users/v1/users/me", "https")


async def test_the_id_of_the_request_that_is_served_travels_along():
    seen = []
    async with client_of(answering(seen=seen), request_id=lambda: "req-1") as users:
        await users.get("/")
        await users.get("/", headers={"X-Request-ID": "chosen"})
    assert [dict(scope["headers"])[b"x-request-id"] for scope in seen] == [b"req-1", b"chosen"]


async def test_outside_a_request_no_id_is_sent():
    seen = []
    async with client_of(answering(seen=seen)) as users:
        await users.get("/")
    assert b"x-request-id" not in dict(seen[0]["headers"])


async def test_a_cookie_that_one_caller_is_given_is_never_sent_for_another():
    seen = []
    headers = [(b"set-cookie", b"session=of-the-first; Path=/")]
    async with client_of(answering(seen=seen, headers=headers), url="http://users.example.com") as users:
        await users.get("/")
        await users.get("/")
    assert b"cookie" not in dict(seen[1]["headers"])


async def test_a_sibling_is_reached_over_the_network_and_retried():
    async with (
        server(BUSY, OK) as (url, heads),
        open_clients({"users": Sibling(url)}, request_id=lambda: "req-1") as clients,
    ):
        response = await clients.client("users").get("/v1/users/me")
    assert (response.status_code, len(heads)) == (200, 2)
    assert all(b"X-Request-ID: req-1" in head for head in heads)


async def test_a_sibling_that_is_down_is_an_error_after_the_retries():
    async with server() as (url, _):
        pass
    async with open_clients({"users": Sibling(url)}, request_id=nobody) as clients:
        with pytest.raises(httpx.ConnectError):
            await clients.client("users").get("/")


async def test_proxies_of_the_environment_are_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with server(OK) as (url, _), open_clients({"users": Sibling(url)}, request_id=nobody) as clients:
        assert (await clients.client("users").get("/")).status_code == 200


async def test_a_body_that_drips_is_bounded_by_the_time_of_the_call():
    gone = asyncio.Event()

    async def drips(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while not reader.at_eof():
            writer.write(b"x")
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.02)
        writer.close()
        gone.set()

    async with await asyncio.start_server(drips, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        sibling = Sibling(url, timeout_s=0.2, attempt_timeout_s=0.1)
        async with open_clients({"users": sibling}, request_id=nobody) as clients:
            began = time.monotonic()
            with pytest.raises(httpx.ReadTimeout, match="the call took too long"):
                await clients.client("users").get("/")
        await gone.wait()
    # All of it would take twenty seconds.
    assert 0.15 < time.monotonic() - began < 15


async def test_the_retries_share_the_time_of_the_call():
    attempts = []

    async def app(scope, receive, send):
        attempts.append(scope)
        await asyncio.sleep(60)

    async with client_of(app, timeout_s=0.2, attempt_timeout_s=0.15, retries_max=5) as users:
        with pytest.raises(httpx.ReadTimeout):
            await users.get("/")
    assert len(attempts) <= 2
