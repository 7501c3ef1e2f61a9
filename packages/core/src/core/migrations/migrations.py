"""The migrations of one service, as its commands, its tests and the local host use them."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import MetaData

from core.migrations.applying import Patience, apply
from core.migrations.database import alone, current_name, open_connection
from core.migrations.errors import MigrationError
from core.migrations.versions import folder_of, is_name, names_in, number_of

if TYPE_CHECKING:
    from core.migrations.authoring.author import Author, Written
    from core.migrations.scripts import Scripts

# Whoever uses a table waits behind a migration that waits for it: no longer than a slow query, and then asked again.
LOCK_TIMEOUT_MS = 1_000
LOCK_WAIT_S = 60
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
    # The tables that core keeps in the same database.
    of_core: Sequence[MetaData] = ()

    def head(self) -> str | None:
        """The name of the last migration; reads the names of files, and blocks meanwhile.

        Raises:
            MigrationError: there is no one last migration.
        """
        names = self._names()
        return names[-1] if names else None

    def folder(self) -> Path:
        """Where the migrations are; blocking.

        Raises:
            MigrationError: the package has none.
        """
        return folder_of(self.package)

    async def current(self, url: str) -> str | None:
        """The name of the migration that the database is at, or None if it has seen none."""
        return await current_name(url)

    async def upgrade(
        self,
        url: str,
        *,
        lock_timeout_ms: int = LOCK_TIMEOUT_MS,
        lock_wait_s: float = LOCK_WAIT_S,
        wait_s: float = WAIT_S,
    ) -> list[str]:
        """Applies what the database has not seen, each migration in a transaction of its own; gives their names.

        Any number of processes may do this at once. A database that is ahead is left alone: this release runs on it.

        Raises:
            MigrationError: the database is at a migration that this code should know and does not, another process
                has been migrating it for `wait_s`, or others have held a lock that it needs for `lock_wait_s`.
        """
        names = await asyncio.to_thread(self._names)
        if not _is_behind(await current_name(url), names):
            return []
        scripts = await asyncio.to_thread(self._scripts, names)
        async with alone(url, wait_s=wait_s):
            # Another replica may have done it while this one waited.
            current = await current_name(url)
            if not _is_behind(current, names):
                return []
            await apply(url, scripts, Patience(lock_timeout_ms, lock_wait_s))
        return names if current is None else names[names.index(current) + 1 :]

    async def check(self, url: str) -> list[str]:
        """What models and schema differ in, a sentence each; empty: they are equal.

        Raises:
            MigrationError: the database is not at the last migration, or the files do not follow each other.
        """
        author = await self._author_at_head(url)
        async with open_connection(url, lock_timeout_ms=LOCK_TIMEOUT_MS) as connection:
            return await connection.run_sync(author.differences)

    async def new(self, url: str, message: str) -> "Written | None":
        """Writes the next migration, for a person to review, from what models and schema differ in; None: in nothing.

        Raises:
            MigrationError: the database is not at the last migration, the message names no migration, or the file
                cannot be written.
        """
        author = await self._author_at_head(url)
        blank = author.blank(message)
        async with open_connection(url, lock_timeout_ms=LOCK_TIMEOUT_MS) as connection:
            draft = await connection.run_sync(author.draft, blank)
        return None if draft is None else await asyncio.to_thread(author.write, draft)

    def new_by_hand(self, message: str) -> "Written":
        """Writes the next migration with nothing in it, for what moves data or what models do not know; blocking.

        Raises:
            MigrationError: the message names no migration, or the file cannot be written.
        """
        author = self._author(self._names())
        return author.write(author.blank(message))

    def _names(self) -> list[str]:
        return names_in(self.folder())

    def _scripts(self, names: Sequence[str]) -> "Scripts":
        # Nothing of Alembic is imported before there is something to do: most starts find the database up to date.
        from core.migrations.scripts import Scripts  # noqa: PLC0415 - that is what makes them fast

        return Scripts(self.folder(), names)

    def _author(self, names: Sequence[str]) -> "Author":
        from core.migrations.authoring.author import Author  # noqa: PLC0415 - as above

        return Author(self.folder(), names, self.metadata, self.of_core)

    async def _author_at_head(self, url: str) -> "Author":
        names = await asyncio.to_thread(self._names)
        # They are read for what they say of themselves.
        await asyncio.to_thread(self._scripts, names)
        current = await current_name(url)
        at, head = current or "no migration", names[-1] if names else "no migration"
        if _is_behind(current, names):
            raise MigrationError(f"the database is at {at}, the code at {head}: run {self.package} migrate first")
        if at != head:
            raise MigrationError(f"the database is at {at}, ahead of the code, which is at {head}")
        return await asyncio.to_thread(self._author, names)


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
