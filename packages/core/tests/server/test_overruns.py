"""What does not end in its time is left behind: the process ends all the same, with 1, and one line names it."""

import signal

import pytest

# Of it, the first to close has half a second.
SHORT = {"drain_delay_s": 0, "request_timeout_s": 0.5, "graceful_timeout_s": 1, "close_timeout_s": 1}


def failures(served):
    return [line for line in served.lines if line["level"] == "error"]


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("task does not end", {"event": "task did not end", "task": "sweeper", "stuck": []}),
        ("pool fails", {"event": "resource did not close", "resource": "served.pool"}),
        ("pool hangs", {"event": "resource did not close", "resource": "served.pool"}),
        ("pool does not end", {"event": "the application did not close", "stuck": ["resource served.pool"]}),
        ("lifespan does not end", {"event": "the application did not close", "stuck": ["lifespan"]}),
        ("task of nobody", {"event": "tasks were left behind", "stuck": ["task sync in unending"]}),
    ],
)
def test_what_does_not_close_is_named_and_the_process_ends(serve, mode, said):
    served = serve(mode, **SHORT).ready()
    assert served.stop() == 1
    (line,) = failures(served)
    assert said.items() <= line.items()
    assert (served.lines[-1]["event"], served.lines[-1]["exit_code"]) == ("stopped", 1)


def test_a_task_that_does_not_end_keeps_no_resource_open(serve):
    served = serve("task does not end", **SHORT).ready()
    served.stop()
    assert served.says("closed")


def test_a_thread_that_works_on_is_named_and_the_process_ends(serve, eventually):
    served = serve(**SHORT).ready()
    request = served.in_flight("/v1/thread", headers="Connection: close\r\n")
    eventually(lambda: served.says("thread began"))
    # Nobody can end it: its request has its answer.
    assert request.answer().startswith(b"HTTP/1.1 504")
    assert served.stop() == 1
    assert [(line["event"], line["stuck"]) for line in failures(served)] == [
        ("threads did not end", ["thread worker_0 in render"])
    ]


def test_while_a_thread_works_on_who_says_it_twice_changes_nothing_and_who_insists_waits_for_nothing(serve, eventually):
    served = serve(**SHORT | {"close_timeout_s": 60, "termination_grace_s": 90}).ready()
    request = served.in_flight("/v1/thread", headers="Connection: close\r\n")
    eventually(lambda: served.says("thread began"))
    request.answer()
    served.process.send_signal(signal.SIGTERM)
    eventually(lambda: served.says("thread is alone"))
    served.process.send_signal(signal.SIGTERM)
    assert served.stop(signal.SIGINT) == 1
    assert [line["event"] for line in failures(served)] == ["threads did not end"]
    assert served.errors() == ""
