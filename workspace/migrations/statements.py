"""A migration as the statements it sends, each with the line that sends it: to be judged without a database."""

import runpy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from traceback import extract_tb
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with its semicolon, and the line of the file that has sent it; BEGIN and COMMIT have that of their block."""

    sql: str
    line: int


class UnreadableError(Exception):
    """A migration wants an answer of the database before it says what to do; `line` is where."""

    def __init__(self, line: int, cause: Exception) -> None:
        super().__init__(f"it asks the database, or fails without one: {type(cause).__name__}: {cause}")
        self.line = line


def statements_of(file: Path) -> list[Statement]:
    """What the migration in a file sends to a database, in order.

    Raises:
        UnreadableError: what it sends depends on what the database answers.
    """
    # As it stands there: bytecode of a moment ago may be that of another text.
    module = runpy.run_path(str(file))
    output = _Output(str(file))
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": output})
    with context.begin_transaction():
        _run(module["upgrade"], Operations(context), output)
    return output.statements


def _run(upgrade: Callable[[Operations], None], op: Operations, output: "_Output") -> None:
    try:
        upgrade(op)
    except Exception as failed:
        # Whatever it is that there is no answer to.
        lines = [each.lineno for each in extract_tb(failed.__traceback__) if each.filename == output.name]
        raise UnreadableError(lines[-1] or 1, failed) from failed


class _Output(StringIO):
    """Where Alembic writes statements: notes which line of the file is running meanwhile."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.statements: list[Statement] = []

    def write(self, text: str, /) -> int:
        if text.strip():
            self.statements.append(Statement(text.strip(), self._line()))
        return len(text)

    def _line(self) -> int:
        frame: Any = sys._getframe()  # noqa: SLF001 - inspect.stack() reads every file of the stack
        while frame is not None and frame.f_code.co_filename != self.name:
            frame = frame.f_back
        return 1 if frame is None else frame.f_lineno
