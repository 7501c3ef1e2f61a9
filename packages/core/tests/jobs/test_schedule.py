"""What may be declared as a job, and how what may not is refused."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from core.application import service as make_service
from core.jobs import Jobs, ScheduleError

HOUR = timedelta(hours=1)


async def purge(_resources: object) -> None: ...


def test_a_job_is_called_like_its_function_unless_it_has_a_name():
    jobs = Jobs()
    assert jobs.every(HOUR)(purge) is purge
    jobs.every(HOUR, name="purge-more", timeout=timedelta(seconds=2))(purge)
    assert [(job.name, job.interval, job.timeout, job.work) for job in jobs.declared] == [
        ("purge", HOUR, timedelta(minutes=5), purge),
        ("purge-more", HOUR, timedelta(seconds=2), purge),
    ]


def test_the_shortest_interval_is_a_second():
    Jobs().every(timedelta(seconds=1))(purge)
    with pytest.raises(ScheduleError) as refused:
        Jobs().every(timedelta(milliseconds=999))(purge)
    assert str(refused.value) == "The job purge has an interval of 0:00:00.999000; one second is the least."


@pytest.mark.parametrize("timeout", [timedelta(0), timedelta(seconds=-1)], ids=str)
def test_a_job_without_time_is_refused(timeout):
    with pytest.raises(ScheduleError, match=r"The job purge has a time limit of .*; it must be more than 0\."):
        Jobs().every(HOUR, timeout=timeout)(purge)


def test_a_function_that_is_not_async_is_refused():
    def blocking(_resources: object) -> None: ...

    misdeclared: Any = blocking
    with pytest.raises(ScheduleError, match=r"The job blocking is no async function: \S+\.blocking\."):
        Jobs().every(HOUR)(misdeclared)


def test_a_name_that_is_taken_in_its_slice_is_refused():
    jobs = Jobs()
    jobs.every(HOUR)(purge)
    with pytest.raises(ScheduleError, match=r"Two jobs are called purge: \S+\.purge and \S+\.purge\."):
        jobs.every(HOUR)(purge)


@pytest.mark.parametrize("name", ["purge", "forget_idempotency_keys"])
async def test_a_name_that_is_taken_by_another_slice_or_by_the_chassis_is_refused(settings, ports, name):
    first, second = Jobs(), Jobs()
    first.every(HOUR)(purge)
    second.every(HOUR, name=name)(purge)
    with pytest.raises(ScheduleError, match=f"Two jobs are called {name}: "):
        await asyncio.to_thread(make_service, "example", settings, ports, routers=[], jobs=[first, second])
