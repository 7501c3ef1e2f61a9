"""What models and schema differ in, told to a person."""

from collections.abc import Iterator, Sequence
from typing import Any

from alembic.operations.ops import (
    AddColumnOp,
    AlterColumnOp,
    CreateCheckConstraintOp,
    CreateForeignKeyOp,
    CreateIndexOp,
    CreateTableCommentOp,
    CreateTableOp,
    CreateUniqueConstraintOp,
    DropColumnOp,
    DropConstraintOp,
    DropIndexOp,
    DropTableCommentOp,
    DropTableOp,
)
from sqlalchemy.dialects import postgresql

from core.migrations.authoring.changes import Change

_IN_MODELS = "is in the models and not in the schema"
_IN_SCHEMA = "is in the schema and not in the models"
_TOLD = {
    CreateTableOp: f"the table {_IN_MODELS}",
    DropTableOp: f"the table {_IN_SCHEMA}",
    AddColumnOp: f"column {{0.column.name}} {_IN_MODELS}",
    DropColumnOp: f"column {{0.column_name}} {_IN_SCHEMA}",
    CreateIndexOp: f"index {{0.index_name}} {_IN_MODELS}",
    DropIndexOp: f"index {{0.index_name}} {_IN_SCHEMA}",
    CreateUniqueConstraintOp: f"unique constraint {{0.constraint_name}} {_IN_MODELS}",
    CreateCheckConstraintOp: f"check {{0.constraint_name}} {_IN_MODELS}",
    CreateForeignKeyOp: f"foreign key {{0.constraint_name}} {_IN_MODELS}",
    DropConstraintOp: f"{{0.constraint_type}} constraint {{0.constraint_name}} {_IN_SCHEMA}",
    CreateTableCommentOp: "the comment on the table differs",
    DropTableCommentOp: "the comment on the table differs",
}


def sentences(changes: Sequence[Change]) -> list[str]:
    """A line for each difference; what belongs to a table that is in the models alone goes without saying."""
    created = {change.table for change in changes if isinstance(change.operation, CreateTableOp)}
    told = (change for change in changes if change.table not in created or isinstance(change.operation, CreateTableOp))
    replaced = _replaced_foreign_keys(changes)
    return [
        f"{change.table}: {sentence}" if change.table else sentence
        for change in told
        for sentence in _sentences(change, replaced)
    ]


def type_of(type_: Any) -> str:
    """A type as PostgreSQL writes it."""
    return type_.compile(dialect=postgresql.dialect())


def _replaced_foreign_keys(changes: Sequence[Change]) -> set[tuple[str | None, str]]:
    """Those that are dropped and made anew under one name, because they differ."""
    dropped, made = (
        {(each.table, str(each.operation.constraint_name)) for each in changes if isinstance(each.operation, kind)}
        for kind in (DropConstraintOp, CreateForeignKeyOp)
    )
    return dropped & made


def _sentences(change: Change, replaced: set[tuple[str | None, str]]) -> Iterator[str]:
    operation: Any = change.operation
    if change.sentence is not None:
        yield from filter(None, [change.sentence])
    elif isinstance(operation, AlterColumnOp):
        yield from _of_column(operation)
    elif (change.table, str(getattr(operation, "constraint_name", ""))) not in replaced:
        yield _TOLD[type(operation)].format(operation).replace("foreignkey constraint", "foreign key")
    elif isinstance(operation, CreateForeignKeyOp):
        yield f"foreign key {operation.constraint_name} differs"


def _of_column(operation: Any) -> Iterator[str]:
    column = f"column {operation.column_name}"
    if operation.modify_type is not None:
        wanted, stored = type_of(operation.modify_type), type_of(operation.existing_type)
        yield f"{column} is {wanted} in the models and {stored} in the schema"
    if operation.modify_nullable is not None:
        one, other = ("nullable", "NOT NULL") if operation.modify_nullable else ("NOT NULL", "nullable")
        yield f"{column} is {one} in the models and {other} in the schema"
    if operation.modify_server_default is not False:
        wanted, stored = _default(operation.modify_server_default), _default(operation.existing_server_default)
        yield f"the default of column {operation.column_name} is {wanted} in the models and {stored} in the schema"
    if operation.modify_comment is not False:
        yield f"the comment on {column} differs"


def _default(value: Any) -> str:
    """A server default as PostgreSQL writes it; an identity and a computed column have one, too."""
    if value is None or value is False:
        return "none"
    text = getattr(value, "sqltext", None) if hasattr(value, "sqltext") else getattr(value, "arg", None)
    if text is None:
        return "an identity"
    return repr(text) if isinstance(text, str) else str(text.compile(dialect=postgresql.dialect()))
