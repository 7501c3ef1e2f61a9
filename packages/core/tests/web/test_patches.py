"""A merge patch tells what it has from what it has not, which null is not (RFC 7396)."""

import pytest
from pydantic import Field, ValidationError

from core.web.patches import MergePatch


class Changes(MergePatch):
    """A body of PATCH."""

    name: str = Field(alias="label", min_length=1)
    note: str | None
    tags: list[str] | None = Field(max_length=2)


@pytest.mark.parametrize(
    ("sent", "changes"),
    [
        ({}, {}),
        ({"label": "a"}, {"name": "a"}),
        ({"note": None}, {"note": None}),
        ({"note": None, "label": "a"}, {"name": "a", "note": None}),
        ({"tags": ["a", "b"]}, {"tags": ["a", "b"]}),
    ],
)
def test_what_is_absent_is_no_change(sent, changes):
    assert Changes.model_validate(sent).changes() == changes


@pytest.mark.parametrize(
    "sent", [{"label": None}, {"label": ""}, {"name": "a"}, {"tags": [None]}, {"colour": None}, []]
)
def test_what_may_not_be_changed_so_is_refused(sent):
    with pytest.raises(ValidationError):
        Changes.model_validate(sent)


def test_the_schema_asks_for_nothing_and_has_no_defaults():
    schema = Changes.model_json_schema()
    assert "required" not in schema
    assert schema["additionalProperties"] is False
    assert schema["properties"].keys() == {"label", "note", "tags"}
    assert not any("default" in member for member in schema["properties"].values())
