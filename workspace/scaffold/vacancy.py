"""Whether a name is free for all that it would stand for: folder, package, distribution, variables, URL, command."""

import ast
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from packaging.utils import canonicalize_name

from workspace.members import members_of
from workspace.scaffold import deployment, worktree
from workspace.scaffold.identifiers import classes, classes_of_slice, events_of_slice, parsed, texts
from workspace.scaffold.naming import check_form
from workspace.scaffold.refusals import Refused
from workspace.scaffold.template import TESTS_OF_SLICE, Names

# What PostgreSQL keeps for itself (template databases, predefined roles): a service's database and role have its name.
DATABASES = re.compile(r"postgres|template[01]|public|pg_.*")
# What the workspace itself calls, and would find hidden by a service's command.
PROGRAMS = {"env", "git", "sh", "uv"}


def check_service(root: Path, service: str) -> None:
    """Looks at everything that a service's name becomes.

    Raises:
        Refused: it cannot be a name, or something has it already.
    """
    check_form(service, "service")
    for reason in (*_taken_here(root, service), *_taken_elsewhere(root, service), *_mistaken_variables(root, service)):
        raise Refused(f"{service!r} cannot be the name of a service: {reason}.")


def check_slice(root: Path, names: Names, trees: list[ast.Module]) -> None:
    """Looks at everything that the slice would bring into an existing service.

    Raises:
        Refused: the service has some of it already.
    """
    folder = root / "services" / names.service
    package = folder / "src" / names.service
    tests = (folder / names.put(str(test)) for test in TESTS_OF_SLICE)
    for path in (package / names.slice, package / f"{names.slice}.py", *tests):
        if path.exists():
            raise Refused(f"{names.service} has {path.relative_to(folder)} already: choose another name.")
    if taken := texts(trees) & {names.slice, f"/v1/{names.slice}"}:
        raise Refused(f"{names.service} has a table, a tag or a path {min(taken)!r} already: choose another name.")
    if taken := texts(trees) & events_of_slice(names):
        raise Refused(f"{names.service} has an event {min(taken)!r} already, which the slice would have as well.")
    if taken := classes(trees) & classes_of_slice(names):
        raise Refused(f"{names.service} has a class {min(taken)!r} already, which the slice would have as well.")


def check_visible(root: Path, files: Iterable[Path]) -> None:
    """Looks at what would be written as git does.

    Raises:
        Refused: git would never see some of it.
    """
    if hidden := worktree.ignored(root, files):
        raise Refused(f"git would not see {hidden[0]}, which .gitignore hides: choose another name.")


def _taken_here(root: Path, service: str) -> Iterator[str]:
    """By something of the workspace."""
    for folder in ("services", "packages"):
        if (root / folder / service).exists():
            yield f"there is a folder {folder}/{service}"
    if service in deployment.names(root):
        yield f"{deployment.COMPOSE} calls something else by it"
    if (root / "tests" / service).exists():
        yield f"the suite tests/{service} has it"
    workspace = tomllib.loads((root / "pyproject.toml").read_text())
    for path in workspace["tool"]["pyrefly"]["search-path"]:
        if (root / path / service / "__init__.py").exists() or (root / path / f"{service}.py").exists():
            yield f"a module in {path} has it"
    if service in _first_segments(root):
        yield f"the gateway answers /{service} itself"


def _taken_elsewhere(root: Path, service: str) -> Iterator[str]:
    """By Python, or something that is or would be installed, or PostgreSQL."""
    if DATABASES.fullmatch(service):
        yield "PostgreSQL keeps it for itself"
    if find_spec(service) is not None:
        yield f"`import {service}` finds something else"
    # 300 times as fast as to parse it.
    if f'\nname = "{canonicalize_name(service)}"\n' in (root / "uv.lock").read_text():
        yield "a distribution in uv.lock has it"
    if service in PROGRAMS or (Path(sys.executable).parent / service).exists():
        yield "its command would hide a program"


def _first_segments(root: Path) -> set[str]:
    """What begins the paths that every process answers, and those of the gateway."""
    folders = (root / "packages/core/src/core/web", root / "services/gateway/src/gateway")
    paths = texts(parsed(file) for folder in folders for file in folder.rglob("*.py"))
    return {path.split("/")[1] for path in paths if path.startswith("/")}


def _mistaken_variables(root: Path, service: str) -> Iterator[str]:
    """A process refuses variables that begin with its prefix and are no settings."""
    prefix = f"{service}_".upper()
    for other in members_of(root):
        if prefix.startswith(f"{other}_".upper()) or f"{other}_".upper().startswith(prefix):
            yield f"its variables could not be told from those of {other}, which begin alike"
    for variable in sorted(os.environ):
        if variable.upper().startswith(prefix):
            yield f"it would take the variable {variable}, which is set here, for its own"
