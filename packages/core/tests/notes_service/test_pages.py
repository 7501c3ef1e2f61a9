"""What a client of notes relies on, standalone and mounted."""

from typing import Any

import pytest
from httpx import AsyncClient, Response

from core.testing import problem

TEA = {"title": "Tea", "folder": "kitchen"}


@pytest.fixture
def writer(signed_in) -> dict[str, str]:
    return signed_in("notes:write")


async def make(client: AsyncClient, writer: dict[str, str], page: dict[str, Any], *, key: str = "key") -> Response:
    return await client.post("/v1/pages", json=page, headers={**writer, "Idempotency-Key": key})


async def path_of_new(client: AsyncClient, writer: dict[str, str]) -> str:
    return f"/v1/pages/{(await make(client, writer, TEA)).json()['id']}"


async def test_a_page_is_made_and_says_where_it_is(anywhere, writer, settings):
    made = await make(anywhere, writer, TEA)
    assert (made.status_code, made.json()["title"], made.json()["folder"]) == (201, "Tea", "kitchen")
    path = f"/v1/pages/{made.json()['id']}"
    assert made.headers["Location"] == f"{settings.public_url}{path}"
    assert (await anywhere.get(path, headers=writer)).json() == made.json()


async def test_the_same_key_makes_one_page(anywhere, writer):
    first, second = [await make(anywhere, writer, TEA) for _ in range(2)]
    assert (second.status_code, second.content) == (201, first.content)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Location"] == first.headers["Location"]


async def test_a_page_without_a_key_is_refused(anywhere, writer):
    refused = await anywhere.post("/v1/pages", json=TEA, headers=writer)
    assert problem(refused) == (400, "idempotency_key_required")


async def test_a_stranger_makes_and_reads_nothing(anywhere):
    assert problem(await make(anywhere, {}, TEA)) == (401, "unauthenticated")
    assert problem(await anywhere.get("/v1/pages")) == (401, "unauthenticated")


async def test_who_may_only_read_makes_nothing(anywhere, signed_in):
    assert problem(await make(anywhere, signed_in(), TEA)) == (403, "insufficient_scope")


async def test_a_title_is_one_pages(anywhere, writer):
    await make(anywhere, writer, TEA)
    assert problem(await make(anywhere, writer, TEA, key="other")) == (409, "page_exists")


async def test_a_title_cannot_be_changed_to_another_pages(anywhere, writer):
    await make(anywhere, writer, TEA)
    soup = await make(anywhere, writer, {"title": "Soup"}, key="soup")
    refused = await anywhere.patch(
        f"/v1/pages/{soup.json()['id']}", json={"title": "Tea"}, headers={**writer, "If-Match": '"v1"'}
    )
    assert problem(refused) == (409, "page_exists")


@pytest.mark.parametrize("page", [{}, {"title": ""}, {"title": "Tea\n"}, {**TEA, "colour": "green"}])
async def test_what_is_no_page_is_refused(anywhere, writer, page):
    assert problem(await make(anywhere, writer, page)) == (422, "validation_failed")


@pytest.mark.parametrize("page_id", ["pge_01h455vb4pex5vsknk084sn02q", "bsk_01h455vb4pex5vsknk084sn02q", "tea"])
async def test_what_is_not_there_is_not_found(anywhere, writer, page_id):
    conditional = {**writer, "If-Match": '"v1"'}
    url = f"/v1/pages/{page_id}"
    assert problem(await anywhere.get(url, headers=writer)) == (404, "not_found")
    assert problem(await anywhere.get(f"{url}/title", headers=writer)) == (404, "not_found")
    assert problem(await anywhere.patch(url, json={"title": "Tea"}, headers=conditional)) == (404, "not_found")
    assert problem(await anywhere.delete(url, headers=conditional)) == (404, "not_found")


