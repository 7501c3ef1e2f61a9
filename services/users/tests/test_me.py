"""One's own account, and whether it has changed."""

import pytest

from core.testing import problem
from users.accounts.repository import AccountRepository


@pytest.fixture
async def ada(ada):
    """Somebody who is signed in."""
    await ada.sign_in()
    return ada


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

    monkeypatch.setattr(AccountRepository, "find", nobody)
    assert problem(await client.get("/v1/users/me", headers=ada.headers)) == (404, "not_found")
