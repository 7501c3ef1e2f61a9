"""The spans of SQL statements, without their values; OpenTelemetry's names for clients of databases.

Our own: the instrumentation of SQLAlchemy is one for a process, and would name the wrong service.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from opentelemetry.trace import SpanKind, Tracer
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from core.tracing import is_traced, span

_UNTRACED = nullcontext()
_PORT = 5432


@dataclass(frozen=True, slots=True)
class Statements:
    """What makes the spans of one database's statements, each of which says where that database is."""

    tracer: Tracer
    where: Mapping[str, str | int]

    @classmethod
    def of(cls, tracer: Tracer, dsn: str) -> "Statements":
        """Those of the database at `dsn`, of which nothing is told that signs in."""
        url = urlsplit(dsn)
        where: dict[str, str | int] = {"db.system.name": "postgresql", "db.namespace": unquote(url.path.strip("/"))}
        if url.hostname:
            where |= {"server.address": url.hostname, "server.port": url.port or _PORT}
        else:
            # The folder of its socket.
            where["server.address"] = parse_qs(url.query)["host"][0]
        return cls(tracer, where)

    def span(self, sql: str) -> AbstractContextManager[object]:
        """The span of one statement; none outside a trace."""
        return self._span(sql) if is_traced() else _UNTRACED

    @contextmanager
    def _span(self, sql: str) -> Iterator[None]:
        operation = sql.split(maxsplit=1)[0].upper()
        attributes = {**self.where, "db.operation.name": operation, "db.query.text": sql}
        with span(self.tracer, operation, SpanKind.CLIENT, attributes) as running:
            try:
                yield
            except Exception as failed:
                # Whatever it is goes on; what PostgreSQL says of it is noted in passing.
                code = getattr(failed, "sqlstate", None)
                if code is not None:
                    running.set_attribute("db.response.status_code", code)
                raise


def trace_statements(engine: AsyncEngine, statements: Statements) -> None:
    """Gives every statement of a traced request its span."""
    # Around the one call that executes: the events before and after it cost every statement a tenth, traced or not.
    for method in ("do_execute", "do_executemany"):
        event.listen(engine.sync_engine, method, _in_a_span(statements, getattr(engine.dialect, method)))


def _in_a_span(statements: Statements, run: Callable[..., None]) -> Callable[..., bool]:
    def execute(cursor: Any, sql: str, parameters: Any, context: Any) -> bool:
        if not is_traced():
            # SQLAlchemy runs it.
            return False
        with statements.span(sql):
            run(cursor, sql, parameters, context)
        return True

    return execute
