"""Identifiers: UUIDv7 inside, TypeID on the wire (`inv_01h455vb4pex5vsknk084sn02q`)."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from secrets import randbits
from threading import Lock
from typing import Any
from uuid import UUID

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

# TypeID 0.3: Crockford's letters, lower case only, and no letter may stand for another.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PREFIX_CHARS_MAX = 63
_PREFIX = re.compile(r"(?:[a-z](?:[a-z_]*[a-z])?)?")
# 26 letters hold 130 bits: a first letter above 7 would not fit a UUID's 128.
_SUFFIX_PATTERN = f"[0-7][{_ALPHABET}]{{25}}"
_SUFFIX = re.compile(_SUFFIX_PATTERN)
_SUFFIX_EXAMPLE = "01h455vb4pex5vsknk084sn02q"

# Two letters a step, because every id of every response passes here: 1.0 µs, letter by letter 2.4.
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_PAIR_SHIFTS = range(120, -1, -10)
_TO_INT_DIGITS = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")


class TimeOrderedIds:
    """UUIDv7 (RFC 9562, section 5.7), each one larger than the one before, from any thread."""

    def __init__(self, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._now_ns = now_ns
        self._lock = Lock()
        self._last_tick = 0

    def new(self) -> UUID:
        """The next id; it sorts after its predecessors even where the clock stood still or was set back."""
        tick, random = self._next_tick(), randbits(62)
        milliseconds, fraction = tick >> 12, tick & 0xFFF
        return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random)

    def _next_tick(self) -> int:
        # A tick is 1/4096 ms: rand_a holds the fraction of the millisecond (RFC 9562, section 6.2, method 3) and counts
        # on from there within one (method 1).
        with self._lock:
            self._last_tick = max(self._last_tick + 1, self._now_ns() * 4096 // 1_000_000)
            return self._last_tick


_ids = TimeOrderedIds()


def new_id() -> UUID:
    """A new UUIDv7; ids made by one process sort in the order of their making."""
    return _ids.new()


def format_id(prefix: str, value: UUID) -> str:
    """The TypeID of a UUID (TypeID 0.3).

    Raises:
        ValueError: the prefix is not one to sixty-three of `a-z_`, with a letter first and last, nor empty.
    """
    number = value.int
    return _stem(prefix) + "".join([_PAIRS[number >> shift & 0x3FF] for shift in _PAIR_SHIFTS])


def parse_id(prefix: str, text: str) -> UUID:
    """The UUID of a TypeID (TypeID 0.3).

    Raises:
        ValueError: the text is not a TypeID with this prefix, or the prefix is none.
    """
    stem = _stem(prefix)
    if not text.startswith(stem) or _SUFFIX.fullmatch(text, len(stem)) is None:
        raise ValueError(f"not an id of the form {stem}{_SUFFIX_EXAMPLE}")
    return UUID(int=int(text[len(stem) :].translate(_TO_INT_DIGITS), 32))


@lru_cache(maxsize=256)
def _stem(prefix: str) -> str:
    """What stands before the suffix: the prefix and its underscore, or nothing."""
    if len(prefix) > _PREFIX_CHARS_MAX or _PREFIX.fullmatch(prefix) is None:
        raise ValueError(f"not a TypeID prefix: {prefix!r}")
    return f"{prefix}_" if prefix else ""


@dataclass(frozen=True, slots=True)
class TypeId:
    """Makes a UUID a TypeID on the wire: `InvoiceId = Annotated[UUID, TypeId("inv")]`.

    Python keeps the UUID; JSON, paths and queries carry the TypeID. Anything else is refused with the error type
    `type_id`, before any query.
    """

    prefix: str

    def __post_init__(self) -> None:
        _stem(self.prefix)

    @property
    def example(self) -> str:
        """An id of this kind, for documentation."""
        return _stem(self.prefix) + _SUFFIX_EXAMPLE

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(self._serialize, when_used="json"),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        pattern = f"^{_stem(self.prefix)}{_SUFFIX_PATTERN}$"
        return {"type": "string", "pattern": pattern, "examples": [self.example]}

    def _validate(self, value: object) -> UUID:
        if isinstance(value, UUID):
            return value
        if isinstance(value, str):
            try:
                return parse_id(self.prefix, value)
            except ValueError:
                pass
        raise PydanticCustomError("type_id", "Input should be an id such as {example}", {"example": self.example})

    def _serialize(self, value: UUID) -> str:
        return format_id(self.prefix, value)
