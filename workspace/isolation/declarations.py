"""Holds what members import against what they declare, and the other way round."""

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from workspace.isolation.imports import Code, Import, read_code
from workspace.members import Member, closure, members_of


def breaches_of_declarations(root: Path) -> list[str]:
    """What members import and do not declare, and what they declare and must not or do not use, a line each."""
    members = members_of(root)
    breaches = [breach for member in members.values() for breach in breaches_of_member(member, members)]
    return [breach.replace(f"{root}/", "") for breach in breaches]


def breaches_of_member(member: Member, members: Mapping[str, Member]) -> list[str]:
    """The same of one member."""
    source, tests = read_code(member.folder / "src"), read_code(member.folder / "tests")
    undeclared = dict.fromkeys(_undeclared(member, members, source=source, tests=tests))
    return [*_siblings(member, members), *undeclared, *_unused(member, source=source, tests=tests)]


def _siblings(member: Member, members: Mapping[str, Member]) -> Iterator[str]:
    for name in sorted(closure(member.requirements, members).keys() & members.keys() - {member.name}):
        if members[name].folder.parent.name == "services":
            yield f"{member.folder}/pyproject.toml: {member.name} declares {name}, and nothing stands on a service"


def _undeclared(member: Member, members: Mapping[str, Member], *, source: Code, tests: Code) -> Iterator[str]:
    shipped = [*member.dependencies, *member.optional_dependencies]
    known = {member.name} | sys.stdlib_module_names
    for code, requirements, own in (
        (source, shipped, known),
        (tests, [*shipped, *member.test_group], known | tests.modules),
    ):
        declared = closure(requirements, members)
        for found in code.imports:
            if found.package not in own and (missing := _missing(found, declared, members)):
                yield f"{found.file}:{found.line}: {member.name} imports {found.package} and does not declare {missing}"


def _missing(found: Import, declared: Mapping[str, set[str]], members: Mapping[str, Member]) -> str | None:
    distributions = _distributions(found.package)
    if not distributions & declared.keys():
        return " or ".join(sorted(distributions))
    # The part of a member that needs one of its extras has the name of that extra: core.testing, core.local.
    part = found.name.removeprefix(f"{found.package}.").split(".")[0]
    if found.package in members and part in members[found.package].extras.keys() - declared[found.package]:
        return f"{found.package}[{part}]"
    return None


def _unused(member: Member, *, source: Code, tests: Code) -> Iterator[str]:
    others = {member.name, *member.used_by_others}
    for requirements, rooms in (
        (member.dependencies, [source]),
        # An extra may be a test kit, which is for the tests that stand on it: its own, too.
        (member.optional_dependencies, [source, tests]),
        (member.test_group, [tests]),
    ):
        named = {name for code in rooms for name in (*code.strings, *(found.package for found in code.imports))}
        used = {distribution for name in named for distribution in _distributions(name)}
        for name in sorted({canonicalize_name(each.name) for each in requirements} - used - others):
            yield f"{member.folder}/pyproject.toml: {member.name} declares {name} and does not use it"


def _distributions(package: str) -> set[str]:
    return {canonicalize_name(each) for each in _brought().get(package, [package])}


@cache
def _brought() -> Mapping[str, list[str]]:
    """The distributions that bring a package, of all that is installed here."""
    return packages_distributions()
