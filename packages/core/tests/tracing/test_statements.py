"""What the span of a statement says of its database, and of its failure."""

import pytest
from opentelemetry.trace import SpanKind

from core.database.statements import Statements
from core.tracing import NO_TRACER, Tracing, span


@pytest.mark.parametrize(
    ("dsn", "where"),
    [
        ("postgresql://u:canary@db.test:6432/a%20b", {"server.address": "db.test", "server.port": 6432, "name": "a b"}),
        ("postgresql://db.test/bills", {"server.address": "db.test", "server.port": 5432, "name": "bills"}),
        ("postgresql://u@/bills?host=/run/pg", {"server.address": "/run/pg", "name": "bills"}),
    ],
)
def test_a_statement_says_in_which_database_and_not_who_signs_in(dsn, where):
    told = dict(Statements.of(NO_TRACER, dsn).where)
    assert told.pop("db.system.name") == "postgresql"
    assert told == {("db.namespace" if key == "name" else key): value for key, value in where.items()}


class UniqueViolation(Exception):
    sqlstate = "23505"


@pytest.mark.parametrize(("failure", "code"), [(UniqueViolation(), "23505"), (ConnectionResetError(), None)])
async def test_a_failure_has_the_code_of_the_database_where_there_is_one(spans, failure, code):
    tracing = Tracing({"service.name": "alone"}, ratio=1, believes=lambda _: True, processors=[spans.processor])
    async with tracing.listening(flush_timeout_s=lambda: 1):
        statements = Statements.of(tracing.tracer, "postgresql://db.test/bills")
        request = span(tracing.tracer, "request", SpanKind.SERVER, {})
        with request, pytest.raises(type(failure)), statements.span("update\nbills SET paid = true"):
            raise failure
    failed = spans.named("UPDATE")
    assert failed.attributes.get("db.response.status_code") == code
    assert failed.attributes["error.type"].endswith(type(failure).__name__)
