"""How jobs run: once an interval, again when they fail, elsewhere when their process ends."""

import asyncio
from datetime import timedelta

import pytest
import structlog
from sqlalchemy import event

from core.application import service as make_service
from core.database import open_database
from core.jobs import Jobs, Leases
from core.ports import Ports
from core.testing import MovableClock, running


@pytest.fixture
def lines(logs):
    """`lines("job ran")`: what was logged under that name."""
    return lambda name: [line for line in logs if line["event"] == name]


@pytest.fixture
def logged(lines, becomes):
    """`await logged("job ran")`: the first line of that name, when there is one."""

    async def has(name):
        return lines(name)

    async def wait(name):
        return (await becomes(lambda: has(name)))[0]

    return wait


async def rendered(metrics) -> str:
    return (await metrics.render())[0].decode()


async def hang() -> None:
    await asyncio.sleep(60)


async def fail() -> None:
    raise RuntimeError("canary-reason")


async def test_a_job_that_is_due_runs_once_and_is_told_in_one_line(replica, purge, row, make_due, logged, lines):
    async with replica(purge.job) as metrics:
        await make_due()
        line = await logged("job ran")
        await asyncio.sleep(0.2)
    assert (line["level"], line["job"], line["outcome"]) == ("info", "purge", "succeeded")
    assert line["duration_ms"] >= 0
    assert (purge.runs, len(lines("job ran"))) == (1, 1)
    done = await row()
    assert (done["leased_until"], done["failures"], done["succeeded_at"] is None) == (None, 0, False)
    assert 'job_runs_total{job="purge",outcome="succeeded"} 1.0' in await rendered(metrics)


async def test_a_job_that_is_not_due_does_not_run(replica, purge, becomes, row):
    async with replica(purge.job):
        await becomes(row)
        await asyncio.sleep(0.2)
    assert purge.runs == 0


async def test_two_replicas_race_twenty_times_and_one_runs_each_time(
    replica, purge, settings, make_due, becomes, admin
):
    async with (
        open_database(settings.database, name="replica") as other,
        replica(purge.job),
        replica(purge.job, over=other),
    ):
        for _ in range(20):
            await make_due()
            await becomes(lambda: admin.fetchval("SELECT due_at > now() AND leased_until IS NULL FROM jobs"))
    assert purge.runs == 20


async def test_jobs_of_a_service_do_not_wait_for_each_other(replica, purging, admin, becomes):
    slow, quick = purging(name="slow"), purging(name="quick")
    slow.then = hang
    async with replica(slow.job, quick.job):
        await becomes(lambda: admin.fetchval("SELECT count(*) = 2 FROM jobs"))
        await admin.execute("UPDATE jobs SET due_at = now()")
        await becomes(slow.has_run)
        await becomes(quick.has_run)


async def test_a_failure_is_logged_once_with_its_traceback_and_stored_without_its_text(
    replica, purge, row, make_due, logged, lines
):
    purge.then = fail
    async with replica(purge.job) as metrics:
        await make_due()
        line = await logged("job ran")
        await asyncio.sleep(0.1)
    assert (line["level"], line["outcome"]) == ("error", "failed")
    assert "RuntimeError: canary-reason" in line["exception"]
    assert (purge.runs, len(lines("job ran"))) == (1, 1)
    failed = await row()
    assert (failed["failures"], failed["last_error"], failed["succeeded_at"]) == (1, "RuntimeError", None)
    assert 'job_runs_total{job="purge",outcome="failed"} 1.0' in await rendered(metrics)


async def test_what_failed_runs_again_and_a_success_ends_the_story(replica, purge, row, make_due, becomes, monkeypatch):
    monkeypatch.setattr("core.jobs.leases.BACKOFF_S_MAX", 0.05)
    purge.then = lambda: fail() if purge.runs < 3 else asyncio.sleep(0)

    async def succeeded() -> bool:
        return (await row())["succeeded_at"] is not None

    async with replica(purge.job):
        await make_due()
        await becomes(succeeded)
    done = await row()
    assert (purge.runs, done["failures"], done["last_error"]) == (3, 0, None)


async def test_a_job_that_takes_too_long_has_failed(replica, purging, row, make_due, logged):
    slow = purging(timeout=timedelta(seconds=0.05))
    slow.then = hang
    async with replica(slow.job):
        await make_due()
        await logged("job ran")
    assert (await row())["last_error"] == "TimeoutError"


