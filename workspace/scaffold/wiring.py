"""Adds the router of a slice to a service's app.py, which people have written in their own way."""

import ast
import io
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tokenize import COMMENT, NL, TokenInfo, generate_tokens

from workspace.scaffold.identifiers import bound
from workspace.scaffold.refusals import Refused
from workspace.scaffold.template import Names


def add_router(app: Path, names: Names) -> None:
    """Imports the router of the slice and lists it last; ruff is to put the import in its place.

    Raises:
        Refused: the file lists its routers in no way that is known here.
    """
    # As it is, with the line ends of whoever wrote it.
    text = app.read_bytes().decode()
    lines = io.StringIO(text, newline="").readlines()
    tree = ast.parse(text)
    lists = list(_lists_of_routers(tree))
    if len(lists) != 1:
        raise Refused(f"{app} does not call service(..., routers=[...]) once, where the router of a slice is listed.")
    alias = _alias(tree, lists[0], names)
    last = _last_token(lines, lists[0])
    line, column = last.end
    added = {",": f" {alias},", "[": f"{alias},", "(": f"{alias},"}.get(last.string, f", {alias}")
    lines[line - 1] = lines[line - 1][:column] + added + lines[line - 1][column:]
    first = next(node.lineno for node in tree.body if isinstance(node, ast.ImportFrom))
    lines.insert(first - 1, f"from {names.service}.{names.slice}.router import router as {alias}{_end(lines[0])}")
    app.write_bytes("".join(lines).encode())


def _lists_of_routers(tree: ast.Module) -> Iterator[ast.List | ast.Tuple]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "service":
            for keyword in node.keywords:
                if keyword.arg == "routers" and isinstance(keyword.value, ast.List | ast.Tuple):
                    yield keyword.value


def _last_token(lines: list[str], listed: ast.List | ast.Tuple) -> TokenInfo:
    """The last thing in the list that is no comment; its opening bracket if it is empty."""
    ahead = [token for token in generate_tokens(iter(lines).__next__) if token.type not in {COMMENT, NL}]
    # A syntax tree counts columns in bytes.
    closes = len(lines[(listed.end_lineno or 0) - 1].encode()[: listed.end_col_offset].decode())
    return next(last for last, token in pairwise(ahead) if token.end == (listed.end_lineno, closes))


def _end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _alias(tree: ast.Module, routers: ast.List | ast.Tuple, names: Names) -> str:
    """`refunds` or `refunds_router`: what the other routers of the file are called like, if it is free."""
    listed = [each.id for each in routers.elts if isinstance(each, ast.Name)]
    like_others = all(name.endswith("_router") for name in listed)
    return f"{names.slice}_router" if like_others or names.slice in bound(tree) else names.slice
