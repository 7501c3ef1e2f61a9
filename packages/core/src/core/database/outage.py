"""One meaning of "the database cannot be reached", whichever pool noticed it."""

import asyncpg
from sqlalchemy.engine import ExceptionContext

from core.errors import Unavailable

# What asyncpg raises when a server is away (OSError, which TimeoutError is too), starting, stopping or full, when it
# lets nobody in, or when a statement exceeds its time-out.
OUTAGES: tuple[type[Exception], ...] = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
)


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached right now."""

    code = "database_unavailable"


# Class 08: connection exceptions; 53: no more connections or memory; 57: shut down, starting, cancelled by time-out
# (PostgreSQL, appendix A).
_OUTAGE_CLASSES = ("08", "53", "57")


def tell_outage(context: ExceptionContext) -> None:
    """Tells SQLAlchemy's callers of a server that went away, rather than refused a statement.

    Raises:
        DatabaseUnavailable: it did; a connection that is lost is discarded.
    """
    failed = context.original_exception
    if not isinstance(failed, Exception):
        # A statement that was cancelled: SQLAlchemy discards its connection, but the server is well.
        return
    if context.is_disconnect or (getattr(failed, "sqlstate", None) or "").startswith(_OUTAGE_CLASSES):
        raise DatabaseUnavailable from failed
