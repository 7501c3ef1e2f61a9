"""What Python files import: at the top, in a function, for a type checker, or by a name in a string."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BY_NAME = {"__import__", "find_spec", "import_module", "importorskip"}


@dataclass(frozen=True, slots=True)
class Import:
    """One import, with the whole name of what is imported."""

    file: Path
    line: int
    name: str

    @property
    def package(self) -> str:
        """The first part of the name."""
        return self.name.split(".")[0]


@dataclass(frozen=True, slots=True)
class Code:
    """What the files of a folder mention."""

    imports: list[Import] = field(default_factory=list)
    # Programs and plug-ins are named in strings and imported by others.
    strings: set[str] = field(default_factory=set)
    # What its files may import of each other: modules, and packages that are in no other package.
    modules: set[str] = field(default_factory=set)


def read_code(folder: Path) -> Code:
    """Reads every file in a folder; imports that are relative are left out."""
    code = Code()
    for file in sorted(folder.rglob("*.py")):
        module = file.parent if file.name == "__init__.py" else file
        if not (module.parent / "__init__.py").exists():
            code.modules.add(module.stem)
        for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
            code.imports.extend(Import(file, getattr(node, "lineno", 0), name) for name in _imported(node))
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                code.strings.add(node.value)
    return code


def _imported(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=str(module), names=names, level=0):
            yield from (f"{module}.{alias.name}" for alias in names)
        case ast.Call(
            func=ast.Name(id=function) | ast.Attribute(attr=function), args=[ast.Constant(value=str(name)), *_]
        ) if function in BY_NAME and not name.startswith("."):
            yield name
