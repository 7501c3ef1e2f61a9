"""The spans of events: announced in one trace, and handled in the same; OpenTelemetry's names for messaging."""

from contextlib import AbstractContextManager, nullcontext
from uuid import UUID

from opentelemetry.trace import SpanKind, Tracer

from core.events.event import Event
from core.tracing import is_traced, span


def publish_span(tracer: Tracer, type_: str, id_: UUID) -> AbstractContextManager[object]:
    """The span of an event that is stored; none outside a trace."""
    if not is_traced():
        return nullcontext()
    return span(tracer, f"publish {type_}", SpanKind.PRODUCER, _attributes(type_, id_, "publish", "send"))


def process_span(tracer: Tracer, event: Event, consumer: str) -> AbstractContextManager[object]:
    """The span of one attempt of a handler, below that of the announcement; none if that was not traced."""
    if event.traceparent is None:
        return nullcontext()
    attributes = _attributes(event.type, event.id, "process", "process")
    attributes["messaging.consumer.group.name"] = consumer
    return span(tracer, f"process {event.type}", SpanKind.CONSUMER, attributes, traceparent=event.traceparent)


def _attributes(type_: str, id_: UUID, operation: str, kind: str) -> dict[str, str]:
    return {
        "messaging.system": "outbox",
        "messaging.destination.name": type_,
        "messaging.message.id": str(id_),
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
    }
