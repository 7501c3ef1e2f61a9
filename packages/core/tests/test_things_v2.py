"""`/v2/things`: versions of a thing, changes that depend on them, and what the version before says of its end."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from core.ids import format_id, new_id
from core.testing import SERVICE_URL, problem

MOMENT = datetime(2026, 5, 1, 12, tzinfo=UTC)
NOBODYS = "thg_01h455vb4pex5vsknk084sn02q"
Add = Callable[..., Awaitable[str]]


@pytest.fixture
def add(admin: asyncpg.Connection) -> Add:
    """`await add("chair")`: the id of a new thing, with a note."""

    async def insert(name: str = "chair", *, at: datetime = MOMENT) -> str:
        row_id = new_id()
        await admin.execute(
            "INSERT INTO things (id, name, note, created_at, announced) VALUES ($1, $2, 'old', $3, 0)", row_id, name, at
        )
        return format_id("thg", row_id)

    return insert


@pytest.fixture
def change(anywhere: httpx.AsyncClient) -> Callable[..., Awaitable[httpx.Response]]:
    """`await change(thing, {"label": "table"})`: a change of its first version, unless told of another."""

    async def patch(thing: str, body: object, *, if_match: str | None = '"v1"', **headers: str) -> httpx.Response:
        given = headers | ({} if if_match is None else {"If-Match": if_match})
        return await anywhere.patch(f"/v2/things/{thing}", json=body, headers=given)

    return patch


async def test_a_thing_is_read_with_its_version(anywhere, add):
    thing = await add()
    response = await anywhere.get(f"/v2/things/{thing}")
    assert response.json() == {
        "id": thing,
        "label": "chair",
        "note": "old",
        "version": 1,
        "created_at": "2026-05-01T12:00:00Z",
    }
    assert (response.headers["etag"], response.headers["cache-control"]) == ('"v1"', "private, no-cache")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("known", ['"v1"', 'W/"v1"', '"v0", "v1"', "*"])
async def test_who_has_the_version_gets_no_body(anywhere, add, method, known):
    path = f"/v2/things/{await add()}"
    whole = await anywhere.request(method, path)
    response = await anywhere.request(method, path, headers={"If-None-Match": known})
    assert (response.status_code, response.content) == (304, b"")
    for header in ("etag", "cache-control"):
        assert response.headers[header] == whole.headers[header]
    assert not {"content-length", "content-type"} & response.headers.keys()


async def test_tags_may_come_in_several_lines(anywhere, add):
    path = f"/v2/things/{await add()}"
    headers = [("If-None-Match", '"v0"'), ("If-None-Match", '"v1"')]
    assert (await anywhere.get(path, headers=headers)).status_code == 304


@pytest.mark.parametrize("known", ['"v0"', "v1", "", '"v1'])
async def test_who_has_another_version_gets_this_one(anywhere, add, known):
    response = await anywhere.get(f"/v2/things/{await add()}", headers={"If-None-Match": known})
    assert (response.status_code, response.json()["version"]) == (200, 1)


async def test_a_read_may_depend_on_a_version(anywhere, add):
    path = f"/v2/things/{await add()}"
    assert problem(await anywhere.get(path, headers={"If-Match": '"v2"'})) == (412, "precondition_failed")
    both = {"If-Match": '"v1"', "If-None-Match": '"v1"'}
    assert (await anywhere.get(path, headers=both)).status_code == 304


@pytest.mark.parametrize(
    ("patch", "after"),
    [
        ({"label": "table"}, ("table", "old")),
        ({"note": "new"}, ("chair", "new")),
        ({"note": None}, ("chair", None)),
        ({"label": "table", "note": None}, ("table", None)),
    ],
)
async def test_a_patch_replaces_what_it_has_and_removes_what_is_null(anywhere, change, add, patch, after):
    thing = await add()
    response = await change(thing, patch)
    assert (response.status_code, response.headers["etag"]) == (200, '"v2"')
    assert (response.json()["label"], response.json()["note"]) == after
    assert response.json() == (await anywhere.get(f"/v2/things/{thing}")).json()


async def test_a_patch_without_a_change_leaves_the_version(change, add):
    thing = await add()
    for patch in ({}, {"label": "chair"}):
        response = await change(thing, patch)
        assert (response.json()["version"], response.headers["etag"]) == (1, '"v1"')


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"colour": "red"}, "#/colour"),
        ({"version": 7}, "#/version"),
        ({"name": "table"}, "#/name"),
        ({"label": None}, "#/label"),
        ({"label": ""}, "#/label"),
        ({"label": "x" * 51}, "#/label"),
    ],
)
async def test_a_patch_is_refused_for_what_it_cannot_change(change, add, patch, pointer):
    response = await change(await add(), patch)
    assert problem(response) == (422, "validation_failed")
    assert [each["pointer"] for each in response.json()["errors"]] == [pointer]


@pytest.mark.parametrize("patch", [[], "label", 1, None])
async def test_a_patch_is_an_object(change, add, patch):
    assert problem(await change(await add(), patch))[0] == 422


@pytest.mark.parametrize("media_type", ["application/merge-patch+json", "application/json"])
async def test_a_patch_is_a_merge_patch(change, add, media_type):
    assert (await change(await add(), {"note": "new"}, **{"Content-Type": media_type})).status_code == 200


async def test_a_patch_is_no_text(change, add):
    response = await change(await add(), {"note": "new"}, **{"Content-Type": "text/plain"})
    assert problem(response) == (415, "unsupported_media_type")


@pytest.mark.parametrize("if_match", ['"v2"', 'W/"v1"', "v1", '"v1', "", '"v1" "v1"', '"v1", x'])
async def test_a_change_of_another_version_is_refused(anywhere, change, add, if_match):
    thing = await add()
    assert problem(await change(thing, {"label": "table"}, if_match=if_match)) == (412, "precondition_failed")
    assert (await anywhere.get(f"/v2/things/{thing}")).json()["label"] == "chair"


async def test_a_change_says_of_which_version(change, add):
    assert problem(await change(await add(), {"label": "table"}, if_match=None)) == (428, "precondition_required")


@pytest.mark.parametrize("if_match", ["*", '"v0", "v1"', 'W/"v9","v1"'])
async def test_a_change_may_name_several_versions_or_any(change, add, if_match):
    assert (await change(await add(), {"label": "table"}, if_match=if_match)).status_code == 200


async def test_a_change_that_wants_no_version_to_be_there_is_refused(change, add):
    response = await change(await add(), {"label": "table"}, **{"If-None-Match": "*"})
    assert problem(response) == (412, "precondition_failed")


@pytest.mark.parametrize("if_match", [None, "*", '"v1"'])
async def test_what_is_not_there_is_not_found_whatever_the_condition(change, if_match):
    """RFC 9110, section 13.2.1: what would be refused in any case is refused as if there were no condition."""
    assert problem(await change(NOBODYS, {"label": "table"}, if_match=if_match)) == (404, "not_found")
    assert problem(await change(NOBODYS, {"colour": 1}, if_match=if_match)) == (422, "validation_failed")


async def test_of_many_changes_of_one_version_one_is_made_and_no_other_is_lost(anywhere, change, add):
    thing = await add()
    responses = await asyncio.gather(*(change(thing, {"label": f"chair {number}"}) for number in range(20)))
    made = [response for response in responses if response.status_code == 200]
    refused = [response for response in responses if response.status_code != 200]
    assert {problem(response) for response in refused} == {(412, "precondition_failed")}
    assert [response.json() for response in made] == [(await anywhere.get(f"/v2/things/{thing}")).json()]
    assert made[0].json()["version"] == 2


async def test_changes_of_any_version_are_all_made(anywhere, change, add):
    thing = await add()
    changes = (change(thing, {"note": f"note {number}"}, if_match="*") for number in range(8))
    versions = sorted(response.json()["version"] for response in await asyncio.gather(*changes))
    assert versions == [*range(2, 10)]


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_what_is_made_says_where_it_is(anywhere, signed_in, version):
    body = {"v1": {"name": "chair"}, "v2": {"label": "chair"}}[version]
    headers = signed_in() | {"Idempotency-Key": "key"}
    first, second = [await anywhere.post(f"/{version}/things", json=body, headers=headers) for _ in range(2)]
    location = f"{SERVICE_URL}/{version}/things/{first.json()['id']}"
    assert (first.status_code, first.headers["location"]) == (201, location)
    assert (second.headers["idempotent-replayed"], second.headers["location"]) == ("true", location)
    assert first.headers.get("etag") == second.headers.get("etag") == {"v1": None, "v2": '"v1"'}[version]
    made = await anywhere.get(location.removeprefix(SERVICE_URL))
    assert made.json() == first.json() == second.json()


async def test_both_versions_show_the_same_things(anywhere, add):
    thing = await add()
    first, second = [(await anywhere.get(f"/{version}/things")).json()["data"] for version in ("v1", "v2")]
    assert [first[0]["id"], first[0]["name"]] == [second[0]["id"], second[0]["label"]] == [thing, "chair"]
    assert first[0].keys() == {"id", "name", "created_at"}


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, ["1", "2", "3"]),
        ({"created_at[gte]": MOMENT + timedelta(days=2)}, ["2", "3"]),
        ({"created_at[lt]": MOMENT + timedelta(days=2)}, ["1"]),
        ({"created_at[gte]": MOMENT + timedelta(days=2), "created_at[lt]": MOMENT + timedelta(days=3)}, ["2"]),
    ],
)
async def test_things_are_listed_by_when_they_were_made(anywhere, add, query, shown):
    for day in (1, 2, 3):
        await add(str(day), at=MOMENT + timedelta(days=day))
    params = {name: at.isoformat() for name, at in query.items()}
    page = (await anywhere.get("/v2/things", params=params)).json()
    assert [thing["label"] for thing in page["data"]] == shown


async def test_a_filter_that_there_is_not_is_refused_once(anywhere):
    refused = await anywhere.get("/v2/things?colour=red")
    assert problem(refused) == (422, "validation_failed")
    assert [error["pointer"] for error in refused.json()["errors"]] == ["#/query/colour"]
