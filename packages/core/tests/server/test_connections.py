"""One connection at a time, within this process: what its client can still read at the end, and what stays of it."""

import asyncio
import gc
import socket
import struct
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from core.middleware.guard import REFUSAL
from core.server import http_protocol
from core.server.http_protocol import ChassisProtocol, Limits

GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
WATCHED = b"GET /watched HTTP/1.1\r\nHost: a.test\r\n\r\n"
HELD = b"GET /held HTTP/1.1\r\nHost: a.test\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\n"
PATIENCE_S = 30


class Answers:
    """An application that answers at once, but `/held` when it is let go; that answer is the last one.

    `/watched` is answered to nobody: it ends when its client has left. `/parts` says no length.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.left: list[str] = []
        self.let_go = asyncio.Event()

    async def __call__(self, scope, receive, send) -> None:
        self.asked.append(scope["path"])
        while scope["path"] == "/watched" and not self.left:
            if (await receive())["type"] == "http.disconnect":
                self.left.append(scope["path"])
        if scope["path"] == "/held":
            await self.let_go.wait()
        status = scope[REFUSAL].code.encode() if REFUSAL in scope else b"served"
        headers = [] if scope["path"] == "/parts" else [(b"content-length", b"%d" % len(status))]
        if scope["path"] == "/held":
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": status, "more_body": True})
        await send({"type": "http.response.body"})


class Noted(ChassisProtocol):
    """Tells what it has read."""

    read = b""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.read += data


class Client:
    """The other end of a connection."""

    def __init__(self, port: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)  # noqa: FBT003 - the socket module has it so

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.socket, data)

    async def answers(self, count: int = 1) -> list[bytes]:
        """The bodies of the next answers."""
        received = b""
        async with asyncio.timeout(PATIENCE_S):
            while received.count(b"HTTP/1.1 200") < count or received.endswith(b"\r\n\r\n"):
                part = await self._loop.sock_recv(self.socket, 65_536)
                assert part, received
                received += part
        return [each.partition(b"\r\n\r\n")[2] for each in received.split(b"HTTP/1.1 200")[1:]]

    async def all(self) -> bytes:
        """Whatever comes until the server has closed its half."""
        received = b""
        async with asyncio.timeout(PATIENCE_S):
            while part := await self._loop.sock_recv(self.socket, 65_536):
                received += part
        return received

    async def ends(self) -> bool:
        """Whether the server has closed its half, and said no more."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._loop.sock_recv(self.socket, 1) == b""

    def leave_at_once(self) -> None:
        """As a process that is killed: by a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@pytest.fixture
def app() -> Answers:
    return Answers()


@pytest.fixture
def state() -> ServerState:
    return ServerState()


@pytest.fixture
async def connect(app, state) -> AsyncIterator[Callable[..., Any]]:
    """`await connect(head_timeout_s=0.1)`: a client, connected to a server with these limits."""
    clients: list[Client] = []
    servers: list[asyncio.Server] = []

    async def connect(head_timeout_s: float = PATIENCE_S) -> Client:
        limits = Limits(
            connections_max=100, head_max_bytes=1000, head_timeout_s=head_timeout_s, send_timeout_s=PATIENCE_S
        )
        config = uvicorn.Config(app, log_config=None, ws="none", timeout_keep_alive=PATIENCE_S)
        config.load()

        def protocol() -> Noted:
            return Noted(config, state, {}, limits=limits)

        servers.append(await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0))
        clients.append(Client(servers[-1].sockets[0].getsockname()[1]))
        return clients[-1]

    yield connect
    app.let_go.set()
    for client in clients:
        client.socket.close()
    for server in servers:
        server.close()
    await until(lambda: not state.connections and not state.tasks)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - a connection has no events for its own state
            await asyncio.sleep(0.001)


@pytest.fixture
def read(state) -> Callable[..., Any]:
    """`await read(b"GET /")`: the server's end of the only connection, once it has read as much."""

    async def read(data: bytes) -> Noted:
        await until(lambda: state.connections)
        (connection,) = state.connections
        await until(lambda: connection.read.endswith(data))
        return connection

    return read


