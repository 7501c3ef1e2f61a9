"""Alembic, used as a library: it is given a connection and leaves nothing behind in the process.

Its usual way in (`env.py`, `from alembic import op, context`) keeps the running migration in module globals, which two
services that migrate in one process at the same time would share. Here `upgrade(op)` receives what it works with.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import Script
from alembic.script.revision import RevisionMap
from alembic.util import load_python_file
from sqlalchemy import Connection

from core.migrations.errors import MigrationError


class Scripts:
    """The migrations of one folder, loaded.

    Raises:
        MigrationError: a file does not follow the one before it.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.names = names
        self._folder = folder
        self._scripts = _load(folder, names)

    def upgrade(self, connection: Connection) -> None:
        """Applies what this database has not seen, each migration in a transaction of its own."""
        context = MigrationContext.configure(connection, opts={"fn": self._steps, "transaction_per_migration": True})
        with context.begin_transaction():
            context.run_migrations(op=Operations(context))

    def _steps(self, current: tuple[str, ...], _: MigrationContext) -> list[MigrationStep]:
        known = RevisionMap(lambda: self._scripts)
        newest_first: Any = list(known.iterate_revisions(self.names[-1], current, implicit_base=True))
        return [MigrationStep.upgrade_from_script(known, script) for script in reversed(newest_first)]


def _load(folder: Path, names: Sequence[str]) -> list[Script]:
    """What the files say of themselves must be what their names say, because the head is read from names alone."""
    scripts: list[Script] = []
    before = None
    for name in names:
        module = load_python_file(folder, f"{name}.py")
        if (getattr(module, "revision", None), getattr(module, "down_revision", None)) != (name, before):
            raise MigrationError(f"{name}.py must say: revision = {name!r} and down_revision = {before!r}")
        scripts.append(Script(module, name, folder / f"{name}.py"))
        before = name
    return scripts
