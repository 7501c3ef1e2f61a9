"""The table of periodic jobs, in every service's own database: one row a job, and whose turn it is."""

from sqlalchemy import Column, Integer, Table, Text, text

from core.database import UtcDateTime, metadata

jobs_metadata = metadata()

jobs = Table(
    "jobs",
    jobs_metadata,
    Column("name", Text, primary_key=True),
    Column("due_at", UtcDateTime, nullable=False),
    # The replica that runs it now; one that dies lets it run out.
    Column("leased_until", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("succeeded_at", UtcDateTime),
    # In a row, since the last success.
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
)
