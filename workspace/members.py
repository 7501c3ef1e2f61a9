"""The members of the workspace, and what each of them declares."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@dataclass(frozen=True, slots=True)
class Member:
    """One folder with a pyproject.toml; folder, distribution and package have one name."""

    folder: Path
    project: Mapping[str, Any]
    groups: Mapping[str, Any]
    tools: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its one name."""
        return self.folder.name

    @property
    def dependencies(self) -> list[Requirement]:
        """What is installed with it."""
        return [Requirement(text) for text in self.project.get("dependencies", ())]

    @property
    def extras(self) -> dict[str, list[Requirement]]:
        """What is installed with it where an extra is asked for."""
        optional = self.project.get("optional-dependencies", {})
        return {extra: [Requirement(text) for text in texts] for extra, texts in optional.items()}

    @property
    def optional_dependencies(self) -> list[Requirement]:
        """What is installed with it where all its extras are asked for."""
        return [requirement for extra in self.extras.values() for requirement in extra]

    @property
    def test_group(self) -> list[Requirement]:
        """What its tests need besides."""
        return list(_group("test", self.groups)) if "test" in self.groups else []

    @property
    def requirements(self) -> list[Requirement]:
        """All that it declares, whatever for."""
        groups = [each for name in self.groups for each in _group(name, self.groups)]
        return [*self.dependencies, *self.optional_dependencies, *groups]

    @property
    def requires_python(self) -> str:
        """The versions of Python that it runs on."""
        return self.project["requires-python"]

    @property
    def scripts(self) -> list[str]:
        """The programs that are installed with it."""
        return list(self.project.get("scripts", ()))

    @property
    def is_service(self) -> bool:
        """Whether it can be served alone."""
        return "core.services" in self.project.get("entry-points", {})

    @property
    def used_by_others(self) -> list[str]:
        """Declared for programs that it starts or is started by, none of which its code names."""
        return self.tools.get("workspace", {}).get("used-by-others", [])


def members_of(root: Path) -> dict[str, Member]:
    """Every member, by name."""
    workspace = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    files = sorted(file for pattern in workspace for file in root.glob(f"{pattern}/pyproject.toml"))
    return {file.parent.name: _member(file) for file in files}


def closure(requirements: Iterable[Requirement], members: Mapping[str, Member]) -> dict[str, set[str]]:
    """The distributions that these declare, by name, each with the extras that are asked for.

    A service stands on core: what core declares, a service may import without a line of its own. So its bounds stand in
    one place, and the list of a service shows what only that service needs. What others bring along is nobody's to use.
    """
    found: dict[str, set[str]] = {}
    ahead = list(requirements)
    while ahead:
        requirement = ahead.pop()
        name = canonicalize_name(requirement.name)
        is_new, known = name not in found, found.setdefault(name, set())
        new = requirement.extras - known
        known |= new
        if member := members.get(name):
            ahead += member.dependencies if is_new else []
            ahead += [each for extra in new for each in member.extras.get(extra, ())]
    return found


def dependents(name: str, members: Mapping[str, Member]) -> list[str]:
    """The other members that declare this one, whatever for."""
    found = {other.name: {canonicalize_name(each.name) for each in other.requirements} for other in members.values()}
    return [other for other, declared in found.items() if other != name and canonicalize_name(name) in declared]


def _group(name: str, groups: Mapping[str, Any]) -> Iterator[Requirement]:
    for item in groups[name]:
        if isinstance(item, str):
            yield Requirement(item)
        else:
            yield from _group(item["include-group"], groups)


def _member(file: Path) -> Member:
    table = tomllib.loads(file.read_text())
    return Member(file.parent, table["project"], table.get("dependency-groups", {}), table.get("tool", {}))
