"""Which function runs how often: a table that a slice declares and the service's runner reads."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from inspect import iscoroutinefunction
from typing import Any

# The argument is the service's resources, whose room stands above this one.
Work = Callable[[Any], Awaitable[None]]

INTERVAL_MIN = timedelta(seconds=1)
TIMEOUT = timedelta(minutes=5)


class ScheduleError(Exception):
    """A job cannot be scheduled as it is declared; the text is one sentence that names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One periodic job; `name` is its row in the database, and so outlives its function."""

    name: str
    interval: timedelta
    timeout: timedelta
    work: Work


class Jobs:
    """The periodic jobs of one slice."""

    def __init__(self) -> None:
        self.declared: list[Job] = []

    def every(
        self, interval: timedelta, *, name: str | None = None, timeout: timedelta = TIMEOUT
    ) -> Callable[[Work], Work]:
        """The function runs once an `interval` over all replicas, with no transaction open.

        It is due at the multiples of `interval` since 1970-01-01T00:00Z by the database's clock: an hourly job on the
        hour. What fails is tried again, later each time, at its next due time at the latest; due times that pass while
        it runs, or while the service is down, make one run. A process that dies, or cannot reach the database, in the
        middle makes another run it anew, so the work must bear being begun twice.

        Args:
            interval: 1 s at least.
            name: What it is called in the database, in logs and metrics; the function's name unless given.
            timeout: How long a run may take before it is cancelled and has failed; also, with half a minute on top,
                how long a process that died holds it.

        Raises:
            ScheduleError: the interval or time limit is too short, the function is not async, or the name is taken.
        """

        def register(work: Work) -> Work:
            job = Job(name=name or work.__name__, interval=interval, timeout=timeout, work=work)
            _check(job)
            self.declared = scheduled([self.declared, [job]])
            return work

        return register


def scheduled(tables: Sequence[Sequence[Job]]) -> list[Job]:
    """The jobs of several tables as one.

    Raises:
        ScheduleError: two of them have one name: they would share a row, and one would never run.
    """
    by_name: dict[str, Job] = {}
    for job in (job for table in tables for job in table):
        if job.name in by_name:
            raise ScheduleError(f"Two jobs are called {job.name}: {_where(by_name[job.name])} and {_where(job)}.")
        by_name[job.name] = job
    return list(by_name.values())


def _check(job: Job) -> None:
    if not iscoroutinefunction(job.work):
        raise ScheduleError(f"The job {job.name} is no async function: {_where(job)}.")
    if job.interval < INTERVAL_MIN:
        raise ScheduleError(f"The job {job.name} has an interval of {job.interval}; one second is the least.")
    if job.timeout <= timedelta(0):
        raise ScheduleError(f"The job {job.name} has a time limit of {job.timeout}; it must be more than 0.")


def _where(job: Job) -> str:
    return f"{job.work.__module__}.{job.work.__qualname__}"
