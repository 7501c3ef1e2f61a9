"""While a process drains, clients are told to leave, and nobody who has asked goes without an answer."""

import os
import re
import signal
from contextlib import ExitStack

import pytest

# So long that no pause of a busy machine is beyond it; these processes are killed in the end.
DRAINING = {"drain_delay_s": 60, "termination_grace_s": 120}
LONG = {"graceful_timeout_s": 70, "termination_grace_s": 120}
BURST = 200


def get(path):
    return f"GET {path} HTTP/1.1\r\nHost: service.test\r\n\r\n".encode()


def until_closed(connection):
    received = b""
    while part := connection.recv(65_536):
        received += part
    return received


def statuses(received):
    return re.findall(rb"HTTP/1.1 (\d+)", received)


@pytest.fixture
def drain(eventually):
    """`drain(served)`: tells it to stop, and returns when it has heard."""

    def begin(served):
        served.process.send_signal(signal.SIGTERM)
        eventually(lambda: served.answers("/readyz") == 503)

    return begin


def test_an_answer_tells_its_client_to_leave_and_the_connection_ends(serve, drain, eventually):
    served = serve(**DRAINING).ready()
    with served.connect() as connection:
        connection.sendall(get("/livez"))
        assert b"connection: close" not in connection.recv(1000)
        drain(served)
        connection.sendall(get("/livez"))
        answer = until_closed(connection)
    assert statuses(answer) == [b"200"]
    assert b"\r\nconnection: close\r\n" in answer
    eventually(lambda: served.says("stopping"))


def test_requests_in_the_wake_of_one_in_flight_are_answered_and_the_last_answer_says_so(serve, drain, eventually):
    served = serve(**DRAINING).ready()
    with served.connect() as connection:
        connection.sendall(get("/v1/held") + get("/livez") + get("/livez"))
        eventually(lambda: served.in_progress() == 2)
        drain(served)
        with served.connect() as other:
            other.sendall(b"POST /v1/let-go HTTP/1.1\r\nHost: service.test\r\nContent-Length: 0\r\n\r\n")
            assert statuses(until_closed(other)) == [b"200"]
        answers = until_closed(connection)
    assert statuses(answers) == [b"200"] * 3
    assert answers.count(b"connection: close") == 1


def test_an_answer_that_has_begun_comes_whole_and_the_next_one_ends_the_connection(serve, drain):
    served = serve(**DRAINING).ready()
    with served.connect() as connection:
        connection.sendall(get("/v1/half"))
        received = b""
        while b"part" not in received:
            received += connection.recv(1000)
        drain(served)
        with served.connect() as other:
            other.sendall(b"POST /v1/let-go HTTP/1.1\r\nHost: service.test\r\nContent-Length: 0\r\n\r\n")
            assert statuses(until_closed(other)) == [b"200"]
        while not received.endswith(b"partrest"):
            received += connection.recv(1000)
        # It was not told to leave.
        assert b"connection: close" not in received
        connection.sendall(get("/livez"))
        assert b"\r\nconnection: close\r\n" in until_closed(connection)


def test_a_service_that_is_mounted_drains_with_its_host_and_ends_after_its_last_request(serve, eventually):
    served = serve("mounted", drain_delay_s=2, body_timeout_s=60, request_timeout_s=60, **LONG).ready()
    request = served.in_flight("/served/v1/bodies", method="POST", headers="Content-Length: 1\r\n")
    eventually(lambda: served.in_progress("/served") == 2)
    served.process.send_signal(signal.SIGTERM)
    eventually(lambda: served.answers("/served/readyz") == 503)
    eventually(lambda: served.answers("/livez") is None)
    request.send(b"x")
    assert request.answer().startswith(b"HTTP/1.1 200")
    assert served.ends() == 0
    ends = [line["event"] for line in served.lines if line.get("route") != "/livez"][-3:]
    assert ends == ["request", "closed", "stopped"]


def test_who_has_connected_and_asked_before_the_signal_is_answered(serve):
    served = serve(drain_delay_s=0.1).ready()
    with ExitStack() as opened:
        served.process.send_signal(signal.SIGSTOP)
        os.waitpid(served.process.pid, os.WUNTRACED)
        connections = [opened.enter_context(served.connect()) for _ in range(BURST)]
        for each in connections:
            each.sendall(get("/v1/exits/of-no-route"))
        served.process.send_signal(signal.SIGTERM)
        served.process.send_signal(signal.SIGCONT)
        assert [statuses(until_closed(each)) for each in connections] == [[b"404"]] * BURST
    assert served.ends() == 0


def test_a_client_that_reads_slowly_has_its_whole_answer(serve, eventually):
    served = serve(drain_delay_s=0.1, **LONG).ready()
    with served.connect() as connection:
        connection.sendall(get("/v1/large"))
        assert connection.recv(10) == b"HTTP/1.1 2"
        served.process.send_signal(signal.SIGTERM)
        eventually(lambda: served.answers("/livez") is None)
        _, _, body = until_closed(connection).partition(b"\r\n\r\n")
    assert len(body) == 16 * 1024 * 1024
    assert served.ends() == 0


def test_an_answer_that_nobody_takes_is_named(serve):
    served = serve(request_timeout_s=0.5, graceful_timeout_s=1).ready()
    with served.connect() as connection:
        connection.sendall(get("/v1/large"))
        assert connection.recv(10) == b"HTTP/1.1 2"
        assert served.stop() == 1
    (line,) = (line for line in served.lines if line["event"] == "answers were not taken")
    assert line["requests"] == ["GET /v1/large"]
