"""What a JSON merge patch makes of a value (RFC 7396)."""

from collections.abc import Mapping
from typing import Any


def patched(value: Any, patch: Any) -> Any:
    """`value` with `patch` applied, as section 2 of the RFC has it; `value` itself stays as it is.

    What is an object in both is merged, member by member; null removes a member; all else replaces.
    """
    if not isinstance(patch, Mapping):
        return patch
    result = _object(value)
    # A list, not a recursion: who sends a patch decides how deep it is.
    ahead = [(result, patch)]
    while ahead:
        members, changes = ahead.pop()
        for name, change in changes.items():
            if change is None:
                members.pop(name, None)
            elif isinstance(change, Mapping):
                members[name] = _object(members.get(name))
                ahead.append((members[name], change))
            else:
                members[name] = change
    return result


def _object(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
