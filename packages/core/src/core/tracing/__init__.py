"""Traces: one provider of spans a service, a decision at its entrance, and OTLP for those who collect them."""

from core.tracing.provider import TELEMETRY, Tracing
from core.tracing.spans import (
    NO_TRACER,
    current_traceparent,
    describe_request,
    inject,
    is_traced,
    record_failure,
    span,
    trace_fields,
)

__all__ = [
    "NO_TRACER",
    "TELEMETRY",
    "Tracing",
    "current_traceparent",
    "describe_request",
    "inject",
    "is_traced",
    "record_failure",
    "span",
    "trace_fields",
]