async def is_heard(client: Client) -> bool:
    """Whether the server takes what comes after its end; the second packet meets what the first has caused."""
    assert await client.ends()
    try:
        await client.send(b"x")
        await client.send(b"x")
    except ConnectionError:
        return False
    return True


async def test_who_sends_on_after_a_refusal_is_heard(connect):
    client = await connect()
    await client.send(POST.replace(b"/ ", b"http://a.test "))
    assert await client.answers() == [b"bad_request"]
    assert await is_heard(client)


@pytest.mark.parametrize("begun", [b"G", GET], ids=["some of it", "all of it"])
async def test_who_has_asked_further_when_the_last_answer_is_sent_is_heard(connect, read, app, begun):
    client = await connect()
    await client.send(HELD)
    await until(lambda: app.asked)
    await client.send(begun)
    await read(begun)
    app.let_go.set()
    assert await client.answers() == [b"served"]
    assert await is_heard(client)
    assert app.asked == ["/held"]


async def test_what_follows_a_body_that_nobody_wanted_is_answered_however_much_that_was(connect, monkeypatch):
    monkeypatch.setattr(http_protocol, "LINGER_BYTES_MAX", 99)
    client = await connect()
    await client.send(POST)
    assert await client.answers() == [b"served"]
    await client.send(b"x" * 100 + GET)
    assert await client.answers() == [b"served"]


async def test_who_sends_more_of_a_body_that_nobody_wanted_than_is_heard_is_closed(connect, monkeypatch):
    monkeypatch.setattr(http_protocol, "LINGER_BYTES_MAX", 50)
    client = await connect()
    await client.send(POST)
    assert await client.answers() == [b"served"]
    await client.send(b"x" * 51)
    assert await client.ends()


async def test_what_is_dropped_of_a_body_is_counted_for_each_anew(connect, read, monkeypatch):
    monkeypatch.setattr(http_protocol, "LINGER_BYTES_MAX", 99)
    client = await connect()
    for _ in range(2):
        await client.send(POST)
        assert await client.answers() == [b"served"]
        await client.send(b"x" * 60)
        await read(b"x" * 60)
        await client.send(b"x" * 40)


async def test_the_next_head_is_not_waited_for_any_longer_than_the_first(connect):
    client = await connect(head_timeout_s=0.05)
    await client.send(GET)
    assert await client.answers() == [b"served"]
    await client.send(b"G")
    assert await client.answers() == [b"head_timed_out"]


async def test_a_head_that_begins_with_the_end_of_a_request_is_not_waited_for_any_longer(connect):
    client = await connect(head_timeout_s=0.05)
    await client.send(GET + b"G")
    assert await client.answers(2) == [b"served", b"head_timed_out"]


@pytest.mark.parametrize("more", [b"", GET], ids=["one", "two"])
async def test_the_request_that_is_answered_hears_that_its_client_has_left(connect, read, app, more):
    client = await connect()
    await client.send(WATCHED + more)
    await read(WATCHED + more)
    await until(lambda: app.asked)
    client.leave_at_once()
    await until(lambda: app.left)
    assert app.asked == ["/watched"]


@pytest.mark.parametrize("path", [b"/", b"/parts"], ids=["of a length", "in parts"])
async def test_an_answer_to_http_1_0_is_not_in_chunks_and_ends_with_the_connection(connect, path):
    client = await connect()
    await client.send(b"GET %b HTTP/1.0\r\n\r\n" % path)
    head, _, body = (await client.all()).partition(b"\r\n\r\n")
    assert (b"chunked" in head, body) == (False, b"served")


async def test_what_is_closed_waits_for_no_head(connect, read):
    client = await connect()
    await client.send(b"G")
    connection = await read(b"G")
    connection.transport.close()
    assert connection.timeout_keep_alive_task is None
    assert await is_heard(client)


@pytest.mark.parametrize("sent", [b"", b"G", GET, GET + b"G", POST, b"nonsense\r\n\r\n"])
async def test_nothing_stays_of_a_connection_that_was_reset(connect, read, state, sent):
    client = await connect()
    await client.send(sent)
    gone = weakref.ref(await read(sent))
    await until(lambda: not state.tasks)
    client.leave_at_once()
    await until(lambda: not state.connections)
    gc.collect()
    assert gone() is None
