"""The root's pyproject.toml, table by table: whose tests could come out otherwise if one differs."""

from collections.abc import Iterator, Mapping
from typing import Any

from workspace.affected.units import EVERYTHING, NOTHING, SUITES, Units

# The longest key that fits decides; a table that is not named here could change any test.
# Whatever differs, if only a comment, the suite `workspace` is touched: it writes services into this very text.
TOUCHES: Mapping[str, Units] = {
    "project.name": NOTHING,
    "project.version": NOTHING,
    "project.description": NOTHING,
    "project.dependencies": SUITES,
    # What they come to is in uv.lock, and that is compared by itself.
    "dependency-groups": NOTHING,
    "tool.uv.sources": NOTHING,
    "tool.uv.workspace": NOTHING,
    # The sessions that read these run for every change.
    "tool.importlinter": NOTHING,
    "tool.pyrefly": NOTHING,
    "tool.ruff": NOTHING,
}


def differences(before: Mapping[str, Any], after: Mapping[str, Any], *, at: str = "") -> Iterator[tuple[str, Units]]:
    """Each table that differs, as fine as TOUCHES tells them apart, and what that touches."""
    for key in sorted(before.keys() | after.keys()):
        name = f"{at}{key}"
        old, new = before.get(key, {}), after.get(key, {})
        if old == new and (key in before) == (key in after):
            continue
        if (
            any(known.startswith(f"{name}.") for known in TOUCHES)
            and isinstance(old, Mapping)
            and isinstance(new, Mapping)
        ):
            yield from differences(old, new, at=f"{name}.")
        else:
            yield name, TOUCHES.get(name, EVERYTHING)
