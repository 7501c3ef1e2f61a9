"""What a person has to look at before a migration runs where there are rows, and a release that still serves.

The rules are PostgreSQL's: ALTER TABLE ("Notes"), CREATE INDEX ("Building Indexes Concurrently"), "Explicit Locking".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alembic.operations.ops import (
    AddColumnOp,
    AlterColumnOp,
    CreateCheckConstraintOp,
    CreateForeignKeyOp,
    CreateIndexOp,
    CreateTableOp,
    CreateUniqueConstraintOp,
    DropColumnOp,
    DropIndexOp,
    DropTableOp,
    ExecuteSQLOp,
)

from core.migrations.authoring.changes import Change
from core.migrations.authoring.sentences import type_of

# The default is computed for each row. now() is not among them: it is the same for all.
_VOLATILE = re.compile(r"\b(random|gen_random_uuid|uuidv[47]|uuid_generate_v\w+|clock_timestamp|timeofday|nextval)\(")
_STRETCHABLE = re.compile(r"(?P<family>TEXT|VARCHAR|NUMERIC)(\((?P<length>\d+)(, (?P<scale>\d+))?\))?")
_TEXTS = ("TEXT", "VARCHAR", "CHAR")
_NUMBERS = ("SMALLINT", "INTEGER", "BIGINT", "NUMERIC", "REAL", "FLOAT", "DOUBLE")
_REWRITTEN = "PostgreSQL rewrites the table, and nobody reads or writes it meanwhile"
_NOT_VALID = "make it with postgresql_not_valid=True, and validate it in the next migration"
_CONCURRENTLY = "postgresql_concurrently=True, inside of: with op.get_context().autocommit_block()"
_IN_PLACE = "in place of both keeps its data, but fails replicas of the release before"


def cautions(changes: Sequence[Change]) -> Mapping[Change, str]:
    """A sentence on each change of a table with rows that fails, loses data, or keeps others waiting."""
    created = {change.table for change in changes if isinstance(change.operation, CreateTableOp)}
    found = {
        change: " ".join(_said_of(change, changes))
        for change in changes
        if change.table not in created or isinstance(change.operation, CreateTableOp)
    }
    return {change: said for change, said in found.items() if said}


def _said_of(change: Change, changes: Sequence[Change]) -> Iterator[str]:
    operation: Any = change.operation
    match operation:
        case CreateTableOp():
            yield from _table_renamed(operation, changes)
        case None:
            yield f"{change.sentence}: write by hand what replaces it."
        case AddColumnOp():
            yield from _of_new_column(operation.column)
            yield from _column_renamed(change.table, operation.column, changes)
        case AlterColumnOp():
            yield from _of_altered_column(operation)
        case DropColumnOp():
            yield f"column {operation.column_name}: {_lost('column')}"
        case DropTableOp():
            yield f"table {operation.table_name}: {_lost('table')}"
        case _:
            yield from _of_addition(operation)


def _lost(what: str) -> str:
    return (
        f"its data is lost, and replicas of the release before still use it. Drop the {what} one release after the "
        "code has stopped using it."
    )


def _of_new_column(column: Any) -> Iterator[str]:
    default = column.server_default
    if column.identity is not None or (column.computed is not None and column.computed.persisted):
        yield f"column {column.name} has a value in every row: {_REWRITTEN}."
    elif default is None and not column.nullable:
        yield (
            f"column {column.name} is NOT NULL and has no server default: this fails where there are rows. "
            "Give it one, or add it nullable, fill it, and demand it in a later migration."
        )
    elif default is not None and _VOLATILE.search(str(getattr(default, "arg", ""))):
        yield f"the default of column {column.name} differs from row to row: {_REWRITTEN}."


def _of_altered_column(operation: Any) -> Iterator[str]:
    name = operation.column_name
    if operation.modify_type is not None and not _keeps_rows(operation.existing_type, operation.modify_type):
        before, after = type_of(operation.existing_type), type_of(operation.modify_type)
        how = "" if _is_converted(before, after) else "; say how the values are converted with postgresql_using"
        yield f"column {name} goes from {before} to {after}: {_REWRITTEN}{how}."
    if operation.modify_nullable is False:
        yield (
            f"column {name} becomes NOT NULL: this fails where a row has none, and scans the table, which nobody reads "
            f"or writes meanwhile. A validated CHECK ({name} IS NOT NULL) makes the scan unnecessary."
        )


def _keeps_rows(before: Any, after: Any) -> bool:
    """Whether the values stay as they are stored: a longer varchar, text for varchar, a numeric with more digits."""
    one, other = (_STRETCHABLE.fullmatch(type_of(each)) for each in (before, after))
    if one is None or other is None or (one["family"] == "NUMERIC") != (other["family"] == "NUMERIC"):
        return False
    if other["length"] is None:
        return True
    scales = (one["scale"] or "0", other["scale"] or "0")
    return one["length"] is not None and int(one["length"]) <= int(other["length"]) and scales[0] == scales[1]


def _is_converted(before: str, after: str) -> bool:
    """Whether PostgreSQL converts the values unasked: into text, and among numbers."""
    return after.startswith(_TEXTS) or (before.startswith(_NUMBERS) and after.startswith(_NUMBERS))


def _of_addition(operation: Any) -> Iterator[str]:
    match operation:
        case CreateIndexOp():
            yield (
                f"index {operation.index_name} is built while nobody writes to the table. Build it in a migration of "
                f"its own with if_not_exists=True, {_CONCURRENTLY}."
            )
        case DropIndexOp():
            yield (
                f"index {operation.index_name} is dropped when nobody reads or writes the table. Drop it in a "
                f"migration of its own with if_exists=True, {_CONCURRENTLY}."
            )
        case CreateUniqueConstraintOp():
            yield (
                f"unique constraint {operation.constraint_name} fails where rows are equal, and its index is built "
                "while nobody reads or writes the table. A unique index that is built concurrently before, and then "
                "ADD CONSTRAINT ... USING INDEX, keeps nobody waiting."
            )
        case CreateForeignKeyOp():
            yield (
                f"foreign key {operation.constraint_name} scans the table, and nobody writes to it or to "
                f"{operation.referent_table} meanwhile: {_NOT_VALID}."
            )
        case CreateCheckConstraintOp():
            name = operation.constraint_name
            yield f"check {name} scans the table, which nobody reads or writes meanwhile: {_NOT_VALID}."
        case ExecuteSQLOp() if "ADD CONSTRAINT" in str(operation.sqltext):
            yield "its index is built while nobody reads or writes the table."


def _column_renamed(table: str | None, column: Any, changes: Sequence[Change]) -> Iterator[str]:
    """Alembic sees a renamed column as one dropped and one added: of the same type, where it is one."""
    dropped: list[Any] = [each.operation for each in changes if each.table == table and _is(each, DropColumnOp)]
    for each in dropped:
        if type_of(each.to_column().type) == type_of(column.type):
            call = f'op.alter_column("{table}", "{each.column_name}", new_column_name="{column.name}")'
            yield f"If it is column {each.column_name} renamed: {call} {_IN_PLACE}."


def _table_renamed(created: Any, changes: Sequence[Change]) -> Iterator[str]:
    dropped: list[Any] = [each.operation for each in changes if _is(each, DropTableOp)]
    for each in dropped:
        if each.to_table().columns.keys() == created.to_table().columns.keys():
            call = f'op.rename_table("{each.table_name}", "{created.table_name}")'
            yield f"If it is table {each.table_name} renamed: {call} {_IN_PLACE}."


def _is(change: Change, kind: type) -> bool:
    return isinstance(change.operation, kind)
