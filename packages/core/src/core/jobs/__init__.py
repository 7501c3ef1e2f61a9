"""Periodic work: each job runs once an interval, however many replicas there are."""

from core.jobs.tables import jobs_metadata

__all__ = ["jobs_metadata"]
