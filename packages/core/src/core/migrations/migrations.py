"""The migrations of one service, as its commands, its tests and the local host use them."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import MetaData

from core.migrations.database import alone, current_name, open_connection
from core.migrations.errors import MigrationError
from core.migrations.versions import folder_of, is_name, names_in, next_name, number_of

if TYPE_CHECKING:
    from core.migrations.scripts import Scripts

LOCK_TIMEOUT_MS = 5_000
WAIT_S = 120

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Migrations:
    """The package `<package>.migrations`, and the tables that it is to produce.

    There is no way back but forward: a mistake is undone by the next migration, because the release before this one
    runs on this schema too.
    """

    package: str
    metadata: Sequence[MetaData]

    def head(self) -> str | None:
        """The name of the last migration; reads the names of files, and blocks meanwhile.

        Raises:
            MigrationError: there is no one last migration.
        """
        names = self._names()
        return names[-1] if names else None

    async def current(self, url: str) -> str | None:
        """The name of the migration that the database is at, or None if it has seen none."""
        return await current_name(url)

    async def upgrade(self, url: str, *, lock_timeout_ms: int = LOCK_TIMEOUT_MS, wait_s: float = WAIT_S) -> list[str]:
        """Applies what the database has not seen, each migration in a transaction of its own; gives their names.

        Any number of processes may do this at once. A database that is ahead is left alone: this release runs on it.

        Raises:
            MigrationError: the database is at a migration that this code should know and does not, or another process
                has been migrating it for `wait_s`.
        """
        names = await asyncio.to_thread(self._names)
        if not _is_behind(await current_name(url), names):
            return []
        scripts = await asyncio.to_thread(self._scripts, names)
        async with alone(url, wait_s=wait_s):
            # Another replica may have done it while this one waited.
            if not _is_behind(await current_name(url), names):
                return []
            async with open_connection(url, lock_timeout_ms=lock_timeout_ms) as connection:
                return await connection.run_sync(scripts.upgrade)

    async def check(self, url: str) -> list[str]:
        """What a migration would have to do for schema and models to be equal, a line each; empty: they are.

        Raises:
            MigrationError: the database is not at the last migration, or the files do not follow each other.
        """
        scripts = await self._scripts_at_head(url)
        async with open_connection(url, lock_timeout_ms=LOCK_TIMEOUT_MS) as connection:
            return await connection.run_sync(scripts.differences, self.metadata)

    async def new(self, url: str, message: str) -> Path:
        """Writes the next migration from what models and schema differ in, to be read and corrected by a person.

        Raises:
            MigrationError: the database is not at the last migration, or the message says nothing.
        """
        scripts = await self._scripts_at_head(url)
        name = next_name(scripts.names, message)
        async with open_connection(url, lock_timeout_ms=LOCK_TIMEOUT_MS) as connection:
            body = await connection.run_sync(scripts.body, self.metadata)
        return await asyncio.to_thread(scripts.write, name, message, body)

    def _names(self) -> list[str]:
        return names_in(folder_of(self.package))

    def _scripts(self, names: Sequence[str]) -> "Scripts":
        # Nothing of Alembic is imported before there is something to do: most starts find the database up to date.
        from core.migrations.scripts import Scripts  # noqa: PLC0415 - that is what makes them fast

        return Scripts(folder_of(self.package), names)

    async def _scripts_at_head(self, url: str) -> "Scripts":
        names = await asyncio.to_thread(self._names)
        head = names[-1] if names else None
        current = await current_name(url)
        if current != head:
            raise MigrationError(f"the database is at {current}, the code at {head}: upgrade it first")
        return await asyncio.to_thread(self._scripts, names)


def _is_behind(current: str | None, names: Sequence[str]) -> bool:
    """Whether there is something to apply.

    Raises:
        MigrationError: nobody can tell.
    """
    if not names or current == names[-1]:
        return False
    if current is None or current in names:
        return True
    if is_name(current) and number_of(current) > number_of(names[-1]):
        _log.warning("database_is_ahead", extra={"current": current, "head": names[-1]})
        return False
    raise MigrationError(f"the database is at {current}, which this code does not know; its last is {names[-1]}")
