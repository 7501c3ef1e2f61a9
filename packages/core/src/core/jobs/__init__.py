"""Periodic work: each job runs once an interval, however many replicas there are."""

from core.jobs.leases import JobState, Leases, Run
from core.jobs.runner import Outcome, Runner
from core.jobs.schedule import Job, Jobs, ScheduleError, scheduled
from core.jobs.tables import jobs_metadata

__all__ = [
    "Job",
    "JobState",
    "Jobs",
    "Leases",
    "Outcome",
    "Run",
    "Runner",
    "ScheduleError",
    "jobs_metadata",
    "scheduled",
]
