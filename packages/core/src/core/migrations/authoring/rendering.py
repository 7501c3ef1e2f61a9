"""An operation as the Python of a migration, without what says nothing."""

import ast
import textwrap
from collections.abc import Iterator
from itertools import accumulate

from alembic.autogenerate import render_op_text
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import MigrateOperation

# A formatter breaks no literal: this much is left of a line, deep inside of a call.
LITERAL_CHARACTERS_MAX = 80

# What SQLAlchemy assumes anyway, and what only other databases need to be told, by the call that Alembic writes it in.
_NEEDLESS = {
    "Column": {"nullable": {"True"}},
    "Identity": {"always": {"False"}},
    "JSONB": {"astext_type": {"sa.Text()"}},
    "alter_column": {"existing_nullable": {"True", "False"}, "autoincrement": {"True", "False"}},
    "create_foreign_key": {"use_alter": {"True"}},
    "create_index": {"unique": {"False"}},
}

# Where in the text, and what takes its place.
Edit = tuple[int, int, str]


def rendered(operation: MigrateOperation, context: AutogenContext) -> str:
    """The statement, an argument a line where Alembic breaks it."""
    text = render_op_text(context, operation)
    kept, place = "", 0
    for begin, end, replacement in sorted(_edits(text)):
        # What is inside of what has gone needs no edit.
        if begin >= place:
            kept += text[place:begin] + replacement
            place = end
    first, *others = (kept + text[place:]).splitlines()
    return "\n".join([first, *(line if line == ")" else f"    {line.strip()}" for line in others)])


def _edits(text: str) -> Iterator[Edit]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if _is_needless(keyword, node):
                    yield *_with_comma(text, *_span(text, keyword)), ""
        elif isinstance(node, ast.Constant) and len(str(node.value)) > LITERAL_CHARACTERS_MAX:
            yield *_span(text, node), _broken(str(node.value))


def _is_needless(keyword: ast.keyword, call: ast.Call) -> bool:
    if keyword.arg == "existing_server_default":
        return "server_default" not in {each.arg for each in call.keywords}
    needless = _NEEDLESS.get(getattr(call.func, "attr", ""), {})
    return ast.unparse(keyword.value) in needless.get(str(keyword.arg), ())


def _with_comma(text: str, begin: int, end: int) -> tuple[int, int]:
    """An argument with the comma before it, or else after it."""
    before = len(text[:begin].rstrip(", \n"))
    return (before, end) if before < begin else (begin, len(text) - len(text[end:].lstrip(", \n")))


def _span(text: str, node: ast.keyword | ast.expr) -> tuple[int, int]:
    """Where the node is in the text; Python counts the bytes of its line."""
    data = text.encode()
    starts = [0, *accumulate(len(line) for line in data.splitlines(keepends=True))]
    begin = starts[node.lineno - 1] + node.col_offset
    end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
    return len(data[:begin].decode()), len(data[:end].decode())


def _broken(value: str) -> str:
    parts = textwrap.wrap(
        value,
        LITERAL_CHARACTERS_MAX,
        drop_whitespace=False,
        replace_whitespace=False,
        expand_tabs=False,
        break_on_hyphens=False,
    )
    return " ".join(map(repr, parts))
