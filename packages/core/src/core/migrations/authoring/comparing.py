"""What models and schema differ in: what Alembic compares, and what it does not."""

import warnings
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from alembic.autogenerate import produce_migrations
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import (
    CreateForeignKeyOp,
    DropColumnOp,
    DropConstraintOp,
    DropTableOp,
    MigrateOperation,
    ModifyTableOps,
)
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import DBAPIError, SAWarning
from sqlalchemy.schema import sort_tables_and_constraints
from sqlalchemy.types import TypeDecorator

from core.migrations.authoring.changes import Change, change_of
from core.migrations.authoring.definitions import refusal, with_definitions
from core.migrations.authoring.enums import type_changes, without_creation
from core.migrations.errors import MigrationError

# How Alembic writes Python, with the names that a migration imports.
RENDERING = {"sqlalchemy_module_prefix": "sa.", "alembic_module_prefix": "op.", "user_module_prefix": None}
# Alembic compares types, nullability, keys and indexes unasked; defaults and named checks only if it is told to.
COMPARING = {
    "compare_server_default": True,
    "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
}
# Alembic finds these by way of sets.
_UNORDERED = {CreateForeignKeyOp, DropColumnOp, DropConstraintOp, DropTableOp}


def compare(connection: Connection, metadata: Sequence[MetaData]) -> tuple[list[Change], AutogenContext]:
    """What leads from the schema to the models, and what renders it.

    Raises:
        MigrationError: PostgreSQL refuses the models.
    """
    context = MigrationContext.configure(connection, opts={**COMPARING, **RENDERING})
    # A sequence is what it takes, whatever its annotation says.
    wanted: Any = [_as_stored(each, connection) for each in metadata]
    try:
        with warnings.catch_warnings():
            # SQLAlchemy 2.1 takes what it reads of a check that is NOT VALID for arguments of other dialects.
            warnings.filterwarnings("ignore", "Can't validate argument '(not_valid|dialect_options)'", SAWarning)
            found = produce_migrations(context, wanted)
    except DBAPIError as refused:
        raise MigrationError(refusal(refused)) from refused
    operations = [] if found.upgrade_ops is None else found.upgrade_ops.ops
    found_by_alembic = [change_of(each) for each in _essential(_flat(operations))]
    changes = [*type_changes(connection, wanted), *with_definitions(connection, wanted, found_by_alembic)]
    return changes, AutogenContext(context, metadata=wanted)


def _as_stored(metadata: MetaData, connection: Connection) -> MetaData:
    """A copy whose columns have PostgreSQL's own types: a migration must not change when the code of a type does."""
    copy = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.tables.values():
        for column in table.to_metadata(copy).columns:
            if isinstance(column.type, TypeDecorator):
                column.type = column.type.load_dialect_impl(connection.dialect)
            column.type = without_creation(column.type)
    for index in (index for table in copy.tables.values() for index in table.indexes):
        # Not inside of the transaction that a migration is: whoever wants it writes it.
        if "postgresql_concurrently" in set(index.dialect_kwargs):
            del index.dialect_kwargs["postgresql_concurrently"]
    # A foreign key that closes a circle can only be made when all of its tables are there.
    for table, constraints in sort_tables_and_constraints(copy.tables.values()):
        if table is None:
            for constraint in constraints:
                constraint.use_alter = constraint.referred_table is not constraint.table
    return copy


def _flat(operations: Iterable[MigrateOperation]) -> Iterable[MigrateOperation]:
    for each in operations:
        if isinstance(each, ModifyTableOps):
            yield from each.ops
        else:
            yield each


def _essential(operations: Iterable[MigrateOperation]) -> list[MigrateOperation]:
    """Without what goes with a table that is dropped, and in one order each time."""
    listed = list(operations)
    gone = {each.table_name for each in listed if isinstance(each, DropTableOp)}
    kept = [each for each in listed if isinstance(each, DropTableOp) or change_of(each).table not in gone]
    runs = ((kind, list(run)) for kind, run in groupby(kept, type))
    return [each for kind, run in runs for each in (sorted(run, key=_name) if kind in _UNORDERED else run)]


def _name(operation: Any) -> str:
    return str(getattr(operation, "constraint_name", None) or getattr(operation, "column_name", operation.table_name))
