"""One meaning of "the database cannot be reached", whichever pool noticed it."""

import asyncpg
from sqlalchemy.exc import DBAPIError

from core.errors import Unavailable

# What asyncpg raises when a server is away, starting, stopping or full, or when a statement exceeds its time-out.
OUTAGES: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
)


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached right now."""

    code = "database_unavailable"


# Class 08: connection exceptions; 53: no more connections or memory; 57: shut down, starting, cancelled by time-out
# (PostgreSQL, appendix A).
def is_outage(failed: DBAPIError) -> bool:
    """Whether the server went away, rather than refused a statement."""
    state: str = getattr(failed.orig, "sqlstate", None) or ""
    return failed.connection_invalidated or state.startswith(("08", "53", "57"))
