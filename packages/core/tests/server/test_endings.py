"""How a connection ends: the client can read its answer, and nobody holds one open for ever."""

import socket
import time

import httpx
import pytest

from core.testing.raw import exchange, parsed, read, refused

GET = b"GET /livez HTTP/1.1\r\nHost: a.test\r\n\r\n"
POST = b"POST /v1/bodies HTTP/1.1\r\nHost: a.test\r\n"
NOWHERE = b"POST /of-no-route HTTP/1.1\r\nHost: a.test\r\n"


def send_for_ever(connection: socket.socket, first: bytes, then: bytes, *, pause_s: float = 0) -> None:
    connection.sendall(first)
    while True:
        connection.sendall(then)
        time.sleep(pause_s)


def is_cut_off(connection: socket.socket) -> bool:
    """Whether the server ends it, whatever else it sends before."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionError:
        pass
    return True


def test_who_sends_on_after_a_refusal_can_read_it(server):
    """Data that meets a closed socket resets the connection; the answer would be lost with it."""
    with server.connect() as connection:
        connection.sendall(POST + b"Content-Length: 8000000\r\n\r\n")
        for _ in range(80):
            connection.sendall(b"x" * 100_000)
        assert refused(exchange(connection)) == (413, "content_too_large", "close")


def test_who_never_stops_to_send_is_cut_off(server):
    with server.connect() as connection, pytest.raises(ConnectionError):
        send_for_ever(connection, POST + b"Content-Length: 8000000000\r\n\r\n", b"x" * 100_000)


def test_who_neither_sends_nor_leaves_after_a_refusal_is_cut_off(server):
    with server.connect() as connection:
        assert refused(exchange(connection, POST + b"Content-Length: 8000000\r\n\r\n"))[0] == 413
        # The server's half is closed already; ours is open.
        with pytest.raises(ConnectionError):
            send_for_ever(connection, b"", b"x", pause_s=0.05)


def test_the_rest_of_a_body_that_nobody_wanted_is_dropped_and_the_connection_goes_on(server):
    with server.connect() as connection:
        connection.sendall(NOWHERE + b"Content-Length: 100000\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 404")
        connection.sendall(b"x" * 100_000 + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert b"HTTP/1.1 200" in read(connection)


def test_a_body_that_nobody_wanted_and_that_never_ends_is_cut_off(server):
    chunk = b"c350\r\n" + b"x" * 50_000 + b"\r\n"
    with server.connect() as connection, pytest.raises(ConnectionError):
        send_for_ever(connection, NOWHERE + b"Transfer-Encoding: chunked\r\n\r\n", chunk)


def test_who_is_answered_and_asks_no_more_is_closed(server_that_is_in_a_hurry):
    with server_that_is_in_a_hurry.connect() as connection:
        assert parsed(exchange(connection, GET)).status == 200


def test_who_connects_and_asks_nothing_is_closed(server_that_is_in_a_hurry):
    with server_that_is_in_a_hurry.connect() as connection:
        assert exchange(connection) == b""


def test_after_the_rest_of_a_body_one_is_closed_as_after_any(server_that_is_in_a_hurry):
    with server_that_is_in_a_hurry.connect() as connection:
        connection.sendall(NOWHERE + b"Content-Length: 1\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 404")
        # Its last bytes may be those of the first answer.
        assert b"HTTP/1.1" not in exchange(connection, b"x")


@pytest.mark.parametrize("path", ["endless?size=100000", "large"])
def test_who_takes_nothing_of_the_answer_is_cut_off(server_that_is_in_a_hurry, eventually, path):
    server = server_that_is_in_a_hurry
    before = descriptors_of(server)
    with socket.socket() as connection:
        # As little as the kernel allows; what it holds is not ours.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(f"GET /v1/{path} HTTP/1.1\r\nHost: a.test\r\n\r\n".encode())
        eventually(lambda: descriptors_of(server) <= before)
        assert is_cut_off(connection)


def test_who_takes_an_answer_larger_than_all_buffers_gets_all_of_it(server):
    with server.connect() as connection:
        connection.sendall(b"GET /v1/large HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        received = 0
        while part := connection.recv(50_000):
            received += len(part)
    assert received > 16_000_000


def descriptors_of(server) -> int:
    return httpx.get(f"{server.url}/v1/descriptors").json()["size"]
