"""What comes slowly, or never ends, is cut by the edge, while others are served and the service sees nothing of it."""

import socket
from contextlib import ExitStack

import httpx
import pytest
from clients import answer, asked, connected, dripped, head, poured, problem_of, until

MANY = 50
CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
BODY_MAX_BYTES = 1024 * 1024


def is_served(front) -> bool:
    """Whether somebody else is answered."""
    return httpx.get(f"{front.things}/v1/others").status_code == 200


def paths(front) -> set[str]:
    """What the service has seen."""
    return {seen.path for seen in front.behind.seen}


UNFINISHED = {
    "no head": b"",
    "half a line": b"GET /things/slow HT",
    "half a head": b"GET /things/slow HTTP/1.1\r\nHost: api.test\r\nX-Slow: ",
}
WITHOUT_A_BODY = {
    "a known length": head("POST /things/slow", "Content-Length: 1000"),
    "a part of it": head("POST /things/slow", "Content-Length: 1000") + b"part",
    "chunks": head("POST /things/slow", "Transfer-Encoding: chunked"),
    "half a chunk": head("POST /things/slow", "Transfer-Encoding: chunked") + b"ff\r\npart",
    "all but the last chunk": head("POST /things/slow", "Transfer-Encoding: chunked") + b"4\r\npart\r\n",
}


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED.keys())
def test_a_head_that_stops_is_cut(impatient, sent):
    with connected(impatient.url) as connection:
        connection.sendall(sent)
        assert is_served(impatient)
        response = answer(connection)
    # Before there is a request, there is nobody to speak for the edge.
    assert response is None or (response.status_code, response.text) == (400, "400 Bad Request")
    assert paths(impatient) == {"/v1/others"}


def test_a_head_that_comes_byte_by_byte_is_cut(impatient):
    with connected(impatient.url) as connection:
        connection.sendall(b"GET /things/slow HTTP/1.1\r\nX-Slow: ")
        response = dripped(connection, every_s=0.2)
    assert response is None or response.status_code == 400
    assert paths(impatient) == set()


@pytest.mark.parametrize("sent", WITHOUT_A_BODY.values(), ids=WITHOUT_A_BODY.keys())
def test_a_body_that_stops_is_cut(impatient, sent):
    with connected(impatient.url) as connection:
        connection.sendall(sent)
        assert is_served(impatient)
        assert problem_of(answer(connection)) == (408, "body_timed_out")
    assert paths(impatient) == {"/v1/others"}


def test_a_body_that_comes_byte_by_byte_is_cut(impatient):
    with connected(impatient.url) as connection:
        connection.sendall(head("POST /things/slow", "Content-Length: 1000"))
        assert problem_of(dripped(connection, every_s=0.2)) == (408, "body_timed_out")
    assert paths(impatient) == set()


def test_many_of_them_at_once_keep_nobody_waiting(impatient):
    with ExitStack() as opened:
        slow = [opened.enter_context(connected(impatient.url)) for _ in range(MANY)]
        for number, connection in enumerate(slow):
            connection.sendall([*UNFINISHED.values(), *WITHOUT_A_BODY.values()][number % 8])
        assert is_served(impatient)
        for connection in slow:
            answer(connection)
    assert paths(impatient) == {"/v1/others"}


def test_an_idle_connection_is_closed(impatient):
    with connected(impatient.url) as connection:
        connection.sendall(b"GET /nothing HTTP/1.1\r\nHost: api.test\r\n\r\n")
        assert problem_of(answer(connection)) == (404, "not_found")


def test_who_does_not_read_is_cut_and_keeps_no_service_busy(impatient):
    with connected(impatient.url) as connection:
        connection.sendall(head("GET /things/large"))
        assert is_served(impatient)
        # Caddy itself would wait a minute.
        until(impatient.behind.was_cut.is_set, patience_s=40)


def test_a_head_has_at_most_32_kib(plain):
    # Go reads 4 KiB more before it looks.
    for size, statuses in ((30_000, {200}), (37_000, {431, None})):
        with connected(plain.url) as connection:
            connection.sendall(head("GET /things/v1", f"X-Large: {'x' * size}"))
            response = answer(connection)
        assert (response and response.status_code) in statuses
    assert [seen.path for seen in plain.behind.seen] == ["/v1"]


def test_a_head_may_not_be_endless(plain):
    with connected(plain.url) as connection:
        connection.sendall(b"GET /things/v1 HTTP/1.1\r\n")
        # Both sockets hold some megabytes before the edge has read any of it.
        sent, response = poured(connection, b"X: " + b"x" * 60_000 + b"\r\n", 10_000_000_000)
    assert sent < 100 * BODY_MAX_BYTES
    assert response is None or response.status_code == 431
    assert plain.behind.seen == []


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(plain):
    for size in (BODY_MAX_BYTES + 1, 10_000_000_000, 2**63 - 1):
        assert problem_of(asked(plain.url, head("POST /things/v1", f"Content-Length: {size}"))) == (
            413,
            "content_too_large",
        )
    assert plain.behind.seen == []


def test_a_body_of_the_largest_size_arrives_whole(plain):
    body = bytes(range(256)) * (BODY_MAX_BYTES // 256)
    for content in (body, iter([body[:70_000], body[70_000:]])):
        assert httpx.post(f"{plain.things}/v1", content=content).status_code == 200
    assert [seen.body == body for seen in plain.behind.seen] == [True, True]


def test_ten_gigabytes_in_chunks_are_cut_at_the_limit_and_begin_nothing(real):
    with connected(real.url) as connection:
        connection.sendall(head("POST /things/v1/bodies", "Transfer-Encoding: chunked"))
        sent, response = poured(connection, CHUNK, 10_000_000_000)
    assert sent < 100 * BODY_MAX_BYTES
    # What is still under way when a connection is closed may cost the answer.
    assert response is None or problem_of(response) == (413, "content_too_large")
    assert httpx.get(f"{real.url}/things/v1/runs").json()["runs"] == 0


@pytest.mark.parametrize(
    "fault",
    [
        head("POST /things/v1", "Content-Length: 1000") + b"part",
        head("POST /things/v1", "Transfer-Encoding: chunked") + b"4\r\npart\r\n",
        head("POST /things/v1", "Transfer-Encoding: chunked") + b"nonsense\r\n",
        head("POST /things/v1", "Transfer-Encoding: chunked") + CHUNK * 20 + b"0\r\n\r\n",
    ],
    ids=["broken off", "chunks broken off", "no chunks", "too large"],
)
def test_what_a_client_does_takes_no_replica_out(front, fault):
    one = front(EDGE_HEALTH_INTERVAL="1h", EDGE_TRY_DURATION="1ms")
    for _ in range(3):
        with connected(one.url) as connection:
            connection.sendall(fault)
            connection.shutdown(socket.SHUT_WR)
            answer(connection)
        assert is_served(one)


def test_a_stream_is_neither_held_back_nor_cut(impatient):
    with httpx.stream("GET", f"{impatient.things}/stream", timeout=60) as response:
        parts = response.iter_raw()
        assert next(parts) == b"first"
        with connected(impatient.url) as connection:
            # Meanwhile all its limits pass.
            assert answer(connection) is None
        impatient.behind.let_go.set()
        assert b"".join(parts) == b"last"
