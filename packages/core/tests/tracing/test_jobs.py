"""A run of a job is a trace of its own: what it does is below it, and its lines lead to it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import text

from core.database import Database, open_database
from core.jobs import Jobs, Outcome, Runner
from core.metrics import Metrics
from core.tracing import Tracing, current_traceparent

CANARY = "canary0451"


@pytest.fixture
def told() -> list[str | None]:
    """What the work would have told a sibling of its trace."""
    return []


@pytest.fixture
def jobs(told) -> Jobs:
    jobs = Jobs()

    @jobs.every(timedelta(days=3650))
    async def sweep(database: Database) -> None:
        told.append(current_traceparent())
        async with database.transaction() as session:
            await session.execute(text("DELETE FROM outbox"))

    @jobs.every(timedelta(days=3650))
    async def fails(_database: Database) -> None:
        raise ConnectionError(f"password={CANARY}")

    @jobs.every(timedelta(days=3650))
    async def hangs(_database: Database) -> None:
        told.append(None)
        await asyncio.sleep(60)

    return jobs


@pytest.fixture
def run(settings, spans, jobs) -> Callable[..., AbstractAsyncContextManager[Callable[[str], object]]]:
    """`async with run(ratio=1) as run_now`, then `await run_now("sweep")`: runs that job once."""

    @asynccontextmanager
    async def open_runner(*, ratio: float = 1):
        tracing = Tracing({"service.name": "alone"}, ratio=ratio, believes=lambda _: True, processors=[spans.processor])
        by_name = {job.name: job for job in jobs.declared}
        async with (
            tracing.listening(flush_timeout_s=lambda: 1),
            open_database(settings.database, name="alone", tracer=tracing.tracer) as database,
        ):
            runner = Runner(
                jobs.declared, database=database, metrics=Metrics(), resources=database, tracer=tracing.tracer
            )
            yield lambda name: runner.run_now(by_name[name])

    return open_runner


async def test_a_run_is_the_root_of_a_trace(run, spans, logs):
    async with run() as run_now:
        assert await run_now("sweep") is Outcome.SUCCEEDED
    assert spans.tree() == {
        ("alone", "run sweep", None),
        ("alone", "DELETE", "run sweep"),
        # It records how it ended.
        ("alone", "UPDATE", "run sweep"),
    }
    root = spans.named("run sweep")
    assert (root.kind, root.status.status_code) == (SpanKind.INTERNAL, StatusCode.UNSET)
    assert dict(root.attributes) == {
        "code.function.name": f"{__name__}.jobs.<locals>.sweep",
        "job.name": "sweep",
        "job.outcome": "succeeded",
    }
    (line,) = (line for line in logs if line["event"] == "job ran")
    trace = (f"{root.context.trace_id:032x}", f"{root.context.span_id:016x}")
    assert (line["trace_id"], line["span_id"]) == trace


async def test_a_run_that_fails_says_with_what_and_shows_no_secret(run, spans):
    async with run() as run_now:
        assert await run_now("fails") is Outcome.FAILED
    failed = spans.named("run fails")
    assert (failed.status.status_code, failed.attributes["job.outcome"]) == (StatusCode.ERROR, "failed")
    assert failed.attributes["error.type"] == "ConnectionError"
    assert [event.attributes["exception.type"] for event in failed.events] == ["ConnectionError"]
    assert CANARY not in failed.to_json()


async def test_a_run_that_is_given_back_has_not_failed(run, spans, told, becomes):
    async with run() as run_now:
        task = asyncio.create_task(run_now("hangs"))
        await becomes(lambda: asyncio.sleep(0, told))
        task.cancel()
        assert await task is Outcome.GIVEN_BACK
    given_back = spans.named("run hangs")
    assert (given_back.status.status_code, given_back.events) == (StatusCode.UNSET, ())
    assert given_back.attributes["job.outcome"] == "given_back"


async def test_of_the_runs_a_share_is_traced_and_no_sibling_traces_the_others(run, spans, logs, told):
    async with run(ratio=0) as run_now:
        await run_now("sweep")
    assert spans.all == []
    # It is a trace that nobody keeps: a sibling that is told of it does not draw again.
    (traceparent,) = told
    assert traceparent is not None
    assert int(traceparent[-2:], 16) % 2 == 0
    assert not [line for line in logs if "trace_id" in line]


async def test_where_nobody_listens_a_run_is_no_trace(database, jobs, told):
    runner = Runner(jobs.declared, database=database, metrics=Metrics(), resources=database)
    assert await runner.run_now(jobs.declared[0]) is Outcome.SUCCEEDED
    assert told == [None]
