"""What a migration is to say, from what models and schema differ in."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import AddColumnOp, AddConstraintOp, CreateIndexOp, CreateTableOp, MigrateOperation
from sqlalchemy import Column, PrimaryKeyConstraint

from core.migrations.authoring.changes import Change
from core.migrations.authoring.ordering import Step
from core.migrations.authoring.rendering import rendered
from core.migrations.authoring.writing import Function, Statement
from core.migrations.errors import MigrationError

MESSAGE_CHARACTERS_MAX = 100

# Where CREATE TABLE would be longer than a function, it begins with so many columns, and the rest follows.
TABLE_LINES_MAX = 44
COLUMNS_FIRST = 20
# What a formatter makes of an argument: one line, or about so many.
ARGUMENT_CHARACTERS_MAX = 110
BROKEN_ARGUMENT_LINES = 5

_MAKES = {CreateTableOp: "table", CreateIndexOp: "indexes", AddColumnOp: "columns", AddConstraintOp: "constraints"}


def docstring_of(message: str) -> str:
    """The message as one sentence that any linter takes.

    Raises:
        MigrationError: it is too long for a line.
    """
    words = " ".join("".join(map(_plain, message)).split()).replace("\\", "").replace('"', "'").rstrip(".!? ")
    if len(words) > MESSAGE_CHARACTERS_MAX:
        raise MigrationError(f"say it in {MESSAGE_CHARACTERS_MAX} characters: these are {len(words)}")
    sentence = re.sub(r"[.!?]+ (\w)", lambda found: f"; {found[1].lower()}", words)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _plain(character: str) -> str:
    """Itself, if it cannot be taken for another one: ASCII and the letters of Latin-1."""
    if character.isascii() or ("À" <= character <= "ÿ" and character.isalpha()):
        return character if character.isprintable() else " "
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()


def functions_of(steps: Sequence[Step], context: AutogenContext, cautions: Mapping[Change, str]) -> list[Function]:
    """The statements of a migration, a function for each step."""
    return [
        Function(step.name, [each for change in step.changes for each in _statements(change, context, cautions)])
        for step in steps
    ]


def _statements(change: Change, context: AutogenContext, cautions: Mapping[Change, str]) -> Iterator[Statement]:
    caution = cautions.get(change, "")
    if change.operation is None:
        yield Statement(f"raise NotImplementedError({change.sentence!r})", "rest", caution)
        return
    for operation in _digestible(change.operation, context):
        yield Statement(rendered(operation, context), _what(operation), caution)
        caution = ""


def _what(operation: MigrateOperation) -> str:
    return next((what for kind, what in _MAKES.items() if isinstance(operation, kind)), "rest")


def _digestible(operation: MigrateOperation, context: AutogenContext) -> list[MigrateOperation]:
    """The operation, or the several that make a table too large for one function."""
    if not isinstance(operation, CreateTableOp) or _lines(rendered(operation, context)) <= TABLE_LINES_MAX:
        return [operation]
    items: Sequence[Any] = operation.columns
    keys = [each for each in items if isinstance(each, PrimaryKeyConstraint)]
    columns = [each for each in items if isinstance(each, Column)]
    # The key is made with the table, of columns that have to be there.
    later = [each for each in columns[COLUMNS_FIRST:] if not each.primary_key]
    created = copy(operation)
    created.columns = [*columns[:COLUMNS_FIRST], *(each for each in columns[COLUMNS_FIRST:] if each.primary_key), *keys]
    constraints = [each for each in items if not isinstance(each, Column | PrimaryKeyConstraint)]
    return [
        created,
        *(AddColumnOp(operation.table_name, each) for each in later),
        *(AddConstraintOp.from_constraint(each) for each in constraints),
    ]


def _lines(text: str) -> int:
    return sum(1 if len(line) <= ARGUMENT_CHARACTERS_MAX else BROKEN_ARGUMENT_LINES for line in text.splitlines())
