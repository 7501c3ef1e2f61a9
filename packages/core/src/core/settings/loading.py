"""Reading the settings of a process once, from layers of which each may override the one below."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError, create_model

from core.settings.fields import table_of
from core.settings.groups import DatabaseSettings, Group
from core.settings.layers import Leaves, Reader, tree
from core.settings.model import ChassisSettings, ServiceSettings
from core.settings.report import ConfigurationError, Problem, problems_in
from core.settings.trees import groups_of, merged
from core.settings.variables import Location

Settings = TypeVar("Settings", bound=ChassisSettings)
Held_co = TypeVar("Held_co", bound=ChassisSettings, covariant=True)

DEFAULT = "default"
HOST, OVERRIDE = "host default", "override"
# Where Docker and Compose mount secrets.
SECRETS_DIR = Path("/run/secrets")

# These decide which layers there are, so they are read before the file and the folder that they decide about.
_FIRST: tuple[Location, ...] = (("environment",), ("secrets_dir",))


@dataclass(frozen=True, slots=True)
class Loaded(Generic[Held_co]):
    """Settings, and the layer that each given value came from (a value without an origin is a default)."""

    settings: Held_co
    origins: Mapping[Location, str]


def load(
    settings: type[Settings],
    *,
    defaults: Mapping[str, object] | None = None,
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    env_file: Path = Path(".env"),
) -> Loaded[Settings]:
    """The settings out of all their layers.

    Lowest first: the class (a default may depend on the environment), the host's `defaults`, `env_file` (in the
    environment `local` only), the secrets directory, `environ` (that of this process, unless given), `overrides`.
    `defaults` and `overrides` are nested like the class: `{"server": {"port": 8001}}`.

    Raises:
        ConfigurationError: some of it is wrong, unknown or missing; it names all of that at once.
    """
    given = gather(settings, defaults=defaults, overrides=overrides, environ=environ, env_file=env_file)
    built, problems = _built(settings, given.leaves)
    if built is None or given.problems:
        raise _refusal(settings, [*problems, *given.problems], given, env_file)
    return Loaded(built, {path: leaf.origin for path, leaf in given.leaves.items()})


def load_database(settings: type[ServiceSettings]) -> DatabaseSettings:
    """How the database is reached, for what needs nothing else: other settings may be missing or wrong.

    Raises:
        ConfigurationError: some of it is wrong or missing, or a variable is none of the service's.
    """
    given = gather(settings)
    asked = {name: settings.model_fields[name] for name in ("environment", "secrets_dir", "database")}
    leaves = {path: leaf for path, leaf in given.leaves.items() if path[0] in asked}
    fields: dict[str, Any] = {name: (field.annotation, field) for name, field in asked.items()}
    part: Any = create_model("Part", __base__=Group, **fields)
    built, problems = None, []
    try:
        built = part(**merged(groups_of(part), tree(leaves)))
    except ValidationError as refused:
        problems = [_traced(problem, leaves) for problem in problems_in(refused, table_of(settings))]
    if built is None or given.problems:
        raise _refusal(settings, [*problems, *given.problems], given, Path(".env"))
    return built.database


@dataclass(frozen=True, slots=True)
class Given:
    """What the layers say, not validated yet, and what of it has no place."""

    leaves: Leaves
    problems: Sequence[Problem]
    # The one that decides which files are read; whether it was given at all.
    environment: object
    is_chosen: bool


def gather(
    settings: type[ChassisSettings],
    *,
    defaults: Mapping[str, object] | None = None,
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    env_file: Path = Path(".env"),
) -> Given:
    """Every value given, the highest layer's where several have one; `load` says which layers there are."""
    if not settings.name:
        raise TypeError(f"{settings.__name__} has no env_prefix, so no variable is its own")
    reader = Reader(table_of(settings))
    lowest = reader.nested(defaults or {}, HOST)
    given = reader.environment(os.environ if environ is None else environ)
    highest = reader.nested(overrides or {}, OVERRIDE)
    first = {path: (lowest | given | highest)[path] for path in _FIRST if path in lowest | given | highest}
    is_chosen = _FIRST[0] in first
    environment = first[_FIRST[0]].value if is_chosen else settings.model_fields["environment"].default
    files = _files(reader, first, env_file if environment == "local" else None)
    return Given(lowest | files | given | highest, reader.problems, environment, is_chosen)


def _files(reader: Reader, first: Leaves, env_file: Path | None) -> Leaves:
    leaves: Leaves = {}
    if env_file and env_file.exists():
        leaves |= reader.env_file(env_file)
    if folder := first.get(("secrets_dir",)):
        leaves |= reader.secrets(Path(str(folder.value)))
    elif SECRETS_DIR.is_dir():
        leaves |= reader.secrets(SECRETS_DIR)
    for path in _FIRST:
        leaf = leaves.pop(path, None)
        # The same value again is harmless: a .env may serve the shell as well.
        if leaf and (path not in first or str(leaf.value) != str(first[path].value)):
            name = reader.table.name(path)
            remedy = "set it in the environment: it decides which files are read"
            reader.problems.append(Problem(name, "has no effect here", path=path, origin=leaf.origin, remedy=remedy))
    return leaves


def _built(settings: type[Settings], leaves: Leaves) -> tuple[Settings | None, list[Problem]]:
    try:
        return settings(**tree(leaves)), []
    except ConfigurationError as refused:
        problems = refused.problems
    return None, [_traced(problem, leaves) for problem in problems]


def _traced(problem: Problem, leaves: Leaves) -> Problem:
    if not problem.origin:
        return problem
    return replace(problem, origin=leaves[problem.path].origin if problem.path in leaves else DEFAULT)


def _refusal(
    settings: type[ChassisSettings], problems: Iterable[Problem], given: Given, env_file: Path
) -> ConfigurationError:
    variable = f"{settings.name}_ENVIRONMENT".upper()
    return ConfigurationError(
        settings.name, problems, _notes(variable, given.environment, env_file, chosen=given.is_chosen)
    )


def _notes(variable: str, environment: object, env_file: Path, *, chosen: bool) -> Iterable[str]:
    if environment != "local" and not chosen:
        yield f"{variable} is not set, so this is {environment}; on a laptop, set it to local."
    if environment != "local" and env_file.exists():
        yield f"{env_file} is not read: only the environment local reads it."
