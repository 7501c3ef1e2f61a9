"""Connections of a server that stops: who has asked is answered, and only who says nothing is left."""

import socket
from types import SimpleNamespace

import pytest
from uvicorn.server import ServerState

from core.server.departures import Departures


class Transport:
    """One end of a real connection, as uvicorn sees it."""

    def __init__(self, end):
        self.end, self.is_closed, self.unsent = end, False, 0

    def get_extra_info(self, name):
        assert name == "socket"
        return self.end

    def get_write_buffer_size(self):
        return self.unsent

    def close(self):
        self.is_closed = True


@pytest.fixture
def state():
    return ServerState()


@pytest.fixture
def connected(state):
    """`connected(cycle)`: a connection of the server, in that state, and the client's end of it."""
    ends = []

    def connect(cycle=None):
        ours, theirs = socket.socketpair()
        ends.extend((ours, theirs))
        connection = Connection(Transport(ours), cycle, theirs)
        state.connections.add(connection)
        return connection

    yield connect
    for each in ends:
        each.close()


class Connection:
    """What of uvicorn's protocol is looked at."""

    def __init__(self, transport, cycle, client):
        self.transport, self.cycle, self.client = transport, cycle, client
        self.scope = cycle and cycle.scope


def request(*, started=False, complete=False):
    scope = {"method": "GET", "path": "/v1/things"}
    return SimpleNamespace(scope=scope, keep_alive=True, response_started=started, response_complete=complete)


def test_an_answer_that_has_not_begun_is_the_last_one_and_one_that_has_cannot_say_so(state, connected):
    waits, has_begun, is_answered = (
        connected(request()),
        connected(request(started=True)),
        connected(request(started=True, complete=True)),
    )
    new = connected()
    Departures(state, quiet_s=60).begin()
    assert not waits.cycle.keep_alive
    assert has_begun.cycle.keep_alive
    assert is_answered.cycle.keep_alive
    assert new.cycle is None
    # What is asked from here on is answered with these.
    assert (b"connection", b"close") in state.default_headers
    assert [name for name, _ in state.default_headers] == [b"date", b"connection"]


def test_who_has_said_nothing_for_long_enough_is_left_and_nobody_else(state, connected):
    new, answered, busy = connected(), connected(request(complete=True)), connected(request(started=True))
    departures = Departures(state, quiet_s=0)
    departures.begin()
    departures.close_quiet()
    assert (new.transport.is_closed, answered.transport.is_closed, busy.transport.is_closed) == (True, True, False)


def test_who_has_just_come_or_was_just_answered_has_time_to_ask(state, connected):
    departures = Departures(state, quiet_s=60)
    departures.begin()
    new, answered = connected(), connected(request(complete=True))
    departures.close_quiet()
    assert not new.transport.is_closed
    assert not answered.transport.is_closed


def test_the_time_begins_anew_with_each_request(state, connected, monkeypatch):
    now = 0.0
    monkeypatch.setattr("core.server.departures.monotonic", lambda: now)
    quiet, asks = connected(request(complete=True)), connected(request(complete=True))
    departures = Departures(state, quiet_s=2)
    departures.begin()
    now = 1.5
    # The head of the next one has begun to arrive.
    asks.scope = {}
    departures.look()
    now = 2.0
    departures.close_quiet()
    assert (quiet.transport.is_closed, asks.transport.is_closed) == (True, False)
    now = 3.5
    departures.close_quiet()
    assert asks.transport.is_closed


def test_what_has_come_and_was_not_read_is_read_first(state, connected):
    connection = connected(request(complete=True))
    connection.client.sendall(b"GET / HTTP/1.1\r\n")
    departures = Departures(state, quiet_s=0)
    departures.close_quiet()
    assert not connection.transport.is_closed
    connection.transport.end.recv(100)
    departures.close_quiet()
    assert connection.transport.is_closed


def test_an_answer_that_its_client_has_not_taken_is_named(state, connected):
    connected(request(complete=True))
    connected(request(complete=True)).transport.unsent = 5
    # It is cut off, and named as that.
    connected(request(started=True)).transport.unsent = 5
    assert Departures(state, quiet_s=0).unsent() == ["GET /v1/things"]
