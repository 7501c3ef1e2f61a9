"""How a process starts and stops: requests finish, resources close last, and the exit code says what happened."""

import signal
import socket
from types import SimpleNamespace

import pytest
import uvicorn

from core.server import ChassisServer, ListenError, listen
from core.watchdog import Watchdog

# So long that no pause of a busy machine is beyond it.
PATIENT = {
    "body_timeout_s": 60,
    "request_timeout_s": 60,
    "graceful_timeout_s": 70,
    "termination_grace_s": 120,
}


def test_while_it_drains_it_still_takes_requests_and_says_that_it_wants_no_more(serve, eventually):
    served = serve(drain_delay_s=60, termination_grace_s=90).ready()
    assert served.answers("/readyz") == 200
    served.process.send_signal(signal.SIGTERM)
    eventually(lambda: served.answers("/readyz") == 503)
    assert (served.answers("/livez"), served.answers("/v1/slow?seconds=0")) == (200, 200)


def test_a_signal_lets_it_finish_then_end_with_0(serve, eventually):
    served = serve(drain_delay_s=0.1, **PATIENT).ready()
    # It waits for its body.
    request = served.in_flight("/v1/bodies", method="POST", headers="Content-Length: 1\r\n")
    eventually(lambda: served.in_progress() == 2)
    served.process.send_signal(signal.SIGTERM)
    eventually(lambda: served.answers("/livez") is None)
    # Who says it twice says nothing new.
    served.process.send_signal(signal.SIGTERM)
    assert served.process.poll() is None

    request.send(b"x")
    answer = request.answer()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\r\nconnection: close\r\n" in answer
    assert served.ends() == 0
    events = [(line["event"], line.get("route"), line.get("exit_code")) for line in served.lines]
    assert events[-3:] == [("request", "/v1/bodies", None), ("closed", None, None), ("stopped", None, 0)]
    assert served.errors() == ""


def test_a_second_interrupt_waits_for_nothing(serve, eventually):
    served = serve(drain_delay_s=30, **PATIENT).ready()
    request = served.in_flight("/v1/slow?seconds=50")
    eventually(lambda: served.says("slow began"))
    served.process.send_signal(signal.SIGINT)
    eventually(lambda: served.answers("/readyz") == 503)
    assert served.stop(signal.SIGINT) == 1
    # What uvicorn says for what was broken off.
    assert request.answer().startswith(b"HTTP/1.1 500")


def test_work_that_takes_too_long_is_cut_off_and_cleans_up_before_anything_closes(serve, eventually):
    served = serve("impatient", request_timeout_s=0.5, graceful_timeout_s=1).ready()
    requests = [served.in_flight(path) for path in ("/v1/endless", "/v1/stubborn")]
    eventually(lambda: served.says("endless began") and served.says("stubborn began"))
    assert served.stop() == 1
    for request in requests:
        answer = request.answer()
        assert answer.startswith(b"HTTP/1.1 200")
        assert not answer.endswith(b"0\r\n\r\n")
    events = [line["event"] for line in served.lines]
    assert events.index("cleaned up") < events.index("requests were cut off") < events.index("closed")
    (line,) = (line for line in served.lines if line["event"] == "requests were cut off")
    assert sorted(line["requests"]) == ["GET /v1/endless", "GET /v1/stubborn"]
    # What does not even end when it is cancelled keeps the process from nothing.
    assert line["stuck"] == ["GET /v1/stubborn"]


def test_an_application_that_does_not_start_or_stop_well_says_so(serve):
    # Side by side: what takes time is to begin.
    foreseen, unforeseen, at_stop = serve("does-not-start"), serve("breaks-at-start"), serve("breaks-at-stop")

    assert foreseen.ends() == 3
    assert foreseen.errors() == "example: database did not open: password=*** is wrong\n"
    assert "Traceback" not in str(foreseen.lines)

    assert unforeseen.ends() == 3
    assert unforeseen.errors() == "The application did not start: KeyError: 'canary'\n"
    assert len([line for line in unforeseen.lines if "Traceback" in str(line)]) == 1

    assert at_stop.ready().stop() == 1
    assert "did not close" in str(at_stop.lines)


def test_nobody_reads_the_log_and_it_serves_and_an_interrupt_ends_it_with_0(serve):
    served = serve("unheard").ready()
    assert [served.answers("/livez") for _ in range(5)] == [200] * 5
    assert served.stop(signal.SIGINT) == 0
    listen("127.0.0.1", served.port).close()


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


async def test_an_application_that_has_no_readiness_drains_all_the_same():
    watchdog = Watchdog(stall_s=1, exchange_of=lambda _: None)
    server = ChassisServer(uvicorn.Config("unused:app", log_config=None), drain_delay_s=0, watchdog=watchdog)
    server.lifespan = SimpleNamespace(state={})
    server.should_exit = True
    await server.main_loop()
