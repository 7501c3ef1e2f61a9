"""The spans of one service: who is told of them, and which requests have any."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import Token
from importlib import import_module
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context, attach
from opentelemetry.trace import Tracer, TracerProvider, get_current_span

from core.tracing.spans import NO_TRACER, extract

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

    from core.tracing.sdk import Recorder

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
Scope = MutableMapping[str, Any]

# Where FastAPI keeps the telemetry of a request; what finds it there starts none of its own.
TELEMETRY = "fastapi.telemetry"
_PROPAGATED = (b"traceparent", b"tracestate", b"baggage")

# Its own: what a program draws after random.seed() is the same, whoever asks it something meanwhile.
_draw = random.Random().random  # noqa: S311 - a sample, no secret


class Tracing(TracerProvider):
    """The tracer provider of one service; while nobody listens there are no spans, and the SDK is not imported.

    `resource` is what every span says of its service. `ratio` is the share of the requests that are traced, of those
    whose caller has not decided it, and of the runs of jobs; a caller decides if `believes(scope)`. Paths that begin
    with one of `untraced` are not traced. `processors` are told of every span, and stay their owner's to close.
    """

    def __init__(
        self,
        resource: Mapping[str, str],
        *,
        ratio: float,
        believes: Callable[[Scope], bool],
        untraced: tuple[str, ...] = (),
        processors: "Sequence[SpanProcessor]" = (),
    ) -> None:
        self._resource = resource
        self._ratio = ratio
        self._believes = believes
        self._untraced = untraced
        self._processors = processors
        self._recorder: Recorder | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody is told of spans."""
        return self._recorder is not None and self._recorder.is_heard

    def get_tracer(self, *args: Any, **kwargs: Any) -> Tracer:
        """What makes spans; nothing while nobody listens."""
        return NO_TRACER if self._recorder is None else self._recorder.provider.get_tracer(*args, **kwargs)

    @property
    def tracer(self) -> Tracer:
        """What core makes its own spans with; asked for after `listening` has begun."""
        return self.get_tracer("core")

    @asynccontextmanager
    async def listening(self, *, flush_timeout_s: Callable[[], float]) -> AsyncIterator[None]:
        """Tells the processors, and the collector that the environment names, of all spans until the block ends.

        The last spans are sent then; a collector that does not take them within `flush_timeout_s()` does not get them.
        """
        async with AsyncExitStack() as stack:
            processors = list(self._processors)
            if is_collected():
                exporting = (await asyncio.to_thread(import_module, "core.tracing.export")).exporting
                processors.append(await stack.enter_async_context(exporting(flush_timeout_s=flush_timeout_s)))
            if processors:
                self._recorder = self._recorder or await asyncio.to_thread(self._make_recorder)
                stack.enter_context(self._recorder.telling(processors))
            yield

    def _make_recorder(self) -> "Recorder":
        from core.tracing.sdk import Recorder  # noqa: PLC0415 - 15 ms, for those whose spans somebody wants

        return Recorder(self._resource, ratio=self._ratio)

    def enter(self, scope: Scope) -> Token[Context] | None:
        """Decides, before FastAPI would start a span, whether this request has one.

        What it returns is to be detached when the request ends: the trace of a caller, which is passed on though
        nothing is recorded here.
        """
        if scope["type"] == "lifespan" or TELEMETRY in scope:
            return None
        caller = self._caller(scope)
        if caller is None:
            chosen = _draw() < self._ratio
        else:
            chosen = get_current_span(caller).get_span_context().trace_flags.sampled
        # Drawn first: what else has to hold is asked of the few that were chosen.
        if chosen and self.is_open and not self._is_untraced(scope):
            return None
        scope[TELEMETRY] = None
        return None if caller is None else attach(caller)

    def _is_untraced(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return path.removeprefix(scope.get("root_path", "")).startswith(self._untraced)

    def _caller(self, scope: Scope) -> Context | None:
        """The trace that the caller is in; None if it names none, or is not believed."""
        headers = scope["headers"]
        for name, _ in headers:
            if name == b"traceparent":
                break
        else:
            return None
        if self._believes(scope):
            lines: dict[str, list[str]] = {}
            for name, value in headers:
                if name in _PROPAGATED:
                    lines.setdefault(name.decode(), []).append(value.decode("latin-1"))
            # Two lines are one list (RFC 9110, section 5.3): none that a traceparent can be.
            found = extract({name: ",".join(values) for name, values in lines.items()})
            if get_current_span(found).get_span_context().is_valid:
                return found
        # FastAPI would look, too.
        scope["headers"] = [(name, value) for name, value in headers if name not in _PROPAGATED]
        return None


def is_collected() -> bool:
    """Whether the environment names a collector, and does not switch it off again."""
    exporters = (os.environ.get("OTEL_TRACES_EXPORTER") or "otlp").lower().split(",")
    wanted = "otlp" in [each.strip() for each in exporters]
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return wanted and not disabled and any(os.environ.get(name) for name in _ENDPOINTS)
