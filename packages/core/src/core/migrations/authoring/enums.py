"""PostgreSQL's enum types, which Alembic creates with a table, but neither with a column, nor twice, nor compares."""

from collections.abc import Iterator, Sequence
from typing import Any

from alembic.operations.ops import ExecuteSQLOp
from sqlalchemy import Connection, Enum, MetaData, String, inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, ENUM
from sqlalchemy.types import TypeEngine

from core.migrations.authoring.changes import Change

Labels = tuple[str, ...]

_DIALECT = postgresql.dialect()


def without_creation(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type as a column has it that does not create it: `type_changes` does, once."""
    if isinstance(type_, ARRAY):
        return ARRAY(without_creation(type_.item_type), dimensions=type_.dimensions)
    if isinstance(type_, Enum) and type_.native_enum:
        return ENUM(*type_.enums, name=type_.name, create_type=False)
    return type_


def type_changes(connection: Connection, metadata: Sequence[MetaData]) -> list[Change]:
    """What makes the types that the models' columns need; a type that none needs any more is in nobody's way."""
    inspector: Any = inspect(connection)
    stored = {each["name"]: tuple(each["labels"]) for each in inspector.get_enums()}
    wanted = enums_of(metadata)
    changes = [_created(name, labels) for name, labels in wanted.items() if name not in stored]
    for name in (each for each in wanted if each in stored):
        changes += _altered(name, wanted[name], stored[name])
    return changes


def enums_of(metadata: Sequence[MetaData]) -> dict[str, Labels]:
    """The enum types of the models, by name."""
    columns = [column for each in metadata for table in each.tables.values() for column in table.columns]
    types = [column.type.item_type if isinstance(column.type, ARRAY) else column.type for column in columns]
    return {str(each.name): tuple(each.enums) for each in types if isinstance(each, ENUM)}


def creation(name: str, labels: Labels) -> str:
    """The statement that makes a type."""
    return f"CREATE TYPE {quoted(name)} AS ENUM ({', '.join(map(_literal, labels))})"


def _created(name: str, labels: Labels) -> Change:
    statement = ExecuteSQLOp(creation(name, labels))
    return Change(None, statement, f"type {name} is in the models and not in the schema")


def _altered(name: str, wanted: Labels, stored: Labels) -> Iterator[Change]:
    labels = list(stored)
    for position, label in enumerate(wanted):
        if label not in stored:
            place = f" BEFORE {_literal(labels[position])}" if position < len(labels) else ""
            labels.insert(position, label)
            statement = ExecuteSQLOp(f"ALTER TYPE {quoted(name)} ADD VALUE {_literal(label)}{place}")
            yield Change(None, statement, f"type {name}: {label} is in the models and not in the schema")
    if tuple(labels) != wanted:
        sides = f"{', '.join(wanted)} in the models and {', '.join(stored)} in the schema"
        yield Change(None, None, f"type {name} is {sides}; PostgreSQL neither removes nor moves a label")


def quoted(name: str) -> str:
    """A name as a statement has it."""
    return _DIALECT.identifier_preparer.quote(name)


def _literal(label: str) -> str:
    return String().literal_processor(_DIALECT)(label)
