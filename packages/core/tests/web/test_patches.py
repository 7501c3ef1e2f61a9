"""A merge patch tells what it has from what it has not, which null is not (RFC 7396)."""

from typing import Annotated, Any

import pytest
from bare import bare
from pydantic import Field, ValidationError

from core.merge_patches import patched
from core.routing import public
from core.testing import problem, running
from core.testing.open_router import OpenRouter
from core.web.json_objects import JsonObject
from core.web.patches import Merged, MergePatch
from core.web.text import Line, Text

MERGE_PATCH = "application/merge-patch+json"

# As a service would have it: a label of the client's own, and what it says; null removes it.
Key = Annotated[Line, Field(max_length=40)]
Value = Annotated[Text, Field(max_length=500)]


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


class Labels(MergePatch):
    """A body of PATCH with objects of the client's own making, one of them flat."""

    metadata: dict[Key, Value | None] | None = Field(max_length=50)
    anything: JsonObject | None


router = OpenRouter(prefix="/v1/labels", tags=["labels"])
KEPT = {"metadata": {"colour": "red", "size": "1"}, "anything": {"a": {"b": 1, "c": 2}}}


@router.patch("")
@public
async def change(patch: Merged[Labels]) -> dict[str, Any]:
    """Shows what a patch makes of what is kept."""
    return patched(KEPT, patch.changes())


@router.put("")
@public
async def replace(patch: Merged[Labels]) -> dict[str, Any]:
    """Reads the same, and patches nothing."""
    return patch.changes()


@router.post("")
@public
async def make(labels: Labels) -> dict[str, Any]:
    """Reads any JSON."""
    return labels.changes()


@pytest.fixture
async def anybody():
    async with running(bare(router)) as client:
        yield client


@pytest.fixture
def patch(anybody):
    """`await patch(content, media_type)`."""
    return lambda content, media_type=MERGE_PATCH: anybody.patch(
        "/v1/labels", content=content, headers={"Content-Type": media_type}
    )


@pytest.mark.parametrize("media_type", [MERGE_PATCH, "application/json", "Application/JSON ; charset=utf-8"])
async def test_a_patch_is_a_merge_patch_or_plain_json(patch, media_type):
    assert (await patch(b"{}", media_type)).json() == KEPT


@pytest.mark.parametrize(
    "media_type",
    ["application/json-patch+json", "application/problem+json", "text/plain", "application/xml", "nonsense", ""],
)
@pytest.mark.parametrize("content", [b"{}", b"[]", b"{"])
async def test_anything_else_is_told_what_to_send_whatever_is_in_it(patch, content, media_type):
    response = await patch(content, media_type)
    assert problem(response) == (415, "unsupported_media_type")
    assert response.headers["accept-patch"] == MERGE_PATCH
    assert response.json()["detail"] == "Send application/merge-patch+json or application/json."


async def test_a_body_that_comes_in_pieces_has_a_media_type_too(patch):
    async def pieces():
        yield b"{}"

    assert problem(await patch(pieces(), "application/json-patch+json"))[0] == 415


async def test_where_nothing_is_sent_the_body_is_missing(patch):
    assert problem(await patch(b"", "application/json-patch+json")) == (422, "validation_failed")


async def test_who_patches_nothing_is_not_told_how_to(anybody):
    response = await anybody.put("/v1/labels", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (problem(response)[0], "accept-patch" in response.headers) == (415, False)


async def test_an_operation_that_names_no_type_of_its_own_reads_any_json(anybody):
    response = await anybody.post("/v1/labels", content=b"{}", headers={"Content-Type": "application/vnd.x+json"})
    assert (response.status_code, "accept-patch" in response.headers) == (200, False)


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        ('{"metadata": {"colour": "blue"}}', {"metadata": {"colour": "blue", "size": "1"}}),
        ('{"metadata": {"colour": null, "shape": "two\\nlines"}}', {"metadata": {"size": "1", "shape": "two\nlines"}}),
        ('{"metadata": null}', {"metadata": None}),
        ('{"anything": {"a": {"b": null}}}', {"anything": {"a": {"c": 2}}}),
        ('{"anything": {"a": [null]}}', {"anything": {"a": [None]}}),
        # RFC 8259, section 4: of two members of one name, the last is the one that counts here.
        ('{"metadata": {"size": "2", "size": "3"}}', {"metadata": {"colour": "red", "size": "3"}}),
    ],
)
async def test_objects_are_merged_member_by_member(patch, sent, left):
    after = (await patch(sent)).json()
    assert {name: after.get(name) for name in left} == left


def deep(levels: int) -> str:
    return '{"anything": ' + '{"a":' * levels + "1" + "}" * levels + "}"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (deep(31), 200),
        (deep(33), 422),
        (deep(300), 422),
        (deep(900), 422),
        (deep(50_000), 422),
        ('{"metadata": ' + "[" * 900 + "]" * 900 + "}", 422),
        ('{"anything": {"a": ' + "1" * 4_000 + "}}", 200),
        ('{"anything": {"a": ' + "1" * 5_000 + "}}", 422),
        ('{"anything": {"a": 1e999}}', 422),
        ('{"anything": {"a": NaN}}', 422),
        ('{"anything": {"a": "\\ud800"}}', 422),
        ('{"metadata": {"a": "\\ud800"}}', 422),
        ('{"metadata": {"\\ud800": "a"}}', 422),
        ('{"metadata": {"a": "\\u0000"}}', 422),
        ('{"metadata": {"a": {"b": "c"}}}', 422),
        ('{"metadata": {"a": 1}}', 422),
        ('{"metadata": {"' + "a" * 41 + '": "b"}}', 422),
        ('{"metadata": {"a": "' + "b" * 501 + '"}}', 422),
        ('{"metadata": {' + ",".join(f'"{number}": "a"' for number in range(51)) + "}}", 422),
        ('{"metadata": {"": "a"}}', 422),
        ("null", 422),
        ("[]", 422),
    ],
    ids=lambda value: f"{str(value)[:24]} {len(str(value))}",
)
async def test_what_nobody_should_send_is_refused_and_never_an_error_of_ours(patch, sent, expected):
    # How deep JSON may be before nobody reads it (400), depends on Python and on how deep in it we are.
    assert (await patch(sent)).status_code in ({200} if expected == 200 else {400, 422})
