"""Signing in: what it takes, what one gets, and what a refusal tells."""

from datetime import timedelta

import jwt
import pytest

from core.testing import problem
from users.passwords.provider import Hashing

PASSWORD = "plum tractor orbit velvet"


async def sign_in(client, email, password=PASSWORD):
    return await client.post("/v1/sessions", json={"email": email, "password": password})


async def test_signing_in_starts_a_session_with_both_tokens(client, ada, settings):
    response = await ada.sign_in(device_name="Ada's engine")
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
    assert (body["session"]["device_name"], body["session"]["current"]) == ("Ada's engine", True)
    header, claims = jwt.get_unverified_header(body["access_token"]), _claims(body["access_token"])
    [key] = (await client.get("/.well-known/jwks.json")).json()["keys"]
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": key["kid"]}
    assert (claims["iss"], claims["aud"], claims["sub"]) == (settings.public_url, ["api"], ada.id)
    assert (claims["sid"], claims["scope"], claims["roles"]) == (body["session"]["id"], "", ["user"])
    assert claims["exp"] - claims["iat"] == 300
    assert (await client.get("/v1/users/me", headers=ada.headers)).json()["id"] == ada.id


async def test_an_admin_gets_the_scopes_of_the_role(ada, rows):
    await rows("UPDATE users SET roles = '{user,admin}'")
    claims = _claims((await ada.sign_in()).json()["access_token"])
    assert claims["roles"] == ["admin", "user"]
    assert claims["scope"] == "audit:read billing:read billing:write catalog:write users:read users:write"


async def test_an_address_is_found_however_it_is_spelled(client, ada):
    assert (await sign_in(client, "ADA@Example.COM")).status_code == 201


async def test_a_wrong_password_and_an_unknown_address_are_refused_alike(client, ada, same):
    wrong = await sign_in(client, ada.email, "not her password at all")
    unknown = await sign_in(client, "nobody@example.com")
    assert problem(wrong) == (401, "invalid_credentials")
    assert same(wrong, unknown)
    assert wrong.headers["www-authenticate"] == "Bearer"


async def test_where_an_account_stands_is_told_only_to_who_knows_its_password(client, ada, rows, clock):
    for status, told in (
        ("pending", (403, "email_unverified")),
        ("suspended", (403, "user_suspended")),
        ("deleting", (401, "invalid_credentials")),
    ):
        await rows("UPDATE users SET status = $1", status)
        assert problem(await sign_in(client, ada.email, "not her password at all")) == (401, "invalid_credentials")
        clock.advance(timedelta(minutes=1))
        assert problem(await ada.sign_in()) == told
    assert not await rows("SELECT 1 FROM sessions")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE credentials SET password_hash = 'changed', changed_at = changed_at + interval '1 second'",
        # Or else a session would outlast the change of the address, which ends those that there are.
        "UPDATE users SET address = 'lovelace@example.com'",
    ],
)
async def test_a_password_or_address_that_changes_while_it_is_checked_starts_no_session(change, ada, rows, monkeypatch):
    check = Hashing._check

    async def then_changed(*given):
        checked = await check(*given)
        await rows(change)
        return checked

    monkeypatch.setattr(Hashing, "_check", then_changed)
    assert problem(await ada.sign_in()) == (401, "invalid_credentials")
    assert not await rows("SELECT 1 FROM sessions")


async def test_a_session_remembers_the_device_and_the_network_but_no_address(client, ada, rows):
    headers = {"User-Agent": "Engine/1.0 " + "x" * 300}
    body = {"email": ada.email, "password": PASSWORD}
    session = (await client.post("/v1/sessions", json=body, headers=headers)).json()["session"]
    assert session["user_agent"] == headers["User-Agent"][:256]
    assert session["ip"] == "127.0.0.0/24"


async def test_a_field_that_is_not_accepted_is_pointed_at(client):
    for field, value in (("email", "ada"), ("device_name", "a\nb"), ("roles", ["admin"])):
        body = {"email": "ada@example.com", "password": PASSWORD, field: value}
        response = await client.post("/v1/sessions", json=body)
        assert problem(response) == (422, "validation_failed")
        assert [error["pointer"] for error in response.json()["errors"]] == [f"#/{field}"]


def _claims(token):
    return jwt.decode(token, options={"verify_signature": False})


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/v1/sessions", b'{"email": "ada@example.com", "password": "\\ud800"}', "#/password"),
        ("/v1/users", b'{"email": "ada@example.com", "password": "correct \\ud800 battery staple"}', "#/password"),
        ("/v1/users", b'{"email": "a\\u0000b@example.com", "password": "correct horse battery"}', "#/email"),
        ("/v1/email-verifications/confirm", b'{"token": "\\ud800"}', "#/token"),
        ("/v1/sessions/refresh", b'{"refresh_token": "\\ud800"}', "#/refresh_token"),
    ],
)
async def test_half_a_character_is_no_text(client, path, body, pointer):
    response = await client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert problem(response) == (422, "validation_failed")
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_a_nul_in_a_password_or_a_token_is_a_character_like_any_other(client):
    wrong = {"email": "ada@example.com", "password": "a\x00b"}
    assert problem(await client.post("/v1/sessions", json=wrong)) == (401, "invalid_credentials")
    unknown = await client.post("/v1/email-verifications/confirm", json={"token": "a\x00b"})
    assert problem(unknown) == (400, "invalid_or_expired_token")
