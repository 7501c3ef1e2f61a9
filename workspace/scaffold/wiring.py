"""Adds the router of a slice to a service's app.py, which people have written in their own way."""

import ast
from pathlib import Path

from workspace.scaffold.identifiers import bound
from workspace.scaffold.refusals import Refused
from workspace.scaffold.template import Names


def add_router(app: Path, names: Names) -> None:
    """Imports the router of the slice and lists it last; ruff is to put the import in its place.

    Raises:
        Refused: the file lists its routers in no way that is known here.
    """
    text = app.read_text()
    tree = ast.parse(text)
    routers = _routers(tree)
    if routers is None:
        raise Refused(f"{app} calls no service(..., routers=[...]), where the router of a slice is listed.")
    alias = _alias(tree, routers, names)
    lines = text.splitlines(keepends=True)
    # Behind the last router, or behind the bracket.
    line, column = routers.lineno, routers.col_offset + 1
    if routers.elts:
        line, column = (routers.elts[-1].end_lineno or 0, routers.elts[-1].end_col_offset or 0)
    # Columns of a syntax tree count bytes.
    before = lines[line - 1].encode()
    added = f", {alias}" if routers.elts else f"{alias},"
    lines[line - 1] = (before[:column] + added.encode() + before[column:]).decode()
    first = next(node.lineno for node in tree.body if isinstance(node, ast.ImportFrom))
    lines.insert(first - 1, f"from {names.service}.{names.slice}.router import router as {alias}\n")
    app.write_text("".join(lines))


def _routers(tree: ast.Module) -> ast.List | ast.Tuple | None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "service":
            for keyword in node.keywords:
                if keyword.arg == "routers" and isinstance(keyword.value, ast.List | ast.Tuple):
                    return keyword.value
    return None


def _alias(tree: ast.Module, routers: ast.List | ast.Tuple, names: Names) -> str:
    """`refunds` or `refunds_router`: what the other routers of the file are called like, if it is free."""
    listed = [each.id for each in routers.elts if isinstance(each, ast.Name)]
    like_others = all(name.endswith("_router") for name in listed)
    return f"{names.slice}_router" if like_others or names.slice in bound(tree) else names.slice
