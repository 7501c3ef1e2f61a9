"""An OpenTelemetry collector that keeps what it is sent: spans as they arrive, and the traces that they make."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent
from opentelemetry.proto.trace.v1.trace_pb2 import Status


@dataclass(frozen=True, slots=True)
class Span:
    """One span as a collector sees it; `parent` is empty at the root."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    failed: bool
    attributes: Mapping[str, Any]
    events: tuple[str, ...]
    # Of whom: the resource.
    of: Mapping[str, Any]

    @property
    def service(self) -> str:
        """The service that made it."""
        return self.of["service.name"]


class Collector:
    """Listens on this machine."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        keep = self._keep

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                keep(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process send its spans here, and soon."""
        url = f"http://127.0.0.1:{self.server.server_port}"
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "100"}

    @property
    def spans(self) -> list[Span]:
        """Those that have come so far."""
        return list(self._spans)

    def trace(self, trace_id: str) -> set[tuple[str, str]]:
        """The service and the name of each span of a trace, so far."""
        return {(span.service, span.name) for span in self.spans if span.trace == trace_id}

    def _keep(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            of = _values(resource.resource.attributes)
            self._spans += [_span(sent, of) for scope in resource.scope_spans for sent in scope.spans]


def _span(sent: Sent, of: Mapping[str, Any]) -> Span:
    return Span(
        trace=sent.trace_id.hex(),
        id=sent.span_id.hex(),
        parent=sent.parent_span_id.hex(),
        name=sent.name,
        kind=Sent.SpanKind.Name(sent.kind).removeprefix("SPAN_KIND_").lower(),
        failed=sent.status.code == Status.STATUS_CODE_ERROR,
        attributes=_values(sent.attributes),
        events=tuple(each.name for each in sent.events),
        of=of,
    )


def _values(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    """Their values as text or numbers; of a list, its first."""
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return _value(value.array_value.values[0]) if kind == "array_value" else getattr(value, kind)


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens until the block ends."""
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        collector.server.server_close()
        thread.join()
