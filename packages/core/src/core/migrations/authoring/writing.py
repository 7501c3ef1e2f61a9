"""The module of a migration: one function for each step, none longer than a person reads at once."""

import ast
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count, pairwise

# As the rest of the code has it: tests/tidy.
FUNCTION_LINES_MAX = 50
COMMENT_CHARACTERS_MAX = 100

_UNWRITTEN = 'raise NotImplementedError("write what this migration does")'


@dataclass(frozen=True, slots=True)
class Statement:
    """One operation, what it makes ("indexes"), and what a person has to look at."""

    text: str
    makes: str
    caution: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """What is done for one table."""

    name: str
    statements: Sequence[Statement]


@dataclass(frozen=True, slots=True)
class Draft:
    """All that a migration says."""

    name: str
    before: str | None
    docstring: str
    imports: Sequence[str] = ()
    functions: Sequence[Function] = ()
    # For the terminal: what a person has to look at, and in which table.
    cautions: Sequence[str] = ()


def written(draft: Draft, formatted: Callable[[str], str]) -> str:
    """The module; its functions are measured when they are formatted."""
    text = formatted(_module(draft))
    measured = zip(draft.functions, _lengths(text)[-len(draft.functions) :], strict=True) if draft.functions else ()
    parts = [part for function, lengths in measured for part in _parts(function, lengths)]
    return formatted(_module(replace(draft, functions=parts))) if len(parts) > len(draft.functions) else text


def _module(draft: Draft) -> str:
    before = "None" if draft.before is None else f'"{draft.before}"'
    return f'''"""{draft.docstring}"""

{"".join(_imports(draft))}
revision = "{draft.name}"
down_revision = {before}


{"".join(_definitions(draft.functions))}'''


def _imports(draft: Draft) -> Iterator[str]:
    """Those that are used."""
    texts = [each.text for function in draft.functions for each in function.statements]
    names = {node.id for text in texts for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    for line in ("import sqlalchemy as sa", "from alembic.operations import Operations", *draft.imports):
        if line.split()[-1] in {"Operations", *names}:
            yield f"{line}\n"


def _definitions(functions: Sequence[Function]) -> Iterator[str]:
    if len(functions) < 2:
        statements = [each for function in functions for each in function.statements]
        yield _definition("upgrade", _body(statements) or [_UNWRITTEN])
        return
    names = _names(functions)
    yield _definition("upgrade", [f"{name}(op)" for name in names])
    for name, function in zip(names, functions, strict=True):
        yield "\n\n" + _definition(name, _body(function.statements))


def _definition(name: str, lines: Sequence[str]) -> str:
    body = textwrap.indent("\n".join(lines), "    ")
    return f"def {name}(op: Operations) -> None:\n{body}\n"


def _body(statements: Sequence[Statement]) -> list[str]:
    return [line for each in statements for line in (*_comment(each.caution), each.text)]


def _comment(caution: str) -> list[str]:
    text = f"Review: {caution}" if caution else ""
    return [f"# {line}" for line in textwrap.wrap(text, COMMENT_CHARACTERS_MAX, break_long_words=False)]


def _names(functions: Sequence[Function]) -> list[str]:
    names: list[str] = []
    for each in functions:
        name = "_" + re.sub(r"\W", "_", each.name).lower()
        candidates = chain([name], (f"{name}_{number}" for number in count(2)))
        names.append(next(candidate for candidate in candidates if candidate not in names))
    return names


def _lengths(text: str) -> list[list[int]]:
    """The lines of each statement of each function, with the comment above it."""
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    ends = ([each.lineno, *(statement.end_lineno or 0 for statement in each.body)] for each in functions)
    return [[after - before for before, after in pairwise(each)] for each in ends]


def _parts(function: Function, lengths: Sequence[int]) -> Iterator[Function]:
    """The function, or as many as it takes, each of statements that follow each other."""
    parts: list[list[Statement]] = [[]]
    # The line with its name.
    lines = 1
    for statement, length in zip(function.statements, lengths, strict=True):
        if parts[-1] and lines + length > FUNCTION_LINES_MAX:
            parts.append([])
            lines = 1
        parts[-1].append(statement)
        lines += length
    yield replace(function, statements=parts[0])
    for part in parts[1:]:
        made = {each.makes for each in part}
        what = made.pop() if len(made) == 1 else "rest"
        yield Function(f"{function.name}_{what}", part)
