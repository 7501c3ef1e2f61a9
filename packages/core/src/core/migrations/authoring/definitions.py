"""Checks, keys, exclusions and indexes, compared by what PostgreSQL itself makes of them.

Alembic compares a check by its name, an index without its condition, and a primary key or an exclusion not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alembic.operations.ops import (
    AddConstraintOp,
    CreateIndexOp,
    DropConstraintOp,
    DropIndexOp,
    ExecuteSQLOp,
    MigrateOperation,
)
from sqlalchemy import CheckConstraint, Connection, Index, MetaData, Table, UniqueConstraint, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable

from core.migrations.authoring.changes import Change
from core.migrations.authoring.enums import creation, enums_of, quoted
from core.migrations.errors import MigrationError

INDEX, CHECK, UNIQUE, PRIMARY, EXCLUSION = "index", "check", "unique constraint", "primary key", "exclusion"
# What Alembic calls them where they are dropped.
TYPES = {CHECK: "check", UNIQUE: "unique", PRIMARY: "primary", EXCLUSION: None}
UNTOLD_BY_ALEMBIC = {PRIMARY, EXCLUSION}

# "Pretty", so that a definition names no schema which the search path finds anyway.
_DEFINITIONS = text("""
    SELECT relations.relname, kinds.name, constraints.conname,
        replace(pg_get_constraintdef(constraints.oid, true), ' NOT VALID', '')
    FROM pg_constraint AS constraints
    JOIN pg_class AS relations ON relations.oid = constraints.conrelid
    JOIN (VALUES ('c', 'check'), ('u', 'unique constraint'), ('p', 'primary key'), ('x', 'exclusion'))
        AS kinds (code, name) ON kinds.code = constraints.contype::text
    WHERE relations.relnamespace = to_regnamespace(:namespace)
    UNION ALL
    SELECT relations.relname, 'index', indexes.relname, pg_get_indexdef(indexes.oid, 0, true)
    FROM pg_index AS entries
    JOIN pg_class AS indexes ON indexes.oid = entries.indexrelid
    JOIN pg_class AS relations ON relations.oid = entries.indrelid
    WHERE relations.relnamespace = to_regnamespace(:namespace)
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexes.oid AND contype IN ('p', 'u', 'x'))
""")


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What has a definition; a table has one primary key, whatever its name."""

    table: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Definition:
    """What PostgreSQL says of it, and what it is called."""

    name: str
    text: str


Definitions = Mapping[Key, Definition]


def with_definitions(connection: Connection, metadata: Sequence[MetaData], found: Sequence[Change]) -> list[Change]:
    """What Alembic has found, but what is on both sides differs where PostgreSQL says so, and only there.

    Raises:
        MigrationError: PostgreSQL refuses the models.
    """
    stored = _definitions(connection, connection.scalar(text("SELECT current_schema()")))
    present = set(connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")))
    tables = {table.name: table for each in metadata for table in each.tables.values() if table.name in present}
    wanted = _made_of(connection, metadata, list(tables.values()))
    both = {key for key in wanted if key in stored}
    ours = both | {key for key in {**wanted, **stored} if key.table in tables and key.kind in UNTOLD_BY_ALEMBIC}
    differing = sorted(key for key in ours if _text(wanted, key) != _text(stored, key))
    known = {(key.table, key.name) for key in both}
    return [
        # What is gone comes first: a column that is dropped takes its constraints along.
        *(_removed(key, wanted, stored) for key in differing if key in stored),
        *(each for each in found if (each.table, _name_in(each.operation)) not in known),
        *(_added(tables[key.table], key, wanted, stored) for key in differing if key in wanted),
    ]


def _text(definitions: Definitions, key: Key) -> str | None:
    return definitions[key].text if key in definitions else None


def _name_in(operation: Any) -> str | None:
    name = getattr(operation, "constraint_name", None) or getattr(operation, "index_name", None)
    return None if name is None else str(name)


def _told(key: Key, wanted: Definitions, stored: Definitions) -> str:
    what = f"{key.kind} {(wanted.get(key) or stored[key]).name}"
    if key in wanted and key in stored:
        return f"{what} is {wanted[key].text} in the models and {stored[key].text} in the schema"
    there, absent = ("models", "schema") if key in wanted else ("schema", "models")
    return f"{what} is in the {there} and not in the {absent}"


def _removed(key: Key, wanted: Definitions, stored: Definitions) -> Change:
    definition, sentence = stored[key], "" if key in wanted else _told(key, wanted, stored)
    if key.kind == INDEX:
        return Change(key.table, DropIndexOp(definition.name, key.table), sentence)
    return Change(key.table, DropConstraintOp(definition.name, key.table, TYPES[key.kind]), sentence)


def _added(table: Table, key: Key, wanted: Definitions, stored: Definitions) -> Change:
    definition, sentence = wanted[key], _told(key, wanted, stored)
    item = next((each for each in (*table.indexes, *table.constraints) if str(each.name) == definition.name), None)
    operation: MigrateOperation
    if isinstance(item, Index):
        operation = CreateIndexOp.from_index(item)
    elif isinstance(item, CheckConstraint | UniqueConstraint):
        operation = AddConstraintOp.from_constraint(item)
    else:
        constraint = f"ADD CONSTRAINT {quoted(definition.name)} {definition.text}"
        operation = ExecuteSQLOp(f"ALTER TABLE {quoted(key.table)} {constraint}")
    return Change(key.table, operation, sentence)


def _definitions(connection: Connection, namespace: str | None) -> dict[Key, Definition]:
    rows = connection.execute(_DEFINITIONS, {"namespace": namespace})
    return {
        Key(table, kind, "" if kind == PRIMARY else name): Definition(name, definition)
        for table, kind, name, definition in rows
    }


def _made_of(connection: Connection, metadata: Sequence[MetaData], tables: Sequence[Table]) -> dict[Key, Definition]:
    """What PostgreSQL makes of the models: as temporary tables, of which nothing stays."""
    attempt = connection.begin_nested()
    try:
        path = connection.scalar(text("SHOW search_path"))
        connection.exec_driver_sql(f"SET LOCAL search_path = pg_temp, {path}")
        for name, labels in enums_of(metadata).items():
            connection.exec_driver_sql(creation(name, labels))
        for table in tables:
            _make(connection, table)
        namespace = connection.scalar(text("SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()"))
        return _definitions(connection, namespace)
    except DBAPIError as refused:
        raise MigrationError(refusal(refused)) from refused
    finally:
        attempt.rollback()


def _make(connection: Connection, table: Table) -> None:
    connection.execute(CreateTable(table, include_foreign_key_constraints=[]))
    for index in table.indexes:
        connection.execute(CreateIndex(index))


def refusal(refused: DBAPIError) -> str:
    """What PostgreSQL says of models that it does not take."""
    return f"PostgreSQL refuses the models: {refused.orig}"
