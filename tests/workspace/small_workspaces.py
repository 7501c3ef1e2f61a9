"""Workspaces that are small enough to read: packages and what they name, and the files that uv has of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = "platform"
DEPENDENCIES = "dependencies"
GLOBS = ["packages/*", "services/*"]

# A package, and the extras of it that are asked for.
Edge = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Package:
    """One package; what it names stands by part: `dependencies`, `optional-dependencies.x`, `dev-dependencies.x`."""

    parts: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)
    version: str = "1.0"
    content: str = "a"
    # None for what comes from a registry.
    folder: str | None = None

    def locked(self, name: str) -> dict[str, Any]:
        """Its table in uv.lock."""
        table: dict[str, Any] = {"name": name, "version": self.version}
        if self.folder is None:
            table["source"] = {"registry": "https://pypi.org/simple"}
            table["wheels"] = [{"url": f"https://files/{name}.whl", "hash": f"sha256:{self.content}", "size": 1}]
        else:
            table["source"] = {"virtual" if self.folder == "." else "editable": self.folder}
        for part, edges in self.parts.items():
            kind, _, key = part.partition(".")
            listed = [{"name": to, **({"extra": list(extras)} if extras else {})} for to, extras in edges]
            if key:
                table.setdefault(kind, {})[key] = listed
            else:
                table[kind] = listed
        return table


Packages = Mapping[str, Package]


def member(name: str, /, *needs: Edge, folder: str = "services", **groups: tuple[Edge, ...]) -> dict[str, Package]:
    """A member that needs some packages, and more of them in its groups."""
    parts = {DEPENDENCIES: needs, **{f"dev-dependencies.{group}": edges for group, edges in groups.items()}}
    return {name: Package(parts, folder=f"{folder}/{name}")}


# Two services on one chassis; billing alone needs `money`, and the chassis' test kit brings `pytest`.
SMALL: Packages = {
    ROOT: Package(
        {
            DEPENDENCIES: (("billing", ()), ("users", ())),
            "dev-dependencies.dev": (("core", ("testing",)), ("nox", ()), ("ruff", ())),
        },
        folder=".",
    ),
    **member("billing", ("core", ()), ("money", ()), test=(("core", ("testing",)),)),
    **member("users", ("core", ()), test=(("core", ("testing",)),)),
    "core": Package(
        {DEPENDENCIES: (("fastapi", ()),), "optional-dependencies.testing": (("pytest", ()),)}, folder="packages/core"
    ),
    **{name: Package() for name in ("colorlog", "fastapi", "money", "pytest", "ruff")},
    "nox": Package({DEPENDENCIES: (("colorlog", ()),)}),
}


def lock(packages: Packages) -> str:
    """The file uv.lock."""
    return written(locked(packages))


def written(document: Mapping[str, Any]) -> str:
    """As TOML, with tables in line."""
    return "".join(f"{key} = {_inline(value)}\n" for key, value in document.items())


def _inline(value: Any) -> str:
    match value:
        case dict():
            return f"{{{', '.join(f'{json.dumps(key)} = {_inline(each)}' for key, each in value.items())}}}"
        case list():
            return f"[{', '.join(map(_inline, value))}]"
        case _:
            return json.dumps(value)


def locked(packages: Packages) -> dict[str, Any]:
    """What uv.lock says."""
    return {
        "version": 1,
        "revision": 5,
        "requires-python": ">=3.11",
        "manifest": {"members": sorted(name for name, package in packages.items() if package.folder)},
        "package": [package.locked(name) for name, package in sorted(packages.items())],
    }


def project(**tool: Any) -> str:
    """The root's pyproject.toml."""
    classifiers = [f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12)]
    about = {"name": ROOT, "version": "1", "requires-python": ">=3.11", "classifiers": classifiers}
    return written(
        {
            **{f"project.{key}": value for key, value in about.items()},
            **{f"tool.{key}": value for key, value in {"uv": {"workspace": {"members": GLOBS}}, **tool}.items()},
        }
    )


def write(root: Path, packages: Packages = SMALL) -> None:
    """Puts the files of a workspace into a folder: for each member a pyproject.toml, a module and a test."""
    texts = {"pyproject.toml": project(), "uv.lock": lock(packages), "README.md": "A workspace\n", "dev": "#!/bin/sh\n"}
    for name, package in packages.items():
        if package.folder not in {None, "."}:
            texts[f"{package.folder}/pyproject.toml"] = f'[project]\nname = "{name}"\n'
            texts[f"{package.folder}/src/{name}/app.py"] = (
                f'"""The app of {name}, in enough words to follow a rename."""\n'
            )
            texts[f"{package.folder}/tests/test_{name}.py"] = f"import {name}\n"
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
