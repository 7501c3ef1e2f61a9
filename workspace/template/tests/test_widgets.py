"""What a client of widgets relies on, standalone and mounted."""

from typing import Any

import pytest
from httpx import AsyncClient, Response

from core.testing import problem

GIFT = {"name": "Gift", "note": "blue"}
Headers = dict[str, str]


@pytest.fixture
def owner(signed_in) -> Headers:
    return signed_in()


@pytest.fixture
def stranger(signed_in) -> Headers:
    """Somebody else who is signed in."""
    return signed_in()


async def make(client: AsyncClient, maker: Headers, body: dict[str, Any] = GIFT, *, key: str = "key") -> Response:
    return await client.post("/v1/widgets", json=body, headers={**maker, "Idempotency-Key": key})


async def path_of_new(client: AsyncClient, maker: Headers) -> str:
    return f"/v1/widgets/{(await make(client, maker)).json()['id']}"


async def names(client: AsyncClient, reader: Headers) -> list[str]:
    return [widget["name"] for widget in (await client.get("/v1/widgets", headers=reader)).json()["data"]]


async def test_what_is_made_can_be_read_where_the_answer_says(anywhere, owner, settings):
    made = await make(anywhere, owner)
    assert (made.status_code, made.headers["ETag"]) == (201, '"v1"')
    assert made.json() == {
        "id": made.json()["id"],
        "name": "Gift",
        "note": "blue",
        "version": 1,
        "created_at": made.json()["created_at"],
    }
    path = f"/v1/widgets/{made.json()['id']}"
    assert made.headers["Location"] == f"{settings.public_url}{path}"
    assert (await anywhere.get(path, headers=owner)).json() == made.json()


async def test_the_same_key_makes_one(anywhere, owner):
    first, second = [await make(anywhere, owner) for _ in range(2)]
    assert (second.status_code, second.content) == (201, first.content)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert await names(anywhere, owner) == ["Gift"]


async def test_a_caller_makes_sixty_a_minute(anywhere, owner, stranger):
    answers = [await make(anywhere, owner, key=str(number)) for number in range(60)]
    # A minute may end meanwhile, and the next one begin.
    while (refused := await make(anywhere, owner, key=str(len(answers)))).status_code == 201 and len(answers) < 120:
        answers.append(refused)
    assert {answer.status_code for answer in answers} == {201}
    assert problem(refused) == (429, "rate_limited")
    assert (await make(anywhere, stranger)).status_code == 201


@pytest.mark.parametrize(
    "body", [{}, {"name": " "}, {"name": "n" * 101}, {**GIFT, "note": ""}, {**GIFT, "owner": "me"}]
)
async def test_what_does_not_have_the_shape_is_refused(anywhere, owner, body):
    assert problem(await make(anywhere, owner, body)) == (422, "validation_failed")


async def test_the_list_goes_page_by_page_from_the_oldest_on(anywhere, owner, stranger):
    for name in ("1", "2", "3"):
        await make(anywhere, owner, {"name": name}, key=name)
    await make(anywhere, stranger)
    first = (await anywhere.get("/v1/widgets?limit=2", headers=owner)).json()
    rest = (await anywhere.get(f"/v1/widgets?limit=2&cursor={first['next_cursor']}", headers=owner)).json()
    assert [widget["name"] for widget in first["data"]] == ["1", "2"]
    assert ([widget["name"] for widget in rest["data"]], rest["next_cursor"]) == (["3"], None)


async def test_who_has_the_version_is_sent_no_body(anywhere, owner):
    path = await path_of_new(anywhere, owner)
    read = await anywhere.get(path, headers={**owner, "If-None-Match": '"v1"'})
    assert (read.status_code, read.content, read.headers["ETag"]) == (304, b"", '"v1"')


async def test_a_patch_changes_what_it_names(anywhere, owner):
    path = await path_of_new(anywhere, owner)
    changed = await anywhere.patch(path, json={"note": None}, headers={**owner, "If-Match": '"v1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"v2"')
    assert (changed.json()["name"], changed.json()["note"], changed.json()["version"]) == ("Gift", None, 2)
    assert (await anywhere.get(path, headers=owner)).json() == changed.json()


async def test_a_name_cannot_be_taken_away(anywhere, owner):
    path = await path_of_new(anywhere, owner)
    refused = await anywhere.patch(path, json={"name": None}, headers={**owner, "If-Match": '"v1"'})
    assert problem(refused) == (422, "validation_failed")


async def test_what_is_removed_is_gone(anywhere, owner):
    path = await path_of_new(anywhere, owner)
    removed = await anywhere.delete(path, headers={**owner, "If-Match": '"v1"'})
    assert (removed.status_code, removed.content) == (204, b"")
    assert problem(await anywhere.get(path, headers=owner)) == (404, "not_found")


@pytest.mark.parametrize(
    ("condition", "refusal"),
    [({}, (428, "precondition_required")), ({"If-Match": '"v2"'}, (412, "precondition_failed"))],
)
async def test_a_write_for_another_version_changes_nothing(anywhere, owner, condition, refusal):
    path = await path_of_new(anywhere, owner)
    before = (await anywhere.get(path, headers=owner)).json()
    assert problem(await anywhere.patch(path, json={"name": "Loan"}, headers=owner | condition)) == refusal
    assert problem(await anywhere.delete(path, headers=owner | condition)) == refusal
    assert (await anywhere.get(path, headers=owner)).json() == before


async def test_somebody_elses_is_not_there(anywhere, owner, stranger):
    path = await path_of_new(anywhere, owner)
    conditional = {**stranger, "If-Match": '"v1"'}
    assert await names(anywhere, stranger) == []
    assert problem(await anywhere.get(path, headers=stranger)) == (404, "not_found")
    assert problem(await anywhere.patch(path, json={"name": "Loan"}, headers=conditional)) == (404, "not_found")
    assert problem(await anywhere.delete(path, headers=conditional)) == (404, "not_found")
    assert await names(anywhere, owner) == ["Gift"]


async def test_who_is_not_signed_in_is_refused(anywhere, owner):
    path = await path_of_new(anywhere, owner)
    answers = [
        await make(anywhere, {}),
        await anywhere.get("/v1/widgets"),
        await anywhere.get(path),
        await anywhere.patch(path, json={"name": "Loan"}, headers={"If-Match": '"v1"'}),
        await anywhere.delete(path, headers={"If-Match": '"v1"'}),
    ]
    assert [problem(each) for each in answers] == [(401, "unauthenticated")] * 5
