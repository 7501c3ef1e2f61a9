"""The spans of outbound requests, one an attempt; OpenTelemetry's names for HTTP clients."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import httpx
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from core.tracing import inject, span


@contextmanager
def attempt_span(tracer: Tracer, request: httpx.Request, number: int) -> Iterator[Span]:
    """The span of one attempt, counted from 0, which the headers of the request name to whoever receives it."""
    url = request.url
    attributes: dict[str, str | int] = {
        "http.request.method": request.method,
        "server.address": url.host,
        # httpx knows none where it is that of the scheme.
        "server.port": url.port or (443 if url.scheme == "https" else 80),
        # Neither the query nor who signs in.
        "url.full": str(url.copy_with(userinfo=b"", query=None, fragment=None)),
    }
    if number:
        attributes["http.request.resend_count"] = number
    with span(tracer, request.method, SpanKind.CLIENT, attributes) as started:
        inject(request.headers)
        yield started


def tell_status(running: Span, status: int) -> None:
    """Puts the status of the answer on the span; to a client, 4xx is a failure, too."""
    running.set_attribute("http.response.status_code", status)
    if status >= HTTPStatus.BAD_REQUEST:
        running.set_attribute("error.type", str(status))
        running.set_status(StatusCode.ERROR)
