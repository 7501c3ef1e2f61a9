"""Spans within a trace: how one begins, fails, and is named to whoever continues it (W3C Trace Context)."""

import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager

from opentelemetry.context import Context, get_current
from opentelemetry.trace import (
    NoOpTracer,
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    format_span_id,
    format_trace_id,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from core.redaction import redact_traceback

NO_TRACER: Tracer = NoOpTracer()
_W3C = TraceContextTextMapPropagator()


def is_traced() -> bool:
    """Whether what runs belongs to a trace that is kept."""
    # Every statement and line asks, and nearly every context is empty, which is cheaper to see. Of the flags, one bit
    # counts.
    return bool(get_current()) and get_current_span().get_span_context().trace_flags.sampled


def trace_fields() -> dict[str, str]:
    """`trace_id` and `span_id` of what runs, in the hexadecimal of W3C Trace Context; nothing unless it is traced."""
    if not is_traced():
        return {}
    context = get_current_span().get_span_context()
    return {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}


def inject(headers: MutableMapping[str, str]) -> None:
    """Sets `traceparent`, and `tracestate` if there is one, to the span that runs; nothing outside of any."""
    _W3C.inject(headers)


def extract(headers: Mapping[str, str]) -> Context:
    """The context that `traceparent` and `tracestate` name; an empty one if they name none."""
    return _W3C.extract(headers, Context())


def current_traceparent() -> str | None:
    """The `traceparent` of the span that runs; None outside of any."""
    headers: dict[str, str] = {}
    inject(headers)
    return headers.get("traceparent")


@contextmanager
def span(
    tracer: Tracer, name: str, kind: SpanKind, attributes: Mapping[str, str | int], *, traceparent: str | None = None
) -> Iterator[Span]:
    """A span that runs until the block ends, below the one that runs now or the one that `traceparent` names.

    An exception that leaves the block makes it an error of that type; its text, which may quote anything, is not kept.
    """
    context = None if traceparent is None else extract({"traceparent": traceparent})
    with tracer.start_as_current_span(
        name, context, kind, attributes, record_exception=False, set_status_on_exception=False
    ) as started:
        try:
            yield started
        except BaseException as failed:
            started.set_attribute("error.type", _type_name(failed))
            started.set_status(StatusCode.ERROR)
            raise


def describe_request(*, client: str | None, request_id: str) -> None:
    """Puts on the span of a request who sent it, and the id that its log lines and its response have."""
    running = get_current_span()
    running.set_attribute("http.response.header.x-request-id", [request_id])
    if client is not None:
        running.set_attribute("client.address", client)


def record_failure(failure: BaseException, *, described: bool = True) -> None:
    """Puts an unhandled exception on the span that runs; `described` adds its text and traceback, redacted."""
    running = get_current_span()
    if not running.is_recording():
        return
    attributes = {"exception.type": _type_name(failure)}
    running.set_attribute("error.type", attributes["exception.type"])
    if described:
        attributes["exception.message"] = _text(_message(failure))
        attributes["exception.stacktrace"] = _text("".join(traceback.format_exception(failure)))
    running.add_event("exception", attributes)
    running.set_status(StatusCode.ERROR)


def _message(failure: BaseException) -> str:
    try:
        return str(failure)
    except Exception:  # noqa: BLE001 - somebody's __str__; what failed first is what has to be told
        return "<exception str() failed>"


def _text(of_failure: str) -> str:
    # A lone surrogate would keep the whole attribute from being sent.
    return redact_traceback(of_failure).encode(errors="backslashreplace").decode()


def _type_name(failure: BaseException) -> str:
    """The full name of an exception's class, without `builtins`."""
    kind = type(failure)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
