"""The names that Python code gives to things, and what of them a generated name would run into."""

import ast
import builtins
import keyword
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from workspace.scaffold.refusals import Refused
from workspace.scaffold.template import (
    PACKAGE_OF_SLICE,
    SINGULAR,
    TEMPLATE,
    WORDS,
    Names,
    parts_of_service,
    parts_of_slice,
)

EVENT = re.compile(rf"{SINGULAR}\.[a-z_]+")


def collisions(names: Names) -> set[str]:
    """The names in the rendered code that would mean two things."""
    own = {found for part in parts_of_service() if part.suffix == ".py" for found in bound(parsed(TEMPLATE / part))}
    made = sorted(name for name in own if WORDS.search(name))
    rendered = [names.put(name) for name in made]
    twice = {name for name in rendered if rendered.count(name) > 1}
    return twice | {name for name in rendered if name in own - set(made) or is_reserved(name)}


def is_reserved(name: str) -> bool:
    """Whether Python itself means something by the name."""
    return keyword.iskeyword(name) or hasattr(builtins, name)


def classes_of_slice(names: Names) -> set[str]:
    """The classes that the slice would have."""
    return {names.put(name) for name in classes(_trees_of_slice())}


def events_of_slice(names: Names) -> set[str]:
    """The types of events that the slice would have."""
    return {names.put(text) for text in texts(_trees_of_slice()) if EVENT.fullmatch(text)}


def _trees_of_slice() -> list[ast.Module]:
    return [parsed(TEMPLATE / part) for part in parts_of_slice() if PACKAGE_OF_SLICE in part.parents]


def parsed(file: Path) -> ast.Module:
    """The syntax tree of a module.

    Raises:
        Refused: it has none.
    """
    try:
        return ast.parse(file.read_bytes())
    except SyntaxError as wrong:
        raise Refused(f"{file}:{wrong.lineno} is no Python ({wrong.msg}): mend it first.") from wrong


def bound(tree: ast.AST) -> set[str]:
    """The names that code binds or asks for; no modules that it imports from, no attributes."""
    return {name for node in ast.walk(tree) for name in _names(node)}


def classes(trees: Iterable[ast.AST]) -> set[str]:
    """The names of all classes."""
    return {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def texts(trees: Iterable[ast.AST]) -> set[str]:
    """Every text that stands in code: names of tables, tags, paths, prefixes of ids."""
    constants = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {node.value for node in constants if isinstance(node.value, str)}


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias(name=name, asname=alias):
            yield alias or name.partition(".")[0]
