"""Alembic, used as a library: it is given a connection and leaves nothing behind in the process.

Its usual way in (`env.py`, `from alembic import op, context`) keeps the running migration in module globals, which two
services that migrate in one process at the same time would share. Here `upgrade(op)` receives what it works with.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.autogenerate import produce_migrations, render_op_text
from alembic.autogenerate.api import AutogenContext
from alembic.operations import Operations
from alembic.operations.ops import MigrateOperation, ModifyTableOps
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionMap
from alembic.util import load_python_file
from sqlalchemy import Connection, MetaData
from sqlalchemy.types import TypeDecorator

from core.migrations.errors import MigrationError

TEMPLATE_FOLDER = Path(__file__).parent
# How Alembic writes Python, with the names that script.py.mako imports.
RENDERING = {"sqlalchemy_module_prefix": "sa.", "alembic_module_prefix": "op.", "user_module_prefix": None}
# Alembic compares types, nullability, keys and indexes unasked; defaults and named checks only if it is told to.
COMPARING = {
    "compare_server_default": True,
    "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
}


@dataclass(frozen=True, slots=True)
class Body:
    """The Python of a migration."""

    lines: Sequence[str]
    imports: Sequence[str]


class Scripts:
    """The migrations of one folder, loaded.

    Raises:
        MigrationError: a file does not follow the one before it.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.names = names
        self._folder = folder
        self._scripts = _load(folder, names)

    def upgrade(self, connection: Connection) -> list[str]:
        """Applies what this database has not seen, and gives the names."""
        applied: list[str] = []

        def remember(*, step: Any, **_: Any) -> None:
            applied.append(step.up_revision_id)

        options = {"fn": self._steps, "transaction_per_migration": True, "on_version_apply": [remember]}
        context = MigrationContext.configure(connection, opts=options)
        with context.begin_transaction():
            context.run_migrations(op=Operations(context))
        return applied

    def differences(self, connection: Connection, metadata: Sequence[MetaData]) -> list[str]:
        """What would have to be done, a line each."""
        operations, context = _compare(connection, metadata)
        return [" ".join(render_op_text(context, each).split()) for each in _flat(operations)]

    def body(self, connection: Connection, metadata: Sequence[MetaData]) -> Body:
        """What the next migration would have to say."""
        operations, context = _compare(connection, metadata)
        lines = [line for each in operations for line in render_op_text(context, each).splitlines()]
        return Body(lines, sorted(context.imports))

    def write(self, name: str, message: str, body: Body) -> Path:
        """Writes the migration `name` and gives its path; blocking."""
        directory = ScriptDirectory(
            TEMPLATE_FOLDER, file_template="%(rev)s", version_locations=[self._folder], messaging_opts={"quiet": True}
        )
        directory.generate_revision(
            name,
            # It becomes a docstring.
            " ".join(message.split()).replace("\\", "").replace('"', "'").rstrip(".").capitalize(),
            lines=body.lines,
            imports=body.imports,
        )
        return self._folder / f"{name}.py"

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


def _compare(connection: Connection, metadata: Sequence[MetaData]) -> tuple[list[MigrateOperation], AutogenContext]:
    """What leads from the schema to the models, and what renders it."""
    context = MigrationContext.configure(connection, opts={**COMPARING, **RENDERING})
    # A sequence is what it takes, whatever its annotation says.
    wanted: Any = [_as_stored(each, connection) for each in metadata]
    found = produce_migrations(context, wanted)
    operations = [] if found.upgrade_ops is None else list(found.upgrade_ops.ops)
    return operations, AutogenContext(context, metadata=wanted)


def _as_stored(metadata: MetaData, connection: Connection) -> MetaData:
    """A copy whose columns have PostgreSQL's own types: a migration must not change when the code of a type does."""
    copy = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.tables.values():
        for column in table.to_metadata(copy).columns:
            if isinstance(column.type, TypeDecorator):
                column.type = column.type.load_dialect_impl(connection.dialect)
    return copy


def _flat(operations: Iterable[MigrateOperation]) -> Iterable[MigrateOperation]:
    for each in operations:
        if isinstance(each, ModifyTableOps):
            yield from each.ops
        else:
            yield each
