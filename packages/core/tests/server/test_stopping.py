"""How a process starts and stops: requests finish, resources close last, and the exit code says what happened."""

import os
import signal
import socket
import threading

import httpx
import pytest

from core.server import ListenError, listen

SIGNALS = [signal.SIGTERM, signal.SIGINT]


class Answer(threading.Thread):
    """A request in flight."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.response: httpx.Response | None = None
        self.failure: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.response = httpx.get(self.url, timeout=10)
        except httpx.TransportError as failure:
            self.failure = failure

    def status(self) -> int | None:
        self.join(10)
        return self.response.status_code if self.response else None


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_lets_requests_finish_and_ends_with_0(serve, eventually, number):
    served = serve().ready()
    answer = Answer(f"{served.url}/v1/slow?seconds=0.6")
    eventually(lambda: served.says("slow began"))
    served.process.send_signal(number)
    eventually(lambda: served.answers("/livez") is None)
    assert answer.is_alive()
    assert answer.status() == 200
    assert served.ends() == 0
    events = [(line["event"], line.get("route")) for line in served.lines]
    assert events[-2:] == [("request", "/v1/slow"), ("closed", None)]
    assert served.errors() == ""


def test_while_it_drains_it_still_answers_and_says_that_it_is_not_ready(serve, eventually):
    served = serve(drain_delay_s=1).ready()
    assert served.answers("/readyz") == 200
    served.process.send_signal(signal.SIGTERM)
    eventually(lambda: served.answers("/readyz") == 503)
    assert (served.answers("/livez"), served.answers("/v1/slow?seconds=0")) == (200, 200)
    assert served.ends() == 0


def test_a_second_interrupt_waits_for_nothing(serve, eventually):
    served = serve(drain_delay_s=10, termination_grace_s=60).ready()
    answer = Answer(f"{served.url}/v1/slow?seconds=9")
    eventually(lambda: served.says("slow began"))
    served.process.send_signal(signal.SIGINT)
    eventually(lambda: served.answers("/readyz") == 503)
    served.process.send_signal(signal.SIGINT)
    assert served.ends() == 1
    assert answer.status() is None


def test_work_that_is_cut_off_cleans_up_before_anything_closes(serve, eventually):
    served = serve(request_timeout_s=0.5, graceful_timeout_s=1).ready()
    answer = Answer(f"{served.url}/v1/endless")
    eventually(lambda: served.answers("/livez") == 200)
    assert served.stop() == 1
    assert answer.status() is None
    assert isinstance(answer.failure, httpx.RemoteProtocolError)
    events = [line["event"] for line in served.lines]
    assert events.index("cleaned up") < events.index("requests were cut off") < events.index("closed")
    (line,) = (line for line in served.lines if line["event"] == "requests were cut off")
    assert (line["cancelled"], line["stuck"]) == (1, 0)
    # Which one it was.
    assert [line["route"] for line in served.lines if line["event"] == "request"][-1] == "/v1/endless"


def test_work_that_does_not_end_is_counted_and_left(serve, eventually, monkeypatch):
    served = serve(request_timeout_s=0.5, graceful_timeout_s=1).ready()
    Answer(f"{served.url}/v1/stubborn")
    eventually(lambda: served.answers("/livez") == 200)
    served.process.send_signal(signal.SIGTERM)
    eventually(lambda: served.says("requests were cut off"))
    (line,) = (line for line in served.lines if line["event"] == "requests were cut off")
    assert (line["cancelled"], line["stuck"]) == (1, 1)
    eventually(lambda: served.says("closed"))


def test_an_application_that_does_not_start_says_why_in_one_sentence(serve):
    served = serve("does-not-start")
    assert served.ends() == 3
    assert served.errors() == "example: database did not open: password=*** is wrong\n"
    assert not any("exception" in line for line in served.lines)


def test_an_application_that_breaks_at_its_start_leaves_a_traceback_as_well(serve):
    served = serve("breaks-at-start")
    assert served.ends() == 3
    assert served.errors() == "The application did not start: KeyError: 'canary'\n"
    assert ["KeyError" in line["exception"] for line in served.lines if "exception" in line] == [True]


def test_an_application_that_does_not_stop_well_ends_with_1(serve):
    served = serve("breaks-at-stop").ready()
    assert served.stop() == 1
    assert any("did not close" in str(line) for line in served.lines)


def test_a_handler_that_ends_the_process_ends_it_with_its_code(serve):
    served = serve().ready()
    assert served.answers("/v1/exits") is None
    assert served.ends() == 7


def test_a_signal_during_the_start_ends_it_with_0(serve):
    served = serve()
    served.process.send_signal(signal.SIGTERM)
    # Before the server has its handlers, the signal ends the process as it ends any other.
    assert served.ends() in (0, -signal.SIGTERM)


def test_a_killed_process_leaves_its_port_and_no_other_process(serve):
    served = serve().ready()
    assert served.stop(signal.SIGKILL) == -signal.SIGKILL
    listen("127.0.0.1", served.port).close()
    with pytest.raises(ProcessLookupError):
        os.kill(served.process.pid, 0)


def test_nobody_reads_the_log_and_requests_are_served(serve):
    served = serve().ready()
    served.process.stdout.close()
    assert [served.answers("/livez") for _ in range(5)] == [200] * 5


def test_a_port_in_use_is_said_in_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError) as refused:
            listen("127.0.0.1", port)
    sentence = f"Port {port} on 127.0.0.1 is in use by another process; choose another with --port."
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("host", "reason"),
    [("192.0.2.1", "Cannot assign requested address"), ("no.such.host.invalid", "")],
)
def test_an_address_that_is_not_ours_is_said_in_one_sentence(host, reason):
    with pytest.raises(ListenError, match=f"Cannot listen on port 8000 of {host}: .*{reason}") as refused:
        listen(host, 8000)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_socket_listens_at_once(host):
    with listen(host, 0) as listener, socket.create_connection(listener.getsockname()[:2]):
        pass
