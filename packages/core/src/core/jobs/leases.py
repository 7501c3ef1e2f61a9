"""Whose turn a job is: one row a job, leased for one run, by the database's clock alone.

A lease is taken and ended in short transactions of their own, so that a job runs with none open, and nothing depends
on the session of a connection (PgBouncer may pool transactions). A run whose lease ran out can be taken over; the
instant at which each run started tells it from the next, so that who was taken over can record nothing any more.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Float, Text, bindparam, case, cast, extract, func, literal, or_, select, update
from sqlalchemy import any_ as any_of
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.sql.dml import ReturningUpdate

from core.backoff import backoff_s
from core.cancellation import settled
from core.database import Database, DatabaseUnavailable, Query, UtcDateTime
from core.jobs.schedule import Job
from core.jobs.tables import jobs

# Beyond the job's own time limit: enough to be cancelled, to clean up, and to say how it ended.
LEASE_MARGIN = timedelta(seconds=30)
BACKOFF_S_MIN, BACKOFF_S_MAX = 10, 3600
# What stands in for the failure of a process that did not live to tell.
ABANDONED = "Abandoned"
_EPOCH = literal(datetime(1970, 1, 1, tzinfo=UTC), UtcDateTime)


class JobState(BaseModel):
    """What the database knows of a job."""

    name: str
    due_at: datetime
    started_at: datetime | None
    succeeded_at: datetime | None
    # In a row, since the last success.
    failures: int
    last_error: str | None
    running: bool
    # Until it can be claimed; 0 or less: now.
    wait_s: float


_STATES = Query(
    select(
        jobs.c.name,
        jobs.c.due_at,
        jobs.c.started_at,
        jobs.c.succeeded_at,
        jobs.c.failures,
        jobs.c.last_error,
        func.coalesce(jobs.c.leased_until > func.now(), literal(False)).label("running"),  # noqa: FBT003 - SQL's false
        cast(extract("epoch", func.greatest(jobs.c.due_at, jobs.c.leased_until) - func.now()), Float(53)).label(
            "wait_s"
        ),
    )
    .where(jobs.c.name == any_of(bindparam("names", type_=ARRAY(Text))))
    .order_by(jobs.c.name),
    JobState,
)


@dataclass(frozen=True, slots=True)
class Run:
    """A job that is the caller's to run, once; `failures` are those in a row before it."""

    job: Job
    started_at: datetime
    failures: int


@dataclass(frozen=True, slots=True)
class Leases:
    """The leases on the jobs of one service."""

    database: Database

    async def register(self, declared: Sequence[Job]) -> None:
        """Gives each job its row, due at its next time; one whose interval became shorter is due sooner."""
        async with self.database.transaction() as session:
            # By name: two replicas that lock rows in one order never wait for each other in a circle.
            for job in sorted(declared, key=lambda job: job.name):
                row = insert(jobs).values(name=job.name, due_at=_next_due(job))
                sooner = {"due_at": row.excluded.due_at}
                later_than_that = jobs.c.due_at > row.excluded.due_at
                await session.execute(
                    row.on_conflict_do_update(index_elements=["name"], set_=sooner, where=later_than_that)
                )

    async def states(self, declared: Sequence[Job]) -> list[JobState]:
        """The state of each job that has its row."""
        return await self.database.reads.all(_STATES, names=[job.name for job in declared])

    async def claim(self, job: Job, *, early: bool = False) -> Run | None:
        """Takes the job for one run, if it is due (or `early`) and nobody holds it."""
        run = None
        try:
            async with self.database.transaction() as session:
                row = (await session.execute(_claim_of(job, early=early))).one_or_none()
                run = None if row is None else Run(job, row.started_at, row.failures)
        except asyncio.CancelledError:
            # The COMMIT may have come first: what nobody runs must not wait for its lease to run out.
            if run is not None:
                with suppress(DatabaseUnavailable):
                    await settled(self.give_back(run))
            raise
        return run

    async def succeed(self, run: Run) -> bool:
        """Records a success, unless the run was taken over."""
        done = {"succeeded_at": func.clock_timestamp(), "failures": 0, "last_error": None}
        return await self._end(run, due_at=_next_due(run.job), **done)

    async def fail(self, run: Run, failure: BaseException) -> bool:
        """Records a failure, unless the run was taken over; the job is due again soon, and at its next time at last."""
        failures = run.failures + 1
        pause = timedelta(seconds=backoff_s(failures, first_s=BACKOFF_S_MIN, max_s=BACKOFF_S_MAX))
        again_at = func.clock_timestamp() + pause
        # The type alone: the text of an exception may quote what nobody should store.
        told = {"failures": failures, "last_error": type(failure).__name__}
        return await self._end(run, due_at=func.least(again_at, _next_due(run.job)), **told)

    async def give_back(self, run: Run) -> bool:
        """Ends the run as if it had not been, unless it was taken over: the next replica need not wait."""
        return await self._end(run)

    async def _end(self, run: Run, **values: Any) -> bool:
        mine = (jobs.c.name == run.job.name, jobs.c.started_at == run.started_at)
        ended = update(jobs).where(*mine).values(leased_until=None, **values).returning(jobs.c.name)
        async with self.database.transaction() as session:
            return await session.scalar(ended) is not None


def _claim_of(job: Job, *, early: bool) -> ReturningUpdate[datetime, int]:
    is_free = or_(jobs.c.leased_until.is_(None), jobs.c.leased_until < func.now())
    is_due = literal(True) if early else jobs.c.due_at <= func.now()  # noqa: FBT003 - SQL's true
    was_abandoned = jobs.c.leased_until.is_not(None)
    return (
        update(jobs)
        .where(jobs.c.name == job.name, is_free, is_due)
        .values(
            # Not now(), which stands still while a transaction waits: no two runs may have started at once.
            leased_until=func.clock_timestamp() + (job.timeout + LEASE_MARGIN),
            started_at=func.clock_timestamp(),
            failures=case((was_abandoned, jobs.c.failures + 1), else_=jobs.c.failures),
            last_error=case((was_abandoned, ABANDONED), else_=jobs.c.last_error),
        )
        .returning(jobs.c.started_at, jobs.c.failures)
    )


def _next_due(job: Job) -> ColumnElement[datetime]:
    """The next multiple of the interval: it does not drift, however late or often a job runs."""
    interval = literal(job.interval)
    return func.date_bin(interval, func.clock_timestamp(), _EPOCH) + interval
