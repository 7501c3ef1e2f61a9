"""One meaning of "the database cannot be reached", whichever pool noticed it."""

import asyncpg
from sqlalchemy.engine import ExceptionContext

from core.errors import Unavailable

# What asyncpg raises when a server is away (OSError, which TimeoutError is too), starting, stopping or full, when it
# lets nobody in, or when a statement exceeds its time-out.
OUTAGES: tuple[type[Exception], ...] = (
    OSError,
    asyncpg.InterfaceError,
    # A statement met the server's farewell: the connection is about to close.
    asyncpg.InternalClientError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
)
# What it raises for a statement when the server has closed the connection, which was well when it was last used.
LOST: tuple[type[Exception], ...] = (
    BrokenPipeError,
    ConnectionResetError,
    asyncpg.InternalClientError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached right now."""

    code = "database_unavailable"


class DatabaseTooSlow(DatabaseUnavailable):
    """The database took too long to answer."""

    code = "database_too_slow"


# Class 08: connection exceptions; 53: no more connections or memory; 57: shut down, starting, cancelled by time-out
# (PostgreSQL, appendix A).
_OUTAGE_CLASSES = ("08", "53", "57")
_QUERY_CANCELED = "57014"


def tell_outage(context: ExceptionContext) -> None:
    """Tells SQLAlchemy's callers of a server that went away, rather than refused a statement.

    Raises:
        DatabaseUnavailable: it did; a connection that is lost is discarded.
    """
    failed = context.original_exception
    if not isinstance(failed, Exception):
        # A statement that was cancelled: SQLAlchemy discards its connection, but the server is well.
        return
    # SQLAlchemy's own type of each error of asyncpg has that error as its cause.
    lost = context.is_disconnect or isinstance(failed.__cause__, asyncpg.InternalClientError)
    if lost or (_sqlstate(failed) or "").startswith(_OUTAGE_CLASSES):
        raise outage(failed) from failed


def outage(failed: Exception) -> DatabaseUnavailable:
    """What an outage is to its caller. What a time-out cancelled has changed nothing: 503 and not 504."""
    return DatabaseTooSlow() if _sqlstate(failed) == _QUERY_CANCELED else DatabaseUnavailable()


def _sqlstate(failed: Exception) -> str | None:
    return getattr(failed, "sqlstate", None)
