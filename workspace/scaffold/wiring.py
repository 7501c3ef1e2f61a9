"""Lists what a slice declares in a service's app.py, which people have written in their own way."""

import ast
import io
from itertools import pairwise
from pathlib import Path
from tokenize import COMMENT, NL, TokenInfo, generate_tokens

from workspace.scaffold.identifiers import bound
from workspace.scaffold.refusals import Refused
from workspace.scaffold.template import Names

# What lists the declarations of slices in `service(...)`, and their name, which is that of their module, too.
DECLARED = {"routers": "router", "announces": "announcements", "handlers": "handlers", "replays": "replays"}


def add_declarations(app: Path, names: Names) -> None:
    """Imports what the slice declares and lists it last; ruff is to put the imports in their place.

    Raises:
        Refused: the file lists its routers, or something else of this, in no way that is known here.
    """
    # As it is, with the line ends of whoever wrote it.
    text = app.read_bytes().decode()
    imports = []
    for argument, name in DECLARED.items():
        alias = _router(app, text, names) if name == "router" else f"{names.slice}_{name}"
        text = _listed(app, text, argument, alias)
        imports.append(f"from {names.service}.{names.slice}.{name} import {name} as {alias}")
    app.write_bytes(_imported(text, imports).encode())


def _listed(app: Path, text: str, argument: str, alias: str) -> str:
    """With one more in the list that the service is given, or with a list of it alone."""
    module = ast.parse(text)
    call = _call(app, module)
    listed = _given(module, call, argument)
    if listed is None:
        return _appended(text, call, f"{argument}=[{alias}]")
    if not isinstance(listed, ast.List | ast.Tuple):
        raise Refused(f"{app} does not call service(..., {argument}=[...]), where what a slice declares is listed.")
    return _appended(text, listed, alias)


def _call(app: Path, module: ast.Module) -> ast.Call:
    """The one that makes the service."""
    calls = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "service"
        and isinstance(_given(module, node, "routers"), ast.List | ast.Tuple)
    ]
    if len(calls) != 1:
        raise Refused(f"{app} does not call service(..., routers=[...]) once, where the router of a slice is listed.")
    return calls[0]


def _given(module: ast.Module, call: ast.Call, argument: str) -> ast.expr | None:
    """What is given for an argument; of a name, what stands for it at the top of the module."""
    given = next((keyword.value for keyword in call.keywords if keyword.arg == argument), None)
    if not isinstance(given, ast.Name):
        return given
    assigned = {
        target.id: node.value
        for node in module.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return assigned.get(given.id, given)


def _appended(text: str, node: ast.expr, added: str) -> str:
    """With one more between the brackets of a list, a tuple or a call."""
    lines = _lines(text)
    last = _last_token(lines, node)
    line, column = last.end
    put = {",": f" {added},", "[": f"{added},", "(": f"{added},"}.get(last.string, f", {added}")
    lines[line - 1] = lines[line - 1][:column] + put + lines[line - 1][column:]
    return "".join(lines)


def _last_token(lines: list[str], node: ast.expr) -> TokenInfo:
    """The last thing between the brackets that is no comment; the opening one if there is nothing."""
    ahead = [token for token in generate_tokens(iter(lines).__next__) if token.type not in {COMMENT, NL}]
    # A syntax tree counts columns in bytes.
    closes = len(lines[(node.end_lineno or 0) - 1].encode()[: node.end_col_offset].decode())
    return next(last for last, token in pairwise(ahead) if token.end == (node.end_lineno, closes))


def _imported(text: str, imports: list[str]) -> str:
    """With these above the first import of its kind."""
    lines = _lines(text)
    first = next(node.lineno for node in ast.parse(text).body if isinstance(node, ast.ImportFrom))
    end = lines[0][len(lines[0].rstrip("\r\n")) :]
    lines[first - 1 : first - 1] = [f"{line}{end}" for line in imports]
    return "".join(lines)


def _lines(text: str) -> list[str]:
    return io.StringIO(text, newline="").readlines()


def _router(app: Path, text: str, names: Names) -> str:
    """`refunds` or `refunds_router`: what the other routers of the file are called like, if it is free."""
    module = ast.parse(text)
    routers = _given(module, _call(app, module), "routers")
    listed = [each.id for each in getattr(routers, "elts", ()) if isinstance(each, ast.Name)]
    like_others = all(name.endswith("_router") for name in listed)
    return f"{names.slice}_router" if like_others or names.slice in bound(module) else names.slice
