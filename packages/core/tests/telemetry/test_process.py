"""Whatever a process says, in whatever way: each line of its output is one JSON object, and nothing goes elsewhere."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

PATIENCE_S = 60.0
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
FIELDS = ("timestamp", "level", "event", "service.name", "service.version", "deployment.environment.name")
PATHS = ("by-libraries", "by-python", "odd", "crash", "after-the-answer", "next")

Line = dict[str, Any]


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[str]]:
    """A service that traces, for a collector that is not there."""
    environment = {"PATH": os.environ["PATH"], "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    command = [sys.executable, str(Path(__file__).with_name("talker.py"))]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as started:
        yield started
        started.kill()


@pytest.fixture(scope="module")
def said(process: subprocess.Popen[str]) -> list[Line]:
    """Every line of its life, in which each request was made twice: traced, and not."""
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
        for flags in ("01", "00"):
            for path in PATHS:
                headers = {"X-Request-ID": f"{path}-{flags}", "traceparent": f"00-{TRACE}-{SPAN}-{flags}"}
                status = client.post(f"/v1/said/{path}", headers=headers).status_code
                assert status == (500 if path == "crash" else 204)
    with socket.create_connection(("127.0.0.1", port)) as rude:
        rude.sendall(b"\x00\xff no HTTP\r\n\r\n")
        rude.recv(1000)
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (0, "")
    return [strictly(line) for line in out.splitlines()]


def strictly(line: str) -> Line:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    said = json.loads(line, parse_constant=refuse)
    assert isinstance(said, dict)
    return said


def of(said: list[Line], request_id: str) -> list[Line]:
    return [line for line in said if line.get("request_id") == request_id]


def test_each_line_says_when_what_and_who(said):
    for line in said:
        assert all(line.get(field) for field in FIELDS), line
        assert datetime.fromisoformat(line["timestamp"]).tzinfo == UTC
        assert line["level"] in {"debug", "info", "warning", "error", "critical"}
        assert (line["service.name"], line["deployment.environment.name"]) == ("talker", "local")


def test_everything_that_was_said_is_there(said):
    events = [line["event"] for line in said]
    libraries = ("sqlalchemy.pool", "asyncpg", "nats.aio.client", "alembic.runtime.migration", "uvicorn.error")
    twice = [f"{name} says\nso" for name in libraries]
    twice += ["a line of log cannot be written", "thread failed", "exception that could not be raised", "odd"]
    twice += ["unhandled exception", "answers", "follows", "speaks later"]
    assert {event: events.count(event) for event in twice} == dict.fromkeys(twice, 2)
    assert len([event for event in events if event.startswith("Task exception was never retrieved")]) == 2
    # Python itself says the same warning once.
    assert events.count("old\n") == 1
    ours = [line for line in said if line["event"] == "request" and line["request_id"].rpartition("-")[0] in PATHS]
    assert len(ours) == 2 * len(PATHS)


def test_lines_of_a_request_say_of_which(said):
    for flags in ("01", "00"):
        for path in PATHS:
            lines = of(said, f"{path}-{flags}")
            assert [line["event"] for line in lines].count("request") == 1
            traces = {line.get("trace_id") for line in lines}
            assert traces == ({TRACE} if flags == "01" else {None})
            # The server's, below the caller's.
            spans = {line.get("span_id") for line in lines}
            assert len(spans) == 1
            assert SPAN not in spans


def test_what_a_request_has_begun_speaks_for_it_and_not_for_the_next_one(said):
    for flags in ("01", "00"):
        begun = [line["event"] for line in of(said, f"after-the-answer-{flags}")]
        assert begun == ["answers", "request", "speaks later"]
        assert [line["event"] for line in of(said, f"next-{flags}")] == ["follows", "request"]


def test_lines_outside_of_requests_name_none(said):
    others = [line for line in said if "request_id" not in line]
    unsent = "the last spans are lost, the collector did not take them in time"
    assert {"thread failed", unsent} <= {line["event"] for line in others}
    assert not [line for line in said if line["event"].startswith("Failed to encode")]
    assert not [line for line in others if "trace_id" in line]
