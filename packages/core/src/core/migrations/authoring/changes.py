"""One change that leads from the schema to the models, as all that is made of it needs it."""

from dataclasses import dataclass
from typing import Any

from alembic.operations.ops import CreateForeignKeyOp, MigrateOperation


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """An operation of Alembic, and the table it is about; without a table it is about a type."""

    table: str | None
    # None: no statement does it, so that a person has to.
    operation: MigrateOperation | None
    # What the operation does not say of itself; empty if another change has said it.
    sentence: str | None = None


def change_of(operation: MigrateOperation) -> Change:
    """What Alembic has found."""
    found: Any = operation
    return Change(found.source_table if isinstance(found, CreateForeignKeyOp) else found.table_name, operation)
