"""uv.lock as a graph: which packages, and which files of them, each member of the workspace comes to."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

Table = Mapping[str, Any]
# A package's name, and all that decides what of it is installed, and where.
Closure = Mapping[str, frozenset[str]]

# Compared package by package, or only how they were chosen.
_OF_PACKAGES = {"manifest", "options", "package", "resolution-markers", "revision"}


@dataclass(frozen=True, slots=True)
class Lock:
    """One version of the file."""

    document: Table
    # Several of one name where Pythons or platforms get different versions.
    packages: Mapping[str, list[Table]]
    # The folder of each member of the workspace; the root's own is a dot.
    members: Mapping[str, str]

    @classmethod
    def read(cls, text: str) -> Self:
        """What the file says.

        Raises:
            ValueError: it is no TOML, or none that uv writes.
        """
        document = tomllib.loads(text)
        packages: dict[str, list[Table]] = {}
        try:
            for package in document["package"]:
                packages.setdefault(package["name"], []).append(package)
            members = {name: _folder(packages[name]) for name in document["manifest"]["members"]}
        except (AttributeError, KeyError, StopIteration, TypeError) as wrong:
            raise ValueError(f"not what uv writes: {wrong!r}") from wrong
        return cls(document, packages, members)

    @property
    def settings(self) -> Table:
        """What holds for every package: a difference here could be one in any of them."""
        manifest = {key: value for key, value in self.document["manifest"].items() if key != "members"}
        return {key: value for key, value in self.document.items() if key not in _OF_PACKAGES} | manifest

    def closure(self, name: str, *, without: frozenset[str] = frozenset()) -> Closure:
        """All that is installed for a package with all its extras and groups, without some of what it names itself."""
        found: dict[str, set[str]] = {}
        ahead = [(package, part) for package in self.packages.get(name, ()) for part in _parts(package)]
        seen: set[tuple[int, str]] = set()
        while ahead:
            package, part = ahead.pop()
            if (id(package), part) in seen:
                continue
            seen.add((id(package), part))
            edges = [edge for edge in _edges(package, part) if package["name"] != name or edge["name"] not in without]
            found.setdefault(package["name"], set()).add(_fingerprint(package, edges))
            for edge in edges:
                ahead += self._targets(edge)
        return {package: frozenset(prints) for package, prints in found.items()}

    def _targets(self, edge: Table) -> Iterator[tuple[Table, str]]:
        # An edge says which version and source it means only where there are several.
        for package in self.packages.get(edge["name"], ()):
            if all(edge[key] == package.get(key) for key in ("version", "source") if key in edge):
                yield package, "dependencies"
                yield from ((package, f"optional-dependencies.{extra}") for extra in edge.get("extra", ()))


def _folder(packages: list[Table]) -> str:
    kinds = ("editable", "virtual", "directory")
    return next(package["source"][kind] for package in packages for kind in kinds if kind in package["source"])


def _parts(package: Table) -> Iterator[str]:
    yield "dependencies"
    for kind in ("optional-dependencies", "dev-dependencies"):
        yield from (f"{kind}.{name}" for name in package.get(kind, {}))


def _edges(package: Table, part: str) -> list[Table]:
    kind, _, name = part.partition(".")
    edges = package.get(kind, {})
    return edges.get(name, []) if name else edges or []


def _fingerprint(package: Table, edges: list[Table]) -> str:
    files = [*package.get("wheels", ()), *filter(None, [package.get("sdist")])]
    # A file's hash says all of it; what is local or from git has none.
    contents = sorted(json.dumps(file.get("hash", file), sort_keys=True, default=str) for file in files)
    decides = {key: package.get(key) for key in ("version", "source", "resolution-markers")}
    requires = sorted(json.dumps(edge, sort_keys=True, default=str) for edge in edges)
    return json.dumps([decides, contents, requires], sort_keys=True, default=str)
