"""One's own account: seen, changed by one writer at a time, and whether it has changed."""

import asyncio

import pytest

from core.testing import problem
from users.accounts.repository import AccountRepository
from users.profile.repository import ProfileRepository


@pytest.fixture
async def ada(ada):
    """Somebody who is signed in."""
    await ada.sign_in()
    return ada


@pytest.fixture
def patch(client, ada):
    """`await patch({"name": "Ada"}, if_match='"v2"')`: as Ada."""

    async def run(body, if_match="*"):
        headers = ada.headers | ({"If-Match": if_match} if if_match else {})
        return await client.patch("/v1/users/me", json=body, headers=headers)

    return run


async def test_the_account_comes_with_its_version_as_a_tag(client, ada):
    response = await client.get("/v1/users/me", headers=ada.headers)
    assert response.status_code == 200
    assert response.headers["etag"] == '"v2"'
    assert response.headers["cache-control"] == "private, no-cache"
    assert response.json() | {"created_at": ..., "verified_at": ...} == {
        "id": ada.id,
        "email": ada.email,
        "status": "active",
        "roles": ["user"],
        "name": None,
        "locale": None,
        "version": 2,
        "created_at": ...,
        "verified_at": ...,
        "metadata": {},
    }


async def test_who_has_this_version_gets_no_body_and_who_has_another_gets_this_one(client, ada):
    for known in ('"v2"', 'W/"v2"', '"v1", "v2"', "*"):
        response = await client.get("/v1/users/me", headers=ada.headers | {"If-None-Match": known})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == '"v2"'
    response = await client.get("/v1/users/me", headers=ada.headers | {"If-None-Match": '"v1"'})
    assert response.status_code == 200


async def test_an_account_that_is_gone_is_not_found(client, ada, monkeypatch):
    async def nobody(self, user_id):
        return None

    monkeypatch.setattr(ProfileRepository, "find", nobody)
    assert problem(await client.get("/v1/users/me", headers=ada.headers)) == (404, "not_found")


async def test_what_is_sent_replaces_null_removes_and_what_is_absent_stays(client, ada, patch):
    first = await patch({"name": "Ada", "locale": "en-GB", "metadata": {"theme": "dark", "tour": "done"}}, '"v2"')
    assert (first.status_code, first.headers["etag"]) == (200, '"v3"')
    read = await client.get("/v1/users/me", headers=ada.headers)
    assert first.json() == read.json()
    changes = {"name": "Ada Lovelace", "locale": None, "metadata": {"theme": None, "font": "two\nlines"}}
    second = (await patch(changes, '"v3"')).json()
    assert (second["name"], second["locale"], second["version"]) == ("Ada Lovelace", None, 4)
    assert second["metadata"] == {"tour": "done", "font": "two\nlines"}
    assert (await patch({"metadata": None})).json()["metadata"] == {}


async def test_what_keeps_its_value_is_no_new_version(patch, rows):
    await patch({"name": "Ada", "metadata": {"theme": "dark"}})
    for nothing in ({}, {"name": "Ada"}, {"locale": None}, {"metadata": {"theme": "dark", "tour": None}}):
        answer = await patch(nothing)
        assert (answer.status_code, answer.headers["etag"]) == (200, '"v3"')
    assert len(await rows("SELECT 1 FROM audit_events WHERE action = 'user.updated'")) == 1


async def test_it_is_said_which_version_is_changed(patch):
    assert problem(await patch({"name": "Ada"}, if_match=None)) == (428, "precondition_required")
    for stale in ('"v1"', 'W/"v2"', "v2", '"v3"'):
        assert problem(await patch({"name": "Ada"}, stale)) == (412, "precondition_failed")
    assert (await patch({"name": "Ada"}, '"v2"')).status_code == 200


async def test_of_twenty_changes_of_one_version_one_is_made(client, ada, patch):
    answers = await asyncio.gather(*(patch({"name": f"Ada {number}"}, '"v2"') for number in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 19
    [made] = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await client.get("/v1/users/me", headers=ada.headers)).json() == made


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        # A client never sets roles, status or verification.
        ({"roles": ["user", "admin"]}, "#/roles"),
        ({"status": "active"}, "#/status"),
        ({"verified_at": "2026-01-01T00:00:00Z"}, "#/verified_at"),
        ({"email": "eve@example.com"}, "#/email"),
        ({"id": "usr_1"}, "#/id"),
        ({"version": 9}, "#/version"),
        ({"name": ""}, "#/name"),
        ({"name": "a\nb"}, "#/name"),
        ({"name": "a" * 201}, "#/name"),
        ({"locale": "english please"}, "#/locale"),
        ({"metadata": {"a": 1}}, "#/metadata/a"),
        ({"metadata": {"a": {"b": "c"}}}, "#/metadata/a"),
        ({"metadata": {"a": "b" * 501}}, "#/metadata/a"),
        ({"metadata": {"a": "\x00"}}, "#/metadata/a"),
        ({"metadata": {"": "b"}}, "#/metadata//[key]"),
        ({"metadata": {"a" * 41: "b"}}, f"#/metadata/{'a' * 41}/[key]"),
        ({"metadata": {str(number): "a" for number in range(51)}}, "#/metadata"),
        ({"metadata": []}, "#/metadata"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_not_accepted_is_pointed_at(patch, rows, body, pointer):
    refused = await patch(body)
    assert problem(refused) == (422, "validation_failed")
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]
    assert [user["version"] for user in await rows("SELECT version FROM users")] == [2]


async def test_fifty_keys_are_kept_and_one_more_is_refused_until_another_goes(patch):
    full = {f"{number:040}": "a" * 500 for number in range(50)}
    assert (await patch({"metadata": full})).json()["metadata"] == full
    refused = await patch({"metadata": {"one more": "b"}})
    assert problem(refused) == (422, "validation_failed")
    assert [error["pointer"] for error in refused.json()["errors"]] == ["#/metadata"]
    assert (await patch({"metadata": {"one more": "b", f"{0:040}": None}})).status_code == 200


async def test_a_change_is_written_down_by_what_changed_and_told_to_nobody(ada, patch, rows):
    await patch({"name": "Ada", "locale": None, "metadata": {"theme": "dark"}})
    [line] = await rows("SELECT actor, subject, details FROM audit_events WHERE action = 'user.updated'")
    assert line == {"actor": ada.id, "subject": ada.id, "details": {"members": ["name", "metadata"]}}
    # Other services hold neither.
    assert not await rows("SELECT 1 FROM outbox WHERE type = 'user.updated'")


async def test_who_is_suspended_while_they_change_it_changes_nothing(patch, rows, monkeypatch):
    locked = AccountRepository.locked

    async def after_a_suspension(self, user_id):
        await rows("UPDATE users SET status = 'suspended'")
        return await locked(self, user_id)

    monkeypatch.setattr(AccountRepository, "locked", after_a_suspension)
    assert problem(await patch({"name": "Ada"})) == (401, "unauthenticated")
    assert await rows("SELECT name, version FROM users") == [{"name": None, "version": 2}]


async def test_nobody_changes_an_account_without_a_token(client):
    answer = await client.patch("/v1/users/me", json={"name": "Ada"}, headers={"If-Match": "*"})
    assert problem(answer) == (401, "unauthenticated")
