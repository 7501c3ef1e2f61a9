"""Sends spans to a collector, OTLP over HTTP as OTEL_EXPORTER_OTLP_… say: off the loop, in batches, bounded at the end.

Imported only where there is a collector.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.util.re import parse_env_headers

from core.redaction import MASK

log = structlog.get_logger("core.tracing")


@asynccontextmanager
async def exporting(*, flush_timeout_s: Callable[[], float]) -> AsyncIterator["CountingProcessor"]:
    """A processor that sends what it is told of; what is left is sent at the end, if that takes no longer than this."""
    # It says of every attempt that it failed; Reporting says it once.
    logging.getLogger(OTLPSpanExporter.__module__).setLevel(logging.CRITICAL)
    logging.getLogger(parse_env_headers.__module__).addFilter(_without_values)
    exporter = Reporting(await asyncio.to_thread(OTLPSpanExporter))
    processor = CountingProcessor(exporter)
    try:
        yield processor
    finally:
        await _close(processor, exporter, flush_timeout_s())


def _without_values(line: logging.LogRecord) -> bool:
    """Masks what a line quotes of OTEL_EXPORTER_OTLP_HEADERS: a header that cannot be read is a key for all that."""
    line.args = (MASK,) * len(line.args or ())
    return True


class CountingProcessor(BatchSpanProcessor):
    """Sends spans in batches, and knows how many there were: what finds no place in its queue is lost, too."""

    ended = 0

    def on_end(self, span: ReadableSpan) -> None:
        """Queues a span; waits for nothing."""
        self.ended += 1
        super().on_end(span)


class Reporting(SpanExporter):
    """An exporter whose failures are logged once, and once again when they are over."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._taken = True
        self.delivered = 0
        # Its lines come from another thread, but are said in the name of this service.
        self._context = copy_context()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends a batch; retried for ten seconds (OTEL_EXPORTER_OTLP_TIMEOUT), then lost."""
        result = self._exporter.export(spans)
        taken = result is SpanExportResult.SUCCESS
        if taken:
            self.delivered += len(spans)
        if taken is not self._taken:
            self._taken = taken
            event = "the collector takes spans again" if taken else "spans are lost, the collector takes none"
            self._context.run(log.warning, event)
        return result

    def shutdown(self) -> None:
        """Ends what is being tried; whatever comes after is lost, and nothing more is said."""
        self._taken = False
        self._exporter.shutdown()


async def _close(processor: CountingProcessor, exporter: Reporting, flush_timeout_s: float) -> None:
    loop = asyncio.get_running_loop()
    flushed = asyncio.Event()

    def flush() -> None:
        processor.shutdown()
        # Nobody waits any longer, and the loop may have gone.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(flushed.set)

    # Not a thread of the loop's pool, which the end of the process would wait for.
    threading.Thread(target=flush, name="span-flush", daemon=True).start()
    event = "spans were lost"
    try:
        async with asyncio.timeout(flush_timeout_s):
            await flushed.wait()
    except TimeoutError:
        event = "the last spans are lost, the collector did not take them in time"
        exporter.shutdown()
    lost = processor.ended - exporter.delivered
    if lost:
        log.warning(event, lost=lost, ended=processor.ended)
