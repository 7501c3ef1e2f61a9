"""The answer: each unit that a change touches, and why."""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workspace.affected import environments, paths, tables
from workspace.affected.lock import Lock, Table
from workspace.affected.units import EVERYTHING, SUITES, WORKSPACE, Touch

LOCK = "uv.lock"
PROJECT = "pyproject.toml"

# For each unit that is touched, the paths, tables and packages that touch it, by the kind of reason.
Reasons = dict[str, dict[str, list[str]]]


@dataclass(frozen=True, slots=True)
class Sources:
    """The two files at the root that say what depends on what, as text; nothing where there is no such file."""

    project: str
    lock: str

    def read(self) -> tuple[Table, Lock]:
        """What they say.

        Raises:
            ValueError: one of them cannot be read.
        """
        try:
            project = tomllib.loads(self.project)
        except ValueError as wrong:
            raise ValueError(f"{PROJECT}: {wrong}") from wrong
        try:
            return project, Lock.read(self.lock)
        except ValueError as wrong:
            raise ValueError(f"{LOCK}: {wrong}") from wrong


def touched(changed: Iterable[str], *, before: Sources, after: Sources, members: Iterable[str]) -> Reasons:
    """What a change touches of the members that are there now and of the suites."""
    units = {*members, *SUITES}
    reasons: Reasons = {unit: {} for unit in sorted(units)}
    for touch in _touches(sorted(changed), before, after, units - SUITES):
        for unit in units if touch.units == EVERYTHING else units & touch.units:
            reasons[unit].setdefault(touch.because, []).append(touch.what)
    return {unit: why for unit, why in reasons.items() if why}


def _touches(changed: list[str], before: Sources, after: Sources, members: set[str]) -> Iterator[Touch]:
    try:
        (old_project, old_lock), (project, lock) = before.read(), after.read()
    except ValueError as wrong:
        yield Touch(EVERYTHING, "cannot be compared", str(wrong))
        return
    yield from (Touch(EVERYTHING, f"not in {LOCK}", member) for member in sorted(members - lock.members.keys()))
    differing = tables.differences(old_project, project)
    yield from (Touch(units, f"otherwise in {PROJECT}", table) for table, units in differing)
    yield from environments.touches(old_lock, lock)
    users = environments.users(old_lock, lock)
    folders = {folder: member for each in (old_lock, lock) for member, folder in each.members.items() if folder != "."}
    for path in changed:
        if path in {LOCK, PROJECT}:
            # Beside what they say: it writes services into their very text.
            yield Touch(frozenset({WORKSPACE}), "its own files", path)
        else:
            yield from paths.touches(path, folders=folders, users=users)
