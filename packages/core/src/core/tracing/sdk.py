"""What is made of OpenTelemetry's SDK; imported only where somebody listens."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes

from core.redaction import MASK


class Recorder(SpanProcessor):
    """The provider of one service's spans, and whom it tells of them."""

    def __init__(self, resource: Mapping[str, str], *, ratio: float) -> None:
        self._listeners: tuple[SpanProcessor, ...] = ()
        self.provider = TracerProvider(
            sampler=ParentBased(Entrances(ratio)),
            # Completed by OTEL_RESOURCE_ATTRIBUTES, and by an id of this process.
            resource=Resource.create(resource),
            # The lifespan ends it.
            shutdown_on_exit=False,
        )
        self.provider.add_span_processor(self)

    @property
    def is_heard(self) -> bool:
        """Whether anybody is told."""
        return bool(self._listeners)

    @contextmanager
    def telling(self, listeners: Sequence[SpanProcessor]) -> Iterator[None]:
        """Tells these until the block ends; an application may start again, and its provider stays the same."""
        self._listeners = tuple(listeners)
        try:
            yield
        finally:
            self._listeners = ()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Tells of a span that begins."""
        # FastAPI's; a query may hold what nobody should read, and no rule knows which part of it.
        if "url.query" in (span.attributes or {}):
            span.set_attribute("url.query", MASK)
        for listener in self._listeners:
            listener.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """Tells of a span that has ended."""
        for listener in self._listeners:
            listener.on_end(span)


class Entrances(Sampler):
    """Where a trace may begin: at a request, of which only those that were chosen come this far, or at a job.

    Of the jobs, `ratio` are chosen here.
    """

    def __init__(self, ratio: float) -> None:
        self._of_kind: dict[SpanKind | None, Sampler] = {
            SpanKind.SERVER: ALWAYS_ON,
            SpanKind.INTERNAL: TraceIdRatioBased(ratio),
        }

    def should_sample(  # noqa: PLR0917 - the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Whatever else has no parent, such as a statement of the relay, belongs to nothing that anybody asked for."""
        chosen = self._of_kind.get(kind, ALWAYS_OFF)
        return chosen.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """The name that the SDK shows."""
        return "Entrances"