async def test_a_cancellation_that_nobody_asked_for_is_a_failure(replica, purge, row, make_due, logged):
    async def cancelled() -> None:
        raise asyncio.CancelledError

    purge.then = cancelled
    async with replica(purge.job):
        await make_due()
        assert (await logged("job ran"))["outcome"] == "failed"
    assert (await row())["last_error"] == "CancelledError"


@pytest.mark.parametrize("turns_into", [asyncio.CancelledError, RuntimeError])
async def test_a_replica_that_stops_gives_its_job_back_and_the_next_runs_it_at_once(
    replica, purge, row, make_due, becomes, lines, turns_into
):
    async def hang_until_cancelled() -> None:
        try:
            await hang()
        except asyncio.CancelledError:
            raise turns_into from None

    purge.then = hang_until_cancelled
    async with replica(purge.job):
        await make_due()
        await becomes(purge.has_run)
    left = await row()
    assert (left["leased_until"], left["failures"], left["last_error"]) == (None, 0, None)
    assert [(line["level"], line["outcome"]) for line in lines("job ran")] == [("info", "given_back")]
    purge.runs, purge.then = 0, None
    async with replica(purge.job):
        await becomes(purge.has_run)


async def test_what_ended_while_the_replica_stops_is_recorded(replica, purge, row, make_due, becomes, admin):
    """The stop comes when the work is done and its end is being written."""
    locked = admin.transaction()

    async def lock() -> None:
        await locked.start()
        await admin.execute("SELECT FROM jobs FOR UPDATE")

    purge.then = lock
    async with replica(purge.job):
        await make_due()
        await becomes(purge.has_run)
        await asyncio.sleep(0.05)
        asyncio.get_running_loop().call_later(0.1, lambda: unlocking.append(asyncio.create_task(locked.commit())))
        unlocking: list[asyncio.Task[None]] = []
    assert (await row())["succeeded_at"] is not None


async def test_a_job_that_outlived_its_lease_records_nothing(replica, purge, row, make_due, becomes, settings, admin):
    finish = asyncio.Event()
    purge.then = lambda: finish.wait() if purge.runs == 1 else hang()

    async def second_runs() -> bool:
        return purge.runs == 2

    async with open_database(settings.database, name="replica") as other, replica(purge.job) as slow:
        await make_due()
        await becomes(purge.has_run)
        async with replica(purge.job, over=other):
            await admin.execute("UPDATE jobs SET leased_until = now()")
            await becomes(second_runs)
            finish.set()
            await becomes(lambda: told(slow, "taken_over"))
            held = await row()
            assert (held["succeeded_at"], held["leased_until"] is None) == (None, False)
    assert (await row())["last_error"] == "Abandoned"


async def told(metrics, outcome: str) -> bool:
    return f'outcome="{outcome}"}} 1.0' in await rendered(metrics)


async def test_a_replica_does_not_take_over_from_itself(replica, purge, make_due, becomes, admin):
    purge.then = hang
    async with replica(purge.job):
        await make_due()
        await becomes(purge.has_run)
        await admin.execute("UPDATE jobs SET leased_until = now()")
        await asyncio.sleep(0.2)
    assert purge.runs == 1


async def test_an_end_that_cannot_be_written_is_told_and_the_job_runs_again(
    replica, purge, row, make_due, becomes, admin, cut_off
):
    locked, is_locked = admin.transaction(), asyncio.Event()

    async def lock() -> None:
        if purge.runs == 1:
            await locked.start()
            await admin.execute("SELECT FROM jobs FOR UPDATE")
            is_locked.set()

    async def succeeded() -> bool:
        return (await row())["succeeded_at"] is not None

    purge.then = lock
    async with replica(purge.job) as metrics:
        await make_due()
        await is_locked.wait()
        await cut_off()
        await becomes(lambda: told(metrics, "unrecorded"))
        await locked.rollback()
        await admin.execute("UPDATE jobs SET leased_until = now()")
        await becomes(succeeded)
    assert purge.runs == 2


async def test_jobs_wait_for_a_database_that_is_away_and_what_runs_goes_on(
    replica, purge, row, make_due, becomes, settings, logged
):
    scarce = settings.database.model_copy(update={"pool_size": 2, "read_pool_size": 1, "pool_timeout_s": 0.05})
    finish = asyncio.Event()
    purge.then = finish.wait
    async with open_database(scarce, name="scarce") as over, replica(purge.job, over=over):
        await make_due()
        await becomes(purge.has_run)
        # Its one connection for reads is somebody else's.
        await over.reads.free.acquire()
        assert (await logged("jobs wait for the database"))["level"] == "warning"
        over.reads.free.release()
        finish.set()

        async def succeeded() -> bool:
            return (await row())["succeeded_at"] is not None

        await becomes(succeeded)


