"""Settings as rows to print: what a process runs with, and what a service can be told."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from core.redaction import MASK
from core.settings.fields import table_of
from core.settings.layers import Reader
from core.settings.loading import DEFAULT, Given, Loaded
from core.settings.model import ChassisSettings
from core.settings.variables import ANY, Location, Table, Variable

LOCAL_DEFAULT, MISSING = "local default", "missing"


@dataclass(frozen=True, slots=True)
class Row:
    """One setting of a running process; `value` is safe to print."""

    variable: str
    value: str
    origin: str
    description: str


def describe(loaded: Loaded[ChassisSettings]) -> list[Row]:
    """Every setting with its value and the layer it came from, in the order of the class."""
    settings = loaded.settings
    local = _local_defaults(table_of(type(settings)), type(settings)) if settings.environment == "local" else {}
    rows = []
    for variable, value in _values(settings):
        text = variable.show(value)
        derived = LOCAL_DEFAULT if variable.path in local else "derived"
        default = DEFAULT if text == (variable.default or "") else derived
        rows.append(Row(variable.name, text, loaded.origins.get(variable.path, default), variable.description))
    return rows


def outline(settings: type[ChassisSettings], given: Given) -> list[Row]:
    """Every setting as it was given or by default, and none validated: of a configuration that is refused."""
    table = table_of(settings)
    local = _local_defaults(table, settings) if given.environment == "local" else {}
    rows = []
    for variable in _known(table, given):
        leaf = given.leaves.get(variable.path)
        if leaf is not None:
            value, origin = variable.show(leaf.value), leaf.origin
        elif variable.path in local:
            value, origin = local[variable.path], LOCAL_DEFAULT
        else:
            value, origin = variable.default or "", MISSING if variable.required else DEFAULT
        rows.append(Row(variable.name, value, origin, variable.description))
    return rows


def _known(table: Table, given: Given) -> Iterator[Variable]:
    """The variables of a table, in place of those that an operator names the ones that are given."""
    for variable in table.variables:
        if ANY not in variable.path:
            yield variable
    for path in given.leaves:
        variable = table.find(path)
        if variable is not None and variable not in table.variables:
            yield variable


def variables(settings: type[ChassisSettings]) -> list[Variable]:
    """Every variable of a service, with its bounds and its defaults: what documentation and `.env.example` say."""
    table = table_of(settings)
    local = _local_defaults(table, settings)
    return [replace(variable, local=local.get(variable.path)) for variable in table.variables]


def env_example(settings: type[ChassisSettings]) -> str:
    """A `.env` for a laptop in which every variable stands, commented out, with what it accepts and its default."""
    lines = [f"# Every setting of {settings.name}. As it stands, this file changes nothing.", ""]
    for variable in variables(settings):
        default = variable.default if variable.local is None else variable.local
        example = "" if default in {None, MASK} else default
        lines += [f"# {variable.description}", f"# Accepts {variable.accepts}.", f"#{variable.name}={example}", ""]
    return "\n".join(lines)


def _local_defaults(table: Table, settings: type[ChassisSettings]) -> dict[Location, str]:
    leaves = Reader(table).nested(settings.local_defaults({}), DEFAULT)
    shown = {path: table.find(path) for path in leaves}
    return {path: variable.show(leaves[path].value) for path, variable in shown.items() if variable}


def _values(settings: ChassisSettings) -> Iterator[tuple[Variable, object]]:
    table = table_of(type(settings))
    for variable in table.variables:
        for path, value in _reached(settings, variable.path):
            yield replace(variable, name=table.name(path), path=path), value


def _reached(holder: Any, ahead: Location, path: Location = ()) -> Iterator[tuple[Location, object]]:
    """The value at a place; several where an operator chooses the names, none in a group that is not there."""
    if not ahead:
        yield path, holder
    elif ahead[0] == ANY:
        for name in holder:
            yield from _reached(holder[name], ahead[1:], (*path, name))
    elif holder is not None:
        yield from _reached(getattr(holder, ahead[0]), ahead[1:], (*path, ahead[0]))
