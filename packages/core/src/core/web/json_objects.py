"""Members of a body that are objects of the client's own making, as far as every part of a service can hold them."""

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

# Far more than anybody means, and far less than what a serializer or PostgreSQL gives up at.
DEPTH_MAX = 32


def _held(value: dict[str, Any]) -> dict[str, Any]:
    """Neither deep nor of what Python reads and JSON does not have: NaN, infinity, half a surrogate pair; nor NUL."""
    level: list[Any] = [value]
    for _ in range(DEPTH_MAX):
        level = [part for whole in level for part in _parts(whole)]
        if not level:
            return value
    raise ValueError(f"it is nested more than {DEPTH_MAX} deep")


def _parts(whole: Any) -> list[Any]:
    """What is directly within an object or a list; nothing is within anything else, which must be fit to be held."""
    match whole:
        case Mapping():
            return [*whole, *whole.values()]
        case list():
            return whole
        case float() if not math.isfinite(whole):
            raise ValueError("a number in it is not finite")
        case str() if not _is_text(whole):
            raise ValueError("a text in it has a NUL or half of a surrogate pair")
        case _:
            return []


def _is_text(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


# JSON as the client likes it; `core.merge_patches.patched` applies a patch of it.
JsonObject = Annotated[dict[str, Any], AfterValidator(_held)]
