"""Runs the jobs of a service when they are due; any number of replicas may do so at once."""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from time import perf_counter
from typing import Any

import structlog
from opentelemetry.trace import Tracer

from core.cancellation import is_ending, settled
from core.database import Database, DatabaseUnavailable
from core.jobs.leases import JobState, Leases, Run
from core.jobs.schedule import Job
from core.jobs.spans import run_span, tell_outcome
from core.metrics import Metrics
from core.tracing import NO_TRACER

# How late a change that another process made to the table is noticed at most.
PAUSE_S_MAX = 30.0
PAUSE_IN_OUTAGE_S = 5.0
# Replicas that woke together would all ask for the same row.
JITTER_S_MAX = 0.5

log = structlog.get_logger("core.jobs")
_random = secrets.SystemRandom()


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    # Its process stops; the next replica runs it anew.
    GIVEN_BACK = "given_back"
    # It outlived its lease, and another replica runs it.
    TAKEN_OVER = "taken_over"
    # The database was away when it ended: it will run again, whatever it did.
    UNRECORDED = "unrecorded"


_LEVELS = {
    Outcome.SUCCEEDED: logging.INFO,
    Outcome.GIVEN_BACK: logging.INFO,
    Outcome.FAILED: logging.ERROR,
    Outcome.TAKEN_OVER: logging.WARNING,
    Outcome.UNRECORDED: logging.WARNING,
}


class Runner:
    """Runs the jobs of one service: one loop for all of them, asleep until the next is due."""

    def __init__(
        self, jobs: Sequence[Job], *, database: Database, metrics: Metrics, resources: Any, tracer: Tracer = NO_TRACER
    ) -> None:
        self._jobs = jobs
        self._leases = Leases(database)
        self._resources = resources
        self._tracer = tracer
        self._running: set[str] = set()
        self._awake = asyncio.Event()
        self._states: list[JobState] = []
        self._runs = metrics.counter("job_runs_total", "Runs of periodic jobs that ended here.", "job", "outcome")
        metrics.gauge(
            "job_last_success_timestamp_seconds",
            "When a periodic job last succeeded, on whichever replica.",
            self._last_successes,
            "job",
        )
        metrics.gauge("job_interval_seconds", "How often a periodic job is due.", self._intervals, "job")

    async def run(self) -> None:
        """Runs what is due, each job in a task of its own, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._awake.clear()
                try:
                    pause_s = await self._start_due(group)
                except DatabaseUnavailable as failed:
                    # Not the supervisor's, whose restart would cancel what runs.
                    log.warning("jobs wait for the database", cause=str(failed.__cause__))
                    pause_s = PAUSE_IN_OUTAGE_S
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s + _random.uniform(0, JITTER_S_MAX)):
                        await self._awake.wait()

    async def run_now(self, job: Job) -> Outcome | None:
        """Runs a job to its end, due or not; None if it runs elsewhere."""
        await self._leases.register([job])
        run = await self._leases.claim(job, early=True)
        return None if run is None else await self._execute(run)

    async def _start_due(self, group: asyncio.TaskGroup) -> float:
        """Starts what is due; gives how long nothing else will be, as far as can be known now."""
        if len(self._states) < len(self._jobs):
            await self._leases.register(self._jobs)
        self._states = await self._leases.states(self._jobs)
        waits_s = {state.name: state.wait_s for state in self._states if state.name not in self._running}
        for job in self._jobs:
            if waits_s.get(job.name, 1) <= 0 and (run := await self._leases.claim(job)) is not None:
                del waits_s[job.name]
                self._running.add(job.name)
                group.create_task(self._run_here(run), name=f"jobs: {job.name}")
        return min([PAUSE_S_MAX, *(max(wait_s, 0) for wait_s in waits_s.values())])

    async def _run_here(self, run: Run) -> None:
        try:
            await self._execute(run)
        finally:
            self._running.discard(run.job.name)
            self._awake.set()

    async def _execute(self, run: Run) -> Outcome:
        with run_span(self._tracer, run.job):
            began = perf_counter()
            failure = await self._failure_of(run)
            # To its end, whoever cancels: what is known by now must not be lost.
            return await settled(self._record(run, failure, duration_s=perf_counter() - began, stops=is_ending()))

    async def _failure_of(self, run: Run) -> BaseException | None:
        try:
            async with asyncio.timeout(run.job.timeout.total_seconds()):
                await run.job.work(self._resources)
        except (Exception, asyncio.CancelledError) as failure:  # noqa: BLE001 - recorded and logged, with its traceback
            return failure
        return None

    async def _record(self, run: Run, failure: BaseException | None, *, duration_s: float, stops: bool) -> Outcome:
        if failure is None:
            outcome, ending = Outcome.SUCCEEDED, self._leases.succeed(run)
        elif stops:
            outcome, ending, failure = Outcome.GIVEN_BACK, self._leases.give_back(run), None
        else:
            outcome, ending = Outcome.FAILED, self._leases.fail(run, failure)
        try:
            if not await ending:
                outcome = Outcome.TAKEN_OVER
        except DatabaseUnavailable:
            outcome = Outcome.UNRECORDED
        self._runs.add(job=run.job.name, outcome=outcome)
        tell_outcome(outcome, failure)
        duration_ms = round(duration_s * 1000, 1)
        log.log(
            _LEVELS[outcome], "job ran", job=run.job.name, outcome=outcome, duration_ms=duration_ms, exc_info=failure
        )
        return outcome

    def _intervals(self) -> dict[tuple[str, ...], float]:
        return {(job.name,): job.interval.total_seconds() for job in self._jobs}

    def _last_successes(self) -> dict[tuple[str, ...], float]:
        return {(state.name,): state.succeeded_at.timestamp() for state in self._states if state.succeeded_at}
