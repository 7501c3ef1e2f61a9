"""Logs: JSON lines in production, readable ones on a laptop; structlog's, the standard library's, uvicorn's alike."""

import json
import logging
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
import structlog

from core.redaction import redact, redact_mapping, redact_traceback
from core.telemetry.exchange import Exchange, Identity, current_exchange, current_service
from core.telemetry.writer import LineWriter
from core.tracing import trace_fields

LogEvent = MutableMapping[str, Any]
Write = Callable[[bytes], None]


class _Output:
    """Where lines go and how they look; one a process, replaced as a whole."""

    def __init__(self, write: Write, *, console: bool, process: Identity | None) -> None:
        self.write = write
        self.console = console
        self.process = process


_output: _Output | None = None


def _identity(_logger: object, _method: str, event: LogEvent) -> LogEvent:
    exchange = current_exchange.get()
    speaker = exchange.service if exchange else current_service.get()
    if speaker is None and _output is not None:
        speaker = _output.process
    if speaker is not None:
        event.update(speaker.fields)
    if exchange is not None:
        event["request_id"] = exchange.request_id
    event.update(trace_fields())
    return event


_JSON = orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_DATACLASS


def _redacted(_logger: object, _method: str, event: LogEvent) -> LogEvent:
    safe = redact_mapping(event)
    if "exception" in safe:
        safe["exception"] = redact_traceback(str(event["exception"]))
    return safe


def _shown(value: object) -> str:
    """What is no text may show a secret when it is turned into one: an exception, a URL, a settings object."""
    return redact(repr(value))


def _as_text(_logger: object, _method: str, event: LogEvent) -> LogEvent:
    return {key: value if isinstance(value, str) else _shown(value) for key, value in event.items()}


def _as_json(_logger: object, _method: str, event: LogEvent) -> str:
    try:
        return orjson.dumps(event, default=_shown, option=_JSON).decode()
    except TypeError:
        # A lone surrogate, a number of more than 64 bits, a name that is no text: a line of log is no reason to fail.
        return json.dumps(event, default=_shown, skipkeys=True)


class _Printer:
    """What structlog calls with a rendered line."""

    def msg(self, line: str) -> None:
        if _output is not None:
            _output.write(_encoded(line))

    log = debug = info = warning = error = critical = exception = fatal = msg


class _Handler(logging.Handler):
    """Sends the standard library's records the way of all other lines."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - what does not fit its arguments is said on stderr, not to the request
            self.handleError(record)
            return
        if _output is not None:
            _output.write(_encoded(line))


def _encoded(line: str) -> bytes:
    return line.encode(errors="backslashreplace") + b"\n"


@contextmanager
def logging_to(
    write: Write, *, level: str, form: Literal["json", "console"], process: Identity | None = None
) -> Iterator[None]:
    """Sends every line to `write` until the block ends; what no service says, `process` says."""
    global _output  # noqa: PLW0603 - logging is process-wide, in the standard library too
    before = _output
    _output = _Output(write, console=form == "console", process=process)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _identity,
    ]
    # All is text before it is redacted: the console would show the variables of a traceback.
    console = [_as_text, structlog.dev.ConsoleRenderer(colors=False, sort_keys=False)]
    render = [structlog.processors.format_exc_info, _redacted, *(console if form == "console" else [_as_json])]
    structlog.configure(
        processors=[*shared, structlog.processors.StackInfoRenderer(), *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Printer(),
        cache_logger_on_first_use=False,
    )
    handler = _Handler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    handlers, old_level = root.handlers, root.level
    root.handlers = [handler]
    root.setLevel(level.upper())
    # A line a call; the call's own service writes one already.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(old_level)
        structlog.reset_defaults()
        _output = before


@contextmanager
def logging_to_stdout(
    *, level: str, form: Literal["json", "console"], process: Identity | None = None
) -> Iterator[None]:
    """Sends every line to standard output through a writer thread until the block ends."""
    writer = LineWriter().start()
    try:
        with logging_to(writer, level=level, form=form, process=process):
            yield
    finally:
        writer.stop()


def lines_dropped() -> int:
    """How many lines this process has lost, because nobody read them fast enough, or at all."""
    return _output.write.dropped if _output and isinstance(_output.write, LineWriter) else 0


def access_line(exchange: Exchange, seconds: float) -> None:
    """One line for one request; no query string, which may hold what nobody should read."""
    output = _output
    if output is None:
        return
    duration_ms = round(seconds * 1000, 1)
    if output.console:
        operation = f"{exchange.method:<6} {exchange.route}"
        line = f"{exchange.service.name:<8} {operation} {exchange.status} {duration_ms} ms  {exchange.request_id}\n"
        output.write(line.encode())
        return
    # Rendered here, not by structlog: a third of the time, on the one line that every request pays for.
    output.write(
        orjson.dumps(
            {
                "timestamp": datetime.now(UTC),
                "level": "info",
                "event": "request",
                **exchange.service.fields,
                "request_id": exchange.request_id,
                **exchange.trace,
                "method": exchange.method,
                "route": exchange.route,
                "status": exchange.status,
                "duration_ms": duration_ms,
                "bytes": exchange.bytes_sent,
                "client": exchange.client,
            },
            option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z,
        )
    )
