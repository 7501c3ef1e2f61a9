"""Spans on their way to a collector: real processes, a real HTTP server, and what becomes of spans that it refuses."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import SpanKind
from shop import Settings, build

from core.telemetry.exchange import Identity, current_service
from core.tracing import Tracing, span
from core.tracing.provider import is_collected

PATIENCE_S = 60.0
SHOP = Path(__file__).parents[1] / "shop.py"


class Collector:
    """Takes spans over HTTP, as long as it is asked to."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, str, bytes, bytes, bytes]] = []
        self.asked: list[str] = []
        self.status = 200
        self.answers = threading.Event()
        self.answers.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.asked.append(self.path)
                collector.answers.wait(PATIENCE_S)
                if collector.status == 200:
                    collector.keep(ExportTraceServiceRequest.FromString(body))
                self.send_response(collector.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def keep(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            (service,) = (
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            )
            for scope in resource.scope_spans:
                for each in scope.spans:
                    self.spans.append((service, each.name, each.trace_id, each.span_id, each.parent_span_id))

    def tree(self) -> set[tuple[str, str, str]]:
        names = {each[3]: each[1] for each in self.spans} | {b"": ""}
        return {(service, name, names[parent]) for service, name, _, _, parent in self.spans}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


class Process:
    """One service in a process of its own, which sends its spans to `endpoint`."""

    def __init__(self, name: str, settings: dict[str, Any], *, endpoint: str) -> None:
        command = [sys.executable, str(SHOP), name, json.dumps(settings)]
        environment = {"PATH": "", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def stop(self) -> tuple[int, list[dict[str, Any]]]:
        """The exit code, and the lines it has said."""
        self._process.send_signal(signal.SIGTERM)
        out, errors = self._process.communicate(timeout=PATIENCE_S)
        assert errors == ""
        return self._process.returncode, [json.loads(line) for line in out.splitlines()]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
async def start(becomes) -> AsyncIterator[Callable[..., Awaitable[Process]]]:
    """`await start("shop", settings, endpoint=…)`: a process that answers."""
    started: list[Process] = []

    async def run(name: str, settings: dict[str, Any], *, endpoint: str) -> Process:
        process = await asyncio.to_thread(Process, name, settings, endpoint=endpoint)
        started.append(process)

        async def answers() -> bool:
            try:
                return (await client.get(f"{process.url}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        async with httpx.AsyncClient() as client:
            await becomes(answers, patience_s=PATIENCE_S)
        return process

    yield run
    for process in started:
        await asyncio.to_thread(process.close)


def warnings(lines: list[dict[str, Any]]) -> list[str]:
    """What was said beyond the usual, and beyond what a busy machine makes of a process."""
    return [line["event"] for line in lines if line["level"] != "info" and line["event"] != "event loop blocked"]


async def test_two_processes_make_one_trace_and_send_the_last_spans_before_they_end(collector, start, given):
    shop = await start("shop", given("shop"), endpoint=collector.url)
    front = await start("front", given("front", clients={"shop": {"url": shop.url}}), endpoint=collector.url)
    async with httpx.AsyncClient() as client:
        assert (await client.post(f"{front.url}/v1/orders/chair")).status_code == 204
    for each in (front, shop):
        code, lines = await asyncio.to_thread(each.stop)
        assert code == 0
        assert warnings(lines) == []
    # Batches leave every five seconds: these left because the processes ended.
    assert set(collector.asked) == {"/v1/traces"}
    assert {
        ("front", "POST /v1/orders/{name}", ""),
        ("front", "POST", "POST /v1/orders/{name}"),
        ("shop", "POST /v1/things/{name}", "POST"),
        ("shop", "SELECT", "POST /v1/things/{name}"),
        ("shop", "publish thing.made", "POST /v1/things/{name}"),
    } <= collector.tree()
    assert len({trace_id for _, _, trace_id, _, _ in collector.spans}) == 1


async def test_a_collector_that_never_answers_delays_no_end_beyond_its_time(start, given):
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        shop = await start("shop", given("shop", server={"close_timeout_s": 0.5}), endpoint=endpoint)
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{shop.url}/v1/things/chair")).status_code == 200
        began = time.monotonic()
        code, lines = await asyncio.to_thread(shop.stop)
    # Less than the exporter would take, which tries for ten seconds.
    assert (code, time.monotonic() - began < 9) == (0, True), lines
    assert warnings(lines) == ["the last spans are lost, the collector did not take them in time"]
    # The request and its statement; a job may have run, too.
    (lost,) = (line["lost"] for line in lines if "lost" in line)
    assert lost >= 2
    assert {line["service.name"] for line in lines} == {"shop"}


@contextmanager
def in_the_name_of(service: str) -> Iterator[None]:
    token = current_service.set(Identity(service, "0", "local"))
    yield
    current_service.reset(token)


async def test_a_collector_that_is_down_is_told_of_once_and_once_when_it_is_back(collector, monkeypatch, logs, becomes):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/traces")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    # What is retried, and how often, is the exporter's; this one gives up at once.
    collector.status = 400
    tracing = Tracing({"service.name": "alone"}, ratio=1, believes=lambda _: True)

    async def asked(times: int) -> bool:
        return len(collector.asked) >= times

    with in_the_name_of("alone"):
        async with tracing.listening(flush_timeout_s=lambda: 30):
            for number in range(1, 5):
                with span(tracing.tracer, "request", SpanKind.SERVER, {}):
                    pass
                await becomes(lambda number=number: asked(number))
            collector.status = 200
            with span(tracing.tracer, "kept", SpanKind.SERVER, {}):
                pass
            await becomes(lambda: asked(5))
    assert [(line["event"], line["service.name"], line.get("lost")) for line in logs] == [
        ("spans are lost, the collector takes none", "alone", None),
        ("the collector takes spans again", "alone", None),
        ("spans were lost", "alone", 4),
    ]
    assert [name for _, name, _, _, _ in collector.spans] == ["kept"]
    assert set(collector.asked) == {"/traces"}


async def test_a_header_that_cannot_be_read_is_told_of_and_not_shown(monkeypatch, logs):
    """Most of them are keys."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team: canary0451")
    async with Tracing({"service.name": "alone"}, ratio=1, believes=lambda _: True).listening(
        flush_timeout_s=lambda: 1
    ):
        pass
    (line,) = logs
    assert "Header format invalid" in line["event"]
    assert "canary" not in str(line)


def test_the_end_waits_for_no_collector_longer_than_it_may(monkeypatch, logs):
    async def live(tracing: Tracing) -> None:
        async with tracing.listening(flush_timeout_s=lambda: 0.1):
            with span(tracing.tracer, "request", SpanKind.SERVER, {}):
                pass

    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        # Longer than the process waits, and too short for the test to wait for.
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "4")
        asyncio.run(live(Tracing({"service.name": "alone"}, ratio=1, believes=lambda _: True)))
    assert [line["event"] for line in logs] == ["the last spans are lost, the collector did not take them in time"]
    # The thread ends when its request does: after the loop, and without a word.
    (flush,) = (thread for thread in threading.enumerate() if thread.name == "span-flush")
    assert flush.daemon
    flush.join(PATIENCE_S)
    assert not flush.is_alive()
    assert len(logs) == 1


async def test_what_finds_no_place_in_the_queue_is_counted_as_lost(collector, monkeypatch, logs, becomes):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    for name, number in (("MAX_QUEUE_SIZE", "5"), ("MAX_EXPORT_BATCH_SIZE", "5"), ("SCHEDULE_DELAY", "60000")):
        monkeypatch.setenv(f"OTEL_BSP_{name}", number)
    tracing = Tracing({"service.name": "alone"}, ratio=1, believes=lambda _: True)

    def make(number: int) -> None:
        for _ in range(number):
            with span(tracing.tracer, "request", SpanKind.SERVER, {}):
                pass

    async def asked() -> bool:
        return bool(collector.asked)

    collector.answers.clear()
    async with tracing.listening(flush_timeout_s=lambda: 30):
        make(5)
        # These are on their way, and the queue is empty.
        await becomes(asked)
        make(12)
        collector.answers.set()
    assert len(collector.spans) == 10
    told = next(line for line in logs if line["event"] == "spans were lost")
    assert (told["lost"], told["ended"]) == (7, 17)


@pytest.mark.parametrize(
    ("variables", "collected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": ""}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "console, OTLP"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "True"}, False),
    ],
)
def test_the_environment_says_whether_spans_are_collected(monkeypatch, variables, collected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_collected() is collected


QUIET = """
import asyncio, json, sys, threading

import httpx
from core.client import InProcess
from core.lifespan import started
from shop import Settings, build

app = build("shop", Settings(**json.loads(sys.argv[1])))
assert threading.active_count() == 1, threading.enumerate()

async def main():
    async with started(app, name="shop") as state:
        client = httpx.AsyncClient(transport=InProcess(app, state), base_url="http://shop")
        assert (await client.post("/v1/things/chair")).status_code == 204
        assert not [each.name for each in threading.enumerate() if each.name.startswith(("Otel", "span"))]

asyncio.run(main())
print(*[name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
"""


async def test_where_nobody_listens_nothing_of_the_sdk_is_loaded_and_no_thread_runs(given):
    command = [sys.executable, "-c", QUIET, json.dumps(given("shop"))]
    environment = {"PATH": "", "PYTHONPATH": str(SHOP.parent)}
    told = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False, env=environment, timeout=PATIENCE_S
    )
    assert (told.returncode, told.stderr, told.stdout.splitlines()[-1]) == (0, "", "")


async def test_building_starts_no_thread_even_where_spans_are_collected(given, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    before = threading.active_count()
    build("shop", Settings(**given("shop")))
    assert threading.active_count() == before