async def test_who_has_the_version_is_sent_no_body(anywhere, writer):
    url = await path_of_new(anywhere, writer)
    read = await anywhere.get(url, headers=writer)
    assert read.headers["ETag"] == '"v1"'
    again = await anywhere.get(url, headers={**writer, "If-None-Match": '"v1"'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", '"v1"')


async def test_a_folder_is_read_page_by_page(anywhere, writer):
    for title, folder in [("1", "a"), ("2", "b"), ("3", "a"), ("4", "a"), ("5", None)]:
        await make(anywhere, writer, {"title": title, "folder": folder}, key=title)
    first = (await anywhere.get("/v1/pages?folder=a&limit=2", headers=writer)).json()
    rest = (await anywhere.get(f"/v1/pages?folder=a&limit=2&cursor={first['next_cursor']}", headers=writer)).json()
    everything = (await anywhere.get("/v1/pages", headers=writer)).json()
    assert [page["title"] for page in first["data"]] == ["1", "3"]
    assert ([page["title"] for page in rest["data"]], rest["next_cursor"]) == (["4"], None)
    assert [page["title"] for page in everything["data"]] == ["1", "2", "3", "4", "5"]


async def test_a_cursor_works_for_no_other_folder(anywhere, writer):
    for title in ("1", "2"):
        await make(anywhere, writer, {"title": title, "folder": "a"}, key=title)
    cursor = (await anywhere.get("/v1/pages?folder=a&limit=1", headers=writer)).json()["next_cursor"]
    refused = await anywhere.get(f"/v1/pages?folder=b&cursor={cursor}", headers=writer)
    assert problem(refused) == (422, "invalid_cursor")


async def test_a_patch_changes_what_it_names(anywhere, writer):
    url = await path_of_new(anywhere, writer)
    merge = {**writer, "If-Match": '"v1"', "Content-Type": "application/merge-patch+json"}
    changed = await anywhere.patch(url, content=b'{"folder": null}', headers=merge)
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"v2"')
    assert (changed.json()["title"], changed.json()["folder"], changed.json()["version"]) == ("Tea", None, 2)
    assert (await anywhere.get(url, headers=writer)).json() == changed.json()


async def test_a_title_cannot_be_taken_away(anywhere, writer):
    url = await path_of_new(anywhere, writer)
    refused = await anywhere.patch(url, json={"title": None}, headers={**writer, "If-Match": '"v1"'})
    assert problem(refused) == (422, "validation_failed")


async def test_a_change_names_the_version_it_is_for(anywhere, writer):
    url = await path_of_new(anywhere, writer)
    assert problem(await anywhere.patch(url, json={}, headers=writer)) == (428, "precondition_required")
    stale = await anywhere.patch(url, json={"title": "Soup"}, headers={**writer, "If-Match": '"v2"'})
    assert problem(stale) == (412, "precondition_failed")


async def test_only_a_writer_changes_and_removes(anywhere, writer, signed_in):
    url = await path_of_new(anywhere, writer)
    reader = {**signed_in(), "If-Match": '"v1"'}
    assert problem(await anywhere.patch(url, json={}, headers=reader)) == (403, "insufficient_scope")
    assert problem(await anywhere.delete(url, headers=reader)) == (403, "insufficient_scope")


async def test_a_removed_page_is_gone(anywhere, writer):
    url = await path_of_new(anywhere, writer)
    assert problem(await anywhere.delete(url, headers=writer)) == (428, "precondition_required")
    assert problem(await anywhere.delete(url, headers={**writer, "If-Match": '"v2"'})) == (412, "precondition_failed")
    removed = await anywhere.delete(url, headers={**writer, "If-Match": '"v1"'})
    assert (removed.status_code, removed.content) == (204, b"")
    assert problem(await anywhere.get(url, headers=writer)) == (404, "not_found")


async def test_a_caller_makes_sixty_pages_a_minute(anywhere, writer, signed_in):
    made = 0
    while (refused := await make(anywhere, writer, {"title": str(made)}, key=str(made))).status_code == 201:
        made += 1
    # A minute may end meanwhile, and the next one begin.
    assert 60 <= made <= 120
    assert problem(refused) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) > 0
    assert (
        await make(anywhere, signed_in("notes:write", subject="usr_01h455vb4pex5vsknk084sn02q"), TEA)
    ).status_code == 201


async def test_the_title_alone_says_what_to_read_instead(anywhere, writer, settings):
    url = await path_of_new(anywhere, writer)
    read = await anywhere.get(f"{url}/title", headers=writer)
    assert (read.status_code, read.json()) == (200, {"title": "Tea"})
    assert read.headers["Deprecation"] == "@1793491200"
    assert read.headers["Sunset"] == "Mon, 01 Nov 2027 00:00:00 GMT"
    assert read.headers["Link"] == f'<{settings.public_url}{url}>; rel="successor-version"'
