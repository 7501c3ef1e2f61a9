"""The layers a value can come from, each read into leaves that remember their origin."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from core.settings.report import Problem, unknown
from core.settings.trees import Values, plain
from core.settings.variables import Location, Table, Variable

# Kubernetes and Docker put these beside every process that can reach a service called like ours.
_SERVICE_LINK = re.compile(r"SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value, not validated yet, and the layer that it stands in."""

    value: object = field(repr=False)
    origin: str


Leaves = dict[Location, Leaf]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads layers; what has no place among the settings, or cannot be read, becomes a problem."""

    table: Table
    problems: list[Problem] = field(default_factory=list)

    def nested(self, values: Mapping[str, object], origin: str) -> Leaves:
        """Values as the settings class has them: groups within groups."""
        return self._nested(plain(values), origin, ())

    def environment(self, environ: Mapping[str, str]) -> Leaves:
        """The variables of a process that have the service's prefix, whatever their case."""
        ours = {name: text for name, text in environ.items() if self.table.owns(name)}
        return self._named({name: text for name, text in ours.items() if not self._is_link(name, text)}, "environment")

    def env_file(self, file: Path) -> Leaves:
        """A `.env`, taken literally: `$` in a password means itself."""
        try:
            pairs = dotenv_values(file, interpolate=False)
        except (OSError, UnicodeDecodeError) as refused:
            return self._unreadable(file, refused)
        return self._named({name: text or "" for name, text in pairs.items() if self.table.owns(name)}, str(file))

    def secrets(self, folder: Path) -> Leaves:
        """One file a variable, named like it in upper or lower case; other files belong to others."""
        leaves: Leaves = {}
        try:
            files = sorted(file for file in folder.iterdir() if self.table.owns(file.name) and file.is_file())
        except OSError as refused:
            return self._unreadable(folder, refused)
        for file in files:
            try:
                text = file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as refused:
                self._unreadable(file, refused)
            else:
                leaves |= self._named({file.name: text}, str(file))
        return leaves

    def _named(self, pairs: Mapping[str, str], origin: str) -> Leaves:
        leaves: Leaves = {}
        for name, text in pairs.items():
            path = self.table.path(name)
            variable = self.table.find(path)
            if variable is None:
                self.problems.append(unknown(self.table, path, origin))
            # Compose passes an empty text for a variable that is not set: empty means not set.
            elif text:
                leaves[path] = Leaf(_decoded(variable, text), origin)
        return leaves

    def _nested(self, values: Values, origin: str, path: Location) -> Leaves:
        leaves: Leaves = {}
        for key, value in values.items():
            place = (*path, key)
            if self.table.find(place):
                leaves[place] = Leaf(value, origin)
            elif isinstance(value, dict) and self.table.below(place):
                leaves |= self._nested(value, origin, place)
            else:
                self.problems.append(unknown(self.table, place, origin))
        return leaves

    def _is_link(self, name: str, text: str) -> bool:
        rest = name[len(self.table.prefix) :]
        return bool(_SERVICE_LINK.fullmatch(rest)) or (rest == "PORT" and "://" in text)

    def _unreadable(self, file: Path, refused: OSError | UnicodeDecodeError) -> Leaves:
        reason = (refused.strerror or "unknown error") if isinstance(refused, OSError) else "it is not UTF-8 text"
        self.problems.append(Problem(str(file), f"cannot be read: {reason}", remedy="make it readable, as UTF-8 text"))
        return {}


def tree(leaves: Leaves) -> Values:
    """The leaves as nested values."""
    root: Values = {}
    for path, leaf in leaves.items():
        group = root
        for key in path[:-1]:
            group = group.setdefault(key, {})
        group[path[-1]] = leaf.value
    return root


def _decoded(variable: Variable, text: str) -> object:
    return [item.strip() for item in text.split(",") if item.strip()] if variable.many else text
