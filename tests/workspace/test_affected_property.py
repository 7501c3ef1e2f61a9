"""For random workspaces and random changes, `affected` names exactly the units that read something that differs."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
from small_workspaces import DEPENDENCIES, ROOT, Edge, Package, Packages, lock, project
from workspace.affected.decision import Sources, touched

MEMBERS = ["alpha", "beta", "gamma", "delta"]
OTHERS = ["nox", "ruff", "pytest", "left", "right"]
SUITES = {"system", "workspace"}
EXTRA, GROUP = "optional-dependencies.more", "dev-dependencies.test"
# The root's extra would be nobody's; a package from a registry has no groups.
PARTS = {True: (DEPENDENCIES, EXTRA, GROUP), False: (DEPENDENCIES, EXTRA)}


@st.composite
def workspaces(draw: st.DrawFn) -> Packages:
    """Members and others that name each other at random, in circles too, and a root that names some of them."""
    members = draw(st.lists(st.sampled_from(MEMBERS), min_size=1, unique=True))
    names = [*members, *OTHERS]
    edges = st.lists(st.tuples(st.sampled_from(names), st.sampled_from([(), ("more",)])), max_size=2).map(tuple)
    found = {name: draw(_package(edges, folder=f"services/{name}" if name in members else None)) for name in names}
    root = {DEPENDENCIES: draw(edges), "dev-dependencies.dev": (("nox", ()), ("ruff", ()), *draw(edges))}
    return {**found, ROOT: Package(root, folder=".")}


def _package(edges: st.SearchStrategy[tuple[Edge, ...]], *, folder: str | None) -> st.SearchStrategy[Package]:
    parts = st.fixed_dictionaries(dict.fromkeys(PARTS[folder is not None], edges))
    return st.builds(Package, parts=parts, folder=st.just(folder))


@st.composite
def relocked(draw: st.DrawFn, before: Packages) -> Packages:
    """The same workspace with up to two packages in another version, from other files, or naming others."""
    after = dict(before)
    for name in draw(st.lists(st.sampled_from(sorted(before)), max_size=2)):
        was = after[name]
        part = draw(st.sampled_from(sorted(was.parts)))
        other = draw(st.sampled_from(sorted(set(before) - {ROOT})))
        after[name] = draw(
            st.sampled_from(
                [
                    dataclasses.replace(was, version="2.0"),
                    dataclasses.replace(was, content="b"),
                    dataclasses.replace(was, parts={**was.parts, part: was.parts[part][1:]}),
                    dataclasses.replace(was, parts={**was.parts, part: (*was.parts[part], (other, ()))}),
                ]
            )
        )
    return after


IN_A_MEMBER = ["src/app.py", "src/terms.md", "pyproject.toml", "openapi.json", "tests/test_app.py", "README.md"]
AT_THE_ROOT = {
    "docs/http.md": set(),
    "bench/load.py": set(),
    "tests/system/test_journey.py": {"system"},
    "tests/tidy/test_tidy.py": {"workspace"},
    "dev": {*MEMBERS, *SUITES},
    "unknown": {*MEMBERS, *SUITES},
}


def some_paths(workspace: Packages) -> st.SearchStrategy[list[str]]:
    folders = [package.folder for name, package in workspace.items() if package.folder and name != ROOT]
    inside = [f"{folder}/{file}" for folder in folders for file in IN_A_MEMBER]
    return st.lists(st.sampled_from([*inside, *AT_THE_ROOT]), max_size=3, unique=True)


def environment(workspace: Packages, unit: str) -> set[tuple]:
    """The parts of packages that the tests of a unit are run with, each with its files and what it names in turn."""
    members = [name for name, package in workspace.items() if package.folder]
    if unit == "system":
        kept = {part: without_tools(edges) for part, edges in workspace[ROOT].parts.items()}
        workspace = {**workspace, ROOT: dataclasses.replace(workspace[ROOT], parts=kept)}
    roots = {"system": [ROOT], "workspace": members}.get(unit, [unit])
    found = {(name, part) for name in (*roots, "nox") for part in workspace[name].parts}
    while more := {to for name, part in found for to in named(workspace[name].parts[part])} - found:
        found |= more
    return {
        (name, part, package.version, package.content * (not package.folder), tuple(sorted(package.parts[part])))
        for name, part in found
        for package in [workspace[name]]
    }


def without_tools(edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
    return tuple(edge for edge in edges if edge[0] not in {"nox", "ruff"})


def named(edges: tuple[Edge, ...]) -> set[tuple[str, str]]:
    return {(to, part) for to, extras in edges for part in (DEPENDENCIES, *([EXTRA] if extras else []))}


def reads(workspace: Packages, unit: str, path: str) -> bool:
    """Whether the tests of a unit read a file."""
    if path in AT_THE_ROOT:
        return unit in AT_THE_ROOT[path]
    _, member, file = path.split("/", 2)
    if file.startswith("tests/"):
        return unit in {member, "workspace"}
    used = unit in SUITES or any(name == member for name, *_ in environment(workspace, unit))
    return used and file != "README.md"


@given(st.data())
def test_a_unit_is_touched_if_what_its_tests_read_or_are_run_with_differs(data):
    before = data.draw(workspaces())
    after = data.draw(relocked(before))
    paths = data.draw(some_paths(before))
    units = [name for name, package in before.items() if package.folder and name != ROOT]
    found = touched(
        paths, before=Sources(project(), lock(before)), after=Sources(project(), lock(after)), members=units
    )
    assert set(found) == {
        unit
        for unit in (*units, *SUITES)
        if environment(before, unit) != environment(after, unit)
        or any(reads(workspace, unit, path) for workspace in (before, after) for path in paths)
    }
