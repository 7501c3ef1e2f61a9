"""Leases by themselves: who gets a job, who loses it, and when it is due again."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import event

from core.database import open_database
from core.jobs import Leases, Run

HOUR = timedelta(hours=1)


@pytest.fixture
def leases(database) -> Leases:
    return Leases(database)


@pytest.fixture
async def due(leases, purge, admin):
    """A job that is due."""
    await leases.register([purge.job])
    await admin.execute("UPDATE jobs SET due_at = now()")
    return purge


async def claimed(leases: Leases, purge) -> Run:
    run = await leases.claim(purge.job)
    assert run is not None
    return run


RUN_OUT = "UPDATE jobs SET leased_until = now()"


@pytest.mark.parametrize(
    ("interval", "unit"), [(HOUR, "hour"), (timedelta(days=1), "day"), (timedelta(minutes=1), "minute")], ids=str
)
async def test_a_job_is_due_on_the_grid_of_its_interval_from_the_first_time(leases, purging, admin, interval, unit):
    before = await admin.fetchval("SELECT now()")
    await leases.register([purging(interval).job])
    on_the_grid = "SELECT due_at = date_trunc($1, due_at, 'UTC') AND due_at > $2 AND due_at <= now() + $3 FROM jobs"
    assert await admin.fetchval(on_the_grid, unit, before, interval)


async def test_a_job_that_is_not_due_is_nobodys(leases, purge):
    await leases.register([purge.job])
    assert await leases.claim(purge.job) is None


async def test_a_job_that_was_never_registered_is_nobodys(leases, purge):
    assert (await leases.claim(purge.job, early=True), await leases.states([purge.job])) == (None, [])


async def test_a_job_can_be_claimed_before_it_is_due_by_who_insists_and_only_once(leases, purge):
    await leases.register([purge.job])
    assert await leases.claim(purge.job, early=True)
    assert await leases.claim(purge.job, early=True) is None


async def test_a_claim_that_is_cancelled_while_it_commits_is_given_back(leases, due, database, row):
    claiming = asyncio.create_task(leases.claim(due.job))
    event.listen(database.engine.sync_engine, "commit", lambda _: claiming.cancel(), once=True)
    await asyncio.wait([claiming])
    left = await row()
    assert (claiming.cancelled(), left["leased_until"], left["failures"]) == (True, None, 0)


async def test_a_claim_that_is_cancelled_while_it_waits_leaves_nothing(leases, due, row, admin):
    async with admin.transaction():
        await admin.execute("SELECT FROM jobs FOR UPDATE")
        claiming = asyncio.create_task(leases.claim(due.job))
        await asyncio.sleep(0.05)
        claiming.cancel()
        await asyncio.wait([claiming])
    assert (claiming.cancelled(), (await row())["leased_until"]) == (True, None)


async def test_of_many_who_claim_at_once_one_gets_the_job(leases, due, settings, admin):
    async with open_database(settings.database, name="replica") as other:
        replicas = [leases, Leases(other)]
        for _ in range(20):
            runs = await asyncio.gather(*(replica.claim(due.job) for replica in replicas * 3))
            [run] = [run for run in runs if run]
            assert await leases.succeed(run)
            await admin.execute("UPDATE jobs SET due_at = now()")


async def test_who_comes_second_to_a_job_does_not_get_it(leases, due, admin, becomes):
    """The claim of the first is not committed yet when the second one asks."""
    async with admin.transaction():
        await admin.execute("UPDATE jobs SET leased_until = now() + interval '1 min'")
        second = asyncio.create_task(leases.claim(due.job))
        waiting = (
            "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        await becomes(lambda: admin.fetchval(waiting))
    assert await second is None


async def test_a_lease_outlasts_the_time_limit_of_its_job_a_little(leases, due, row):
    await claimed(leases, due)
    held = await row()
    assert (
        timedelta(minutes=5, seconds=29) < held["leased_until"] - held["started_at"] < timedelta(minutes=5, seconds=31)
    )


async def test_a_success_is_recorded_and_the_next_one_is_due_on_the_grid(leases, purging, row, admin):
    hourly = purging(HOUR)
    await leases.register([hourly.job])
    await admin.execute("UPDATE jobs SET failures = 3, last_error = 'OSError', due_at = now() - interval '7 days'")
    assert await leases.succeed(await claimed(leases, hourly))
    done = await row()
    assert (done["leased_until"], done["failures"], done["last_error"]) == (None, 0, None)
    assert done["started_at"] < done["succeeded_at"]
    # A week of missed hours was one run: the next is due at the full hour.
    assert (done["due_at"].minute, done["due_at"].second, done["due_at"].microsecond) == (0, 0, 0)
    assert done["succeeded_at"] < done["due_at"] <= done["succeeded_at"] + HOUR


@pytest.mark.parametrize(("failures_before", "backoff_s"), [(0, 10), (1, 20), (5, 320), (9, 3600), (500, 3600)])
async def test_a_failure_is_tried_again_later_each_time(leases, purging, admin, row, failures_before, backoff_s):
    monthly = purging(timedelta(days=30))
    await leases.register([monthly.job])
    await admin.execute("UPDATE jobs SET due_at = now(), failures = $1", failures_before)
    run = await claimed(leases, monthly)
    before = await admin.fetchval("SELECT now()")
    assert await leases.fail(run, OSError("canary-secret"))
    failed = await row()
    assert failed["due_at"] - before >= timedelta(seconds=backoff_s / 2)
    assert failed["due_in"] <= timedelta(seconds=backoff_s)
    assert (failed["failures"], failed["last_error"]) == (failures_before + 1, "OSError")
    assert (failed["leased_until"], failed["succeeded_at"]) == (None, None)


async def test_a_failure_is_tried_again_at_the_next_time_at_the_latest(leases, purging, admin, row):
    frequent = purging(timedelta(seconds=1))
    await leases.register([frequent.job])
    await admin.execute("UPDATE jobs SET due_at = now(), failures = 10")
    assert await leases.fail(await claimed(leases, frequent), OSError())
    assert (await row())["due_in"] <= timedelta(seconds=1)


async def test_a_run_that_is_given_back_has_not_been(leases, due, row):
    assert await leases.give_back(await claimed(leases, due))
    left = await row()
    assert (left["leased_until"], left["failures"], left["last_error"]) == (None, 0, None)
    await claimed(leases, due)


async def test_an_abandoned_job_is_taken_over_by_one_and_counts_as_failed(leases, due, admin, row):
    await claimed(leases, due)
    assert await leases.claim(due.job) is None
    await admin.execute(RUN_OUT)
    runs = await asyncio.gather(*(leases.claim(due.job) for _ in range(5)))
    [run] = [run for run in runs if run]
    assert run.failures == 1
    left = await row()
    assert (left["failures"], left["last_error"]) == (1, "Abandoned")


@pytest.mark.parametrize("end", ["succeed", "fail", "give_back"])
async def test_a_run_that_was_taken_over_has_nothing_to_say(leases, due, admin, row, end):
    slow = await claimed(leases, due)
    await admin.execute(RUN_OUT)
    quick = await claimed(leases, due)
    before = await row()
    arguments = [OSError()] if end == "fail" else []
    assert not await getattr(leases, end)(slow, *arguments)
    after = await row()
    kept = ("due_at", "leased_until", "started_at", "succeeded_at", "failures", "last_error")
    assert [after[name] for name in kept] == [before[name] for name in kept]
    assert await leases.succeed(quick)


async def test_a_lease_that_ran_out_counts_while_nobody_took_it_over(leases, due, admin):
    run = await claimed(leases, due)
    await admin.execute(RUN_OUT)
    assert await leases.succeed(run)


async def test_a_shorter_interval_takes_effect_at_once_and_a_row_is_kept_otherwise(leases, purging, admin, row):
    await leases.register([purging(timedelta(days=365)).job])
    await leases.register([purging(HOUR).job])
    sooner = await row()
    assert sooner["due_in"] <= HOUR
    await admin.execute("UPDATE jobs SET due_at = now() - interval '1 min', failures = 2")
    await leases.register([purging(HOUR).job])
    kept = await row()
    assert (kept["due_in"] < timedelta(0), kept["failures"]) == (True, 2)


async def test_the_state_says_whether_it_runs_and_how_long_to_wait(leases, due, admin):
    [state] = await leases.states([due.job])
    assert (state.running, state.wait_s <= 0, state.started_at) == (False, True, None)
    await claimed(leases, due)
    [state] = await leases.states([due.job])
    assert (state.running, 325 < state.wait_s <= 330, state.started_at is None) == (True, True, False)
    await admin.execute(f"{RUN_OUT}, due_at = now() + interval '20 s'")
    [state] = await leases.states([due.job])
    assert (state.running, 15 < state.wait_s <= 20) == (False, True)
