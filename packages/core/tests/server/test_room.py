"""How many connections there may be, and what the process does when it can open no more files."""

import resource
from contextlib import ExitStack

import httpx
import pytest

from core.server.room import RESERVED, room_for
from core.testing.raw import exchange, parsed

GET = b"GET /livez HTTP/1.1\r\nHost: a.test\r\n"
LAST = GET + b"Connection: close\r\n\r\n"


@pytest.fixture
def limits(monkeypatch):
    """The limit of open files, soft and hard, as this process believes it to be."""
    limits = [100, 1_000]

    def set_limit(_, asked) -> None:
        if asked[0] > 800:
            raise ValueError("no more than 800")
        limits[:] = asked

    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", set_limit)
    return limits


def test_the_limit_of_open_files_is_raised_to_what_is_needed(limits, logs):
    assert room_for(300) == 300
    assert limits == [300 + RESERVED, 1_000]
    assert not logs


def test_a_limit_that_is_high_enough_is_left_alone(limits):
    limits[:] = [900, 1_000]
    assert room_for(300) == 300
    assert limits == [900, 1_000]


def test_no_limit_is_high_enough(limits):
    limits[:] = [resource.RLIM_INFINITY] * 2
    assert room_for(300) == 300


@pytest.mark.parametrize(("soft", "hard", "allowed"), [(100, 700, 444), (100, 100, 50), (100, -1, 50)])
def test_where_the_system_allows_fewer_files_there_are_fewer_connections_and_the_log_says_so(
    limits, logs, soft, hard, allowed
):
    limits[:] = [soft, hard]
    assert room_for(10_000) == allowed
    (line,) = [line for line in logs if line["event"] == "too few files may be open"]
    assert (line["needed"], line["connections_max"]) == (10_000 + RESERVED, allowed)


def test_one_connection_too_many_closes_the_one_that_has_waited_longest(serve, eventually):
    server = serve(connections_max=4).ready()
    with ExitStack() as opened:
        busy = opened.enter_context(server.connect())
        busy.sendall(b"GET /v1/endless HTTP/1.1\r\nHost: a.test\r\n\r\n")
        eventually(lambda: server.says("endless began"))
        first, second, third, fourth = (answered(opened.enter_context(server.connect())) for _ in range(4))
        assert first.recv(1) == b""
        for each in (second, third, fourth):
            assert parsed(exchange(each, LAST)).status == 200
        assert busy.recv(1000).startswith(b"HTTP/1.1 200")
    eventually(lambda: server.says("too many connections"))
    assert server.stop() == 0


def answered(connection):
    connection.sendall(GET + b"\r\n")
    received = b""
    while not received.endswith(b"}"):
        received += connection.recv(1000)
    return connection


def test_when_no_file_can_be_opened_the_process_goes_on_and_recovers(serve):
    server = serve("few files").ready()
    with httpx.Client(base_url=server.url) as known:
        known.post("/v1/hoard")
        for _ in range(40):
            # Accepted and closed at once.
            with server.connect() as stranger:
                assert exchange(stranger) == b""
        known.delete("/v1/hoard")
    assert server.answers("/livez") == 200
    assert server.stop() == 0