async def test_a_row_that_somebody_deleted_comes_back(replica, purge, becomes, row, admin):
    async with replica(purge.job):
        await becomes(row)
        await admin.execute("DELETE FROM jobs")
        await becomes(row)


async def test_a_job_that_has_run_is_not_slept_over(replica, purging, becomes, monkeypatch):
    monkeypatch.setattr("core.jobs.runner.PAUSE_S_MAX", 30)
    often = purging(timedelta(seconds=1))

    async def has_run_again() -> bool:
        return often.runs >= 2

    async with replica(often.job):
        await becomes(has_run_again)


async def test_replicas_that_wait_ask_seldom(replica, purge, becomes, row, monkeypatch):
    monkeypatch.setattr("core.jobs.runner.PAUSE_S_MAX", 30)
    asked, states = [], Leases.states

    async def counted(*given):
        asked.append(given)
        return await states(*given)

    monkeypatch.setattr(Leases, "states", counted)
    async with replica(purge.job):
        await becomes(row)
        await asyncio.sleep(0.4)
    assert len(asked) <= 1


HELD = """
    SELECT state AS held FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'test' AND state LIKE 'idle in transaction%'
    UNION ALL
    SELECT locktype FROM pg_locks JOIN pg_database ON oid = database
    WHERE datname = current_database() AND locktype = 'advisory'
"""


async def test_nothing_hangs_on_the_session_of_a_connection(replica, purge, database, admin, make_due, becomes):
    """PgBouncer may give each transaction another connection: no SET, no advisory lock, and none open meanwhile."""
    said: list[str] = []
    event.listen(database.engine.sync_engine, "before_cursor_execute", lambda *given: said.append(given[2]))
    seen: list[str] = []

    async def look() -> None:
        seen.extend(each["held"] for each in await admin.fetch(HELD))

    purge.then = look
    async with replica(purge.job):
        await make_due()
        await becomes(purge.has_run)
        await asyncio.sleep(0.1)
    assert seen == []
    assert {statement.split()[0] for statement in said} == {"INSERT", "UPDATE"}


async def test_when_a_job_last_succeeded_is_measured_on_every_replica(replica, purge, settings, make_due, becomes):
    async with (
        open_database(settings.database, name="replica") as other,
        replica(purge.job) as first,
        replica(purge.job, over=other) as second,
    ):
        assert "job_last_success_timestamp_seconds{" not in await rendered(first)
        await make_due()
        for metrics in (first, second):
            await becomes(lambda metrics=metrics: measured(metrics))


async def test_how_often_a_job_is_due_is_shown_before_it_has_ever_run(replica, purging):
    async with replica(purging(timedelta(hours=1)).job) as metrics:
        assert 'job_interval_seconds{job="purge"} 3600.0' in await rendered(metrics)


async def measured(metrics) -> bool:
    return 'job_last_success_timestamp_seconds{job="purge"} 1.' in await rendered(metrics)


async def test_jobs_of_a_service_run_in_its_name_with_its_resources(settings, make_due, admin, becomes, lines):
    jobs, seen = Jobs(), []

    @jobs.every(timedelta(days=3650))
    async def look(resources) -> None:
        structlog.get_logger().info("looked")
        seen.append((resources.name, resources.metrics is app.metrics))

    async def has_run() -> bool:
        return bool(seen)

    app = await asyncio.to_thread(make_service, "example", settings, Ports(), routers=[], jobs=[jobs])
    async with running(app) as client:
        await becomes(lambda: admin.fetchval("SELECT count(*) = 4 FROM jobs"))
        await make_due()
        await becomes(has_run)

        async def counted() -> bool:
            return 'job_runs_total{job="look",outcome="succeeded"} 1.0' in (await client.get("/metrics")).text

        await becomes(counted)
    assert seen == [("example", True)]
    assert {line["service.name"] for line in lines("looked") + lines("job ran")} == {"example"}


async def test_the_clock_of_the_business_moves_no_job(settings, becomes, row):
    clock = MovableClock()
    clock.advance(timedelta(days=400))
    jobs, runs = Jobs(), []

    @jobs.every(timedelta(days=3650))
    async def look(_resources) -> None:
        runs.append("run")

    app = await asyncio.to_thread(make_service, "example", settings, Ports(clock=clock), routers=[], jobs=[jobs])
    async with running(app):
        await becomes(row)
        await asyncio.sleep(0.2)
    assert runs == []
