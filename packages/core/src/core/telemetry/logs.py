"""Logs: JSON lines in production, readable ones on a laptop; structlog's, the standard library's, uvicorn's alike."""

import logging
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from time import gmtime, strftime, time_ns
from typing import Any, Literal

import orjson
import structlog

from core.redaction import redact, redact_mapping, redact_traceback
from core.telemetry.exchange import Exchange, Identity, current_exchange, current_service
from core.telemetry.uncaught import uncaught_logged
from core.telemetry.writer import LineWriter
from core.tracing import trace_fields

log = structlog.get_logger("core.telemetry")

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
    try:
        safe = redact_mapping(event)
    except Exception:  # noqa: BLE001 - somebody's mapping, or a name in it; a line of log is no reason to fail
        safe = {name: redact(value) if isinstance(value, str) else _unshown(value) for name, value in event.items()}
    if "exception" in safe:
        safe["exception"] = redact_traceback(str(event["exception"]))
    return safe


def _shown(value: object) -> str:
    """What is no text may show a secret when it is turned into one: an exception, a URL, a settings object."""
    try:
        return redact(repr(value))
    except Exception:  # noqa: BLE001 - somebody's __repr__; as above
        return _unshown(value)


def _unshown(value: object) -> str:
    return f"<{type(value).__qualname__} that cannot be shown>"


def _as_text(_logger: object, _method: str, event: LogEvent) -> LogEvent:
    return {key: value if isinstance(value, str) else _shown(value) for key, value in event.items()}


def _as_json(_logger: object, _method: str, event: LogEvent) -> str:
    try:
        return orjson.dumps(event, default=_shown, option=_JSON).decode()
    except TypeError:
        return orjson.dumps({_unicode(str(name)): _encodable(value) for name, value in event.items()}).decode()


def _encodable(value: object) -> orjson.Fragment | str:
    """`value`, or its text: one with a lone surrogate, a number of more than 64 bits, a name that is no text."""
    try:
        return orjson.Fragment(orjson.dumps(value, default=_shown, option=_JSON))
    except TypeError:
        return _unicode(value if isinstance(value, str) else _shown(value))


def _unicode(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


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
        except Exception as failed:  # noqa: BLE001 - arguments that do not fit; the library that said so goes on
            where = f"{record.pathname}:{record.lineno}"
            log.warning(
                "a line of log cannot be written", logger=record.name, where=where, failure=type(failed).__name__
            )
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
            # What a library adds does not stand above what we say.
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
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
        with logging_to(writer, level=level, form=form, process=process), uncaught_logged():
            yield
    finally:
        writer.stop()


def lines_dropped() -> int:
    """How many lines this process has lost, because nobody read them fast enough, or at all."""
    return _output.write.dropped if _output and isinstance(_output.write, LineWriter) else 0


class _Timestamps:
    """The time in ISO 8601, in UTC; only the fraction is written anew within one second."""

    def __init__(self) -> None:
        self._second = 0, b""

    def now(self) -> bytes:
        second, ns = divmod(time_ns(), 1_000_000_000)
        known, text = self._second
        if second != known:
            text = strftime("%Y-%m-%dT%H:%M:%S", gmtime(second)).encode()
            self._second = second, text
        return b"%b.%06dZ" % (text, ns // 1000)


_now = _Timestamps().now


# What every line has begins it, rendered before; the last part is a JSON object without its opening brace.
_ACCESS_LINE = b'{"timestamp":"%b","level":"info","event":"request",%b,%b'


def access_line(exchange: Exchange, seconds: float) -> None:
    """One line for one request; no query string, which may hold what nobody should read."""
    output = _output
    if output is None:
        return
    duration_ms = round(seconds * 10_000) / 10
    if output.console:
        operation = f"{exchange.method:<6} {exchange.route}"
        line = f"{exchange.service.name:<8} {operation} {exchange.status} {duration_ms} ms  {exchange.request_id}\n"
        output.write(line.encode())
        return
    # Rendered here, not by structlog: less than a third of the time, on the one line that every request pays for.
    fields = {
        "request_id": exchange.request_id,
        "method": exchange.method,
        "route": exchange.route,
        "status": exchange.status,
        "duration_ms": duration_ms,
        "bytes": exchange.bytes_sent,
        "client": exchange.client,
    }
    if exchange.trace:
        fields |= exchange.trace
    own = orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
    output.write(_ACCESS_LINE % (_now(), exchange.service.fields_json, own[1:]))
