"""How migrations reach a database that others use: they never wait long for a lock, and ask again."""

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from core.migrations.database import open_connection
from core.migrations.errors import MigrationError

if TYPE_CHECKING:
    from core.migrations.scripts import Scripts

LOCK_NOT_AVAILABLE = "55P03"
# Others get their turn for twice as long as they were kept waiting.
PAUSES_A_TIMEOUT = 2

# One that is being built is locked by whoever builds it, and looked at again when that is over.
_INVALID = text("""
    SELECT indexes.oid::regclass::text AS name, entries.indrelid::regclass::text AS table
    FROM pg_index AS entries
    JOIN pg_class AS indexes ON indexes.oid = entries.indexrelid
    WHERE NOT entries.indisvalid AND indexes.relkind = 'i' AND indexes.relnamespace = current_schema()::regnamespace
    ORDER BY 1
""")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a statement waits for a lock, with all that comes later behind it, and how long it is tried again."""

    lock_timeout_ms: int
    lock_wait_s: float


async def apply(url: str, scripts: "Scripts", patience: Patience) -> None:
    """Applies what the database has not seen; whoever calls it is alone.

    Raises:
        MigrationError: others have held a lock for as long as there was patience.
    """
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + patience.lock_wait_s
    while True:
        try:
            async with open_connection(url, lock_timeout_ms=patience.lock_timeout_ms) as connection:
                await _drop_invalid_indexes(connection)
                await connection.run_sync(scripts.upgrade)
                return
        except DBAPIError as failed:
            if getattr(failed.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            if loop.time() >= ends_at:
                raise MigrationError(_given_up(failed, patience)) from failed
            _log.warning("migration_waits_for_a_lock", extra={"statement": _beginning(failed)})
        await asyncio.sleep(patience.lock_timeout_ms / 1_000 * PAUSES_A_TIMEOUT)


async def _drop_invalid_indexes(connection: AsyncConnection) -> None:
    """Drops what a `CREATE INDEX CONCURRENTLY` that failed has left, which nobody reads and every writer keeps up.

    So a migration that is asked again may say IF NOT EXISTS: what is there, is whole.
    """
    async with connection.begin():
        for _, table in await connection.execute(_INVALID):
            await connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE")
        for name, _ in await connection.execute(_INVALID):
            _log.warning("invalid_index_dropped", extra={"index": name})
            await connection.exec_driver_sql(f"DROP INDEX {name}")


def _given_up(failed: DBAPIError, patience: Patience) -> str:
    return (
        f"others have held a lock for {patience.lock_wait_s} s that this needs: {_beginning(failed)}. "
        "Everything before it is applied. Look for long transactions in pg_stat_activity, and migrate again."
    )


def _beginning(failed: DBAPIError) -> str:
    return " ".join(str(failed.statement).split())[:200]
