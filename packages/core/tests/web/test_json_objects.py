"""Objects of a client's own making: JSON as it likes, and nothing that a service could not hold."""

import pytest
from pydantic import TypeAdapter, ValidationError

from core.web.json_objects import DEPTH_MAX, JsonObject

OBJECTS = TypeAdapter(JsonObject)


def nested(depth: int) -> dict:
    """So many objects and lists within each other, a number within the last."""
    value: object = 1
    for level in range(depth - 1):
        value = [value] if level % 2 else {"a": value}
    return {"a": value}


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": None, "b": True, "c": [1, 1.5, "two\nlines", {"d": "😀"}]},
        {"a": 10**4000, "": ""},
        nested(DEPTH_MAX - 1),
    ],
    ids=lambda value: f"{ascii(value)[:20]} {len(ascii(value))}",
)
def test_what_is_json_is_taken_as_it_is(value):
    assert OBJECTS.validate_python(value) == value


@pytest.mark.parametrize(
    "value",
    [
        *({"a": [each]} for each in (float("nan"), float("inf"), float("-inf"), "\ud800", "\x00", {"\udfff": 1})),
        {"\x00": 1},
        nested(DEPTH_MAX),
        nested(900),
        [],
        "text",
    ],
    ids=lambda value: f"{ascii(value)[:20]} {len(ascii(value))}",
)
def test_what_no_part_could_hold_is_refused(value):
    with pytest.raises(ValidationError):
        OBJECTS.validate_python(value)
