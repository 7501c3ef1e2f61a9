"""Takes spans where the configuration of the collector says, and prints a line for each, as its debug exporter does."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Spans(BaseHTTPRequestHandler):
    """OTLP over HTTP."""

    def do_POST(self) -> None:
        """Takes a batch."""
        batch = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for of in batch.resource_spans:
            name = next(each.value.string_value for each in of.resource.attributes if each.key == "service.name")
            lines = [f"ResourceTraces service.name={name}"]
            spans = [span for scope in of.scope_spans for span in scope.spans]
            lines += [f"{span.name} {span.trace_id.hex()} {span.span_id.hex()}" for span in spans]
            sys.stdout.write("".join(f"{line}\n" for line in lines))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Says nothing."""


if __name__ == "__main__":
    configuration = yaml.safe_load(Path(sys.argv[sys.argv.index("--config") + 1]).read_text())
    host, _, port = configuration["receivers"]["otlp"]["protocols"]["http"]["endpoint"].rpartition(":")
    ThreadingHTTPServer((host, int(port)), Spans).serve_forever()
