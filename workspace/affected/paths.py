"""A changed path: whose tests could come out otherwise."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from workspace.affected.units import EVERYTHING, NOTHING, SUITES, SYSTEM, WORKSPACE, Touch, Units

_WORKSPACE_ALONE: Units = frozenset({WORKSPACE})

# Outside of the members the first line that fits decides, and what fits none could change any test.
# `*` stands for slashes, too.
# Lint, types, imports, tidy, docs, contract and migrations run for every change: what only they read touches nothing.
TOUCHES: list[tuple[str, Units]] = [
    ("tests/system/*", frozenset({SYSTEM})),
    ("tests/edge/*", frozenset({SYSTEM})),
    # The images are tested where the journeys are.
    ("tests/images/*", frozenset({SYSTEM})),
    (".dockerignore", frozenset({SYSTEM})),
    # The conformance suite of each member runs behind it, too.
    ("deploy/edge/Caddyfile", EVERYTHING),
    # A new service gets its lines there.
    ("deploy/*", SUITES),
    ("compose.yaml", SUITES),
    ("tests/workspace/*", _WORKSPACE_ALONE),
    # Build each member, beside its tests.
    ("workspace/isolation/*", EVERYTHING),
    ("workspace/members.py", EVERYTHING),
    ("workspace/*", _WORKSPACE_ALONE),
    # A generated service passes these; one that becomes stricter may refuse it, and no service that is here.
    ("tests/contract/*", _WORKSPACE_ALONE),
    ("tests/dev/*", _WORKSPACE_ALONE),
    ("tests/docs/*", _WORKSPACE_ALONE),
    ("tests/tidy/*", _WORKSPACE_ALONE),
    # Says what a copy of the repository holds.
    (".gitignore", _WORKSPACE_ALONE),
    # The commands of the one are run, one by one; the code of the other is held against what is made.
    ("docs/first-service.md", _WORKSPACE_ALONE),
    ("docs/events.md", _WORKSPACE_ALONE),
    ("docs/*", NOTHING),
    ("*.md", NOTHING),
    ("bench/*", NOTHING),
    # These run the tests.
    ("dev", EVERYTHING),
    ("noxfile.py", EVERYTHING),
    (".github/workflows/*", EVERYTHING),
]


def touches(path: str, *, folders: Mapping[str, str], users: Mapping[str, Units]) -> Iterator[Touch]:
    """What one path touches.

    Args:
        path: With slashes, from the root.
        folders: The member in each folder that has or had one.
        users: For each member, those whose environments hold it.
    """
    for folder, member in folders.items():
        if path == folder or path.startswith(f"{folder}/"):
            yield from _touches_inside(path.removeprefix(folder).lstrip("/"), member, users[member], path)
            return
    units = next((units for pattern, units in TOUCHES if fnmatchcase(path, pattern)), EVERYTHING)
    yield Touch(units, "could change any test" if units == EVERYTHING else "its own files", path)


def _touches_inside(inside: str, member: str, users: Units, path: str) -> Iterator[Touch]:
    if inside.endswith(".md") and not inside.startswith(("src/", "tests/")):
        return
    yield Touch(frozenset({member}), "its own files", path)
    # The tests of a member are installed nowhere; a generated slice is tested beside them.
    yield Touch(_WORKSPACE_ALONE, f"copies {member}", path)
    if not inside.startswith("tests/"):
        yield Touch(users - {member}, f"uses {member}", path)
        yield Touch(frozenset({SYSTEM}), f"starts {member}", path)
