"""Who registers an address, and what others can learn from it: nothing."""

import asyncio

import pytest

from core.ids import format_id
from core.testing import problem
from users.registration.repository import RegistrationRepository

PASSWORD = "plum tractor orbit velvet"

ACCEPTED = {"status": "accepted"}


async def register(client, email="ada@example.com", password=PASSWORD, **more):
    return await client.post("/v1/users", json={"email": email, "password": password, **more})


async def test_a_registration_is_accepted_and_its_address_is_asked_to_confirm(client, post, rows):
    response = await register(client, "Ada@Example.com", name="Ada Lovelace", locale="en-GB")
    assert (response.status_code, response.json()) == (202, ACCEPTED)
    [mail] = await post.to("Ada@Example.com")
    assert mail.message.token in mail.message.text
    [user] = await rows("SELECT * FROM users")
    assert (user["address"], user["email"], user["name"]) == ("ada@example.com", "Ada@Example.com", "Ada Lovelace")
    assert (user["status"], user["roles"], user["verified_at"]) == ("pending", ["user"], None)


async def test_a_taken_address_gets_the_same_answer_and_its_owner_a_notice_without_a_token(
    client, ada, post, rows, same
):
    new = await register(client, "new@example.com")
    taken = await register(client, "ADA@example.com", password="another good passphrase")
    assert same(new, taken)
    notice = (await post.to(ada.email))[0].message
    assert (notice.subject, notice.token) == ("You already have an account", None)
    assert (await ada.sign_in()).status_code == 201
    assert len(await rows("SELECT 1 FROM users WHERE address = 'ada@example.com'")) == 1


async def test_who_registers_is_in_the_log_and_before_a_proof_in_no_audit_trail(client, ada, rows, logs):
    before = await rows("SELECT * FROM audit_events")
    for email in ("new@example.com", ada.email):
        await register(client, email)
    lines = [line for line in logs if line["event"] == "an address was registered"]
    [new] = await rows("SELECT id FROM users WHERE status = 'pending'")
    assert [(line["user_id"], line["repeated"]) for line in lines[-2:]] == [
        (format_id("usr", new["id"]), False),
        (ada.id, True),
    ]
    assert "@example.com" not in repr(lines)
    assert await rows("SELECT * FROM audit_events") == before


async def test_nobody_is_told_of_a_taken_address_whose_owner_is_gone_meanwhile(client, ada, post, rows, monkeypatch):
    mails = len(await post.to(ada.email))

    async def nobody(self, address):
        return None

    monkeypatch.setattr(RegistrationRepository, "id_of", nobody)
    assert (await register(client)).json() == ACCEPTED
    assert len(await post.to(ada.email)) == mails


async def test_registering_an_unverified_address_again_voids_the_token_and_the_password_of_the_first_time(client, post):
    await register(client, password="the first passphrase")
    older = await post.token_for("ada@example.com")
    await register(client, password="the second passphrase")
    newer = await post.token_for("ada@example.com")
    refused = await client.post("/v1/email-verifications/confirm", json={"token": older})
    assert problem(refused) == (400, "invalid_or_expired_token")
    assert (await client.post("/v1/email-verifications/confirm", json={"token": newer})).status_code == 200
    body = {"email": "ada@example.com", "password": "the first passphrase"}
    assert problem(await client.post("/v1/sessions", json=body)) == (401, "invalid_credentials")
    body = {"email": "ada@example.com", "password": "the second passphrase"}
    assert (await client.post("/v1/sessions", json=body)).status_code == 201


async def test_twenty_registrations_of_one_address_at_once_make_one_user_with_one_valid_token(client, post, rows, same):
    responses = await asyncio.gather(*(register(client) for _ in range(20)))
    assert same(*responses)
    assert len(await rows("SELECT 1 FROM users")) == len(await rows("SELECT 1 FROM credentials")) == 1
    token = await post.token_for("ada@example.com")
    assert (await client.post("/v1/email-verifications/confirm", json={"token": token})).status_code == 200


async def test_a_password_that_is_easy_to_guess_is_refused(client, rows):
    for password in (
        "fourteen chars",
        "x" * 257,
        "passwordpassword",
        "Qwerty123456Qwerty",
        "correct horse battery staple",
        "lovelace-lovelace",
        "ada@example.com1",
    ):
        response = await register(client, password=password, name="Ada Lovelace")
        assert problem(response) == (422, "weak_password")
        assert [error["pointer"] for error in response.json()["errors"]] == ["#/password"]
        assert password not in response.text
    assert not await rows("SELECT 1 FROM users")


@pytest.mark.parametrize("password", ["fifteen letters", "ein Röslein auf 🌹\x00 Bergen", "Zq9-" * 64])
async def test_any_other_password_is_accepted_and_works_unchanged(client, post, password):
    assert (await register(client, password=password)).status_code == 202
    token = await post.token_for("ada@example.com")
    await client.post("/v1/email-verifications/confirm", json={"token": token})
    signed_in = await client.post("/v1/sessions", json={"email": "ada@example.com", "password": password})
    assert signed_in.status_code == 201
    truncated = await client.post("/v1/sessions", json={"email": "ada@example.com", "password": password[:-1]})
    assert problem(truncated) == (401, "invalid_credentials")


async def test_a_field_that_is_not_accepted_is_pointed_at(client, rows):
    for field, value in (
        ("email", "ada"),
        ("email", "ada@localhost"),
        ("email", "ada@example.com, eve@example.com"),
        ("email", "Ada <ada@example.com>"),
        ("email", "ada\r\nbcc:eve@example.com"),
        ("email", f"{'a' * 65}@example.com"),
        ("email", None),
        ("password", 15),
        ("password", "x" * 4_097),
        ("name", "Ada\x00"),
        ("name", ""),
        ("name", "x" * 201),
        ("locale", "english please"),
        # What the caller may never decide.
        ("roles", ["admin"]),
        ("status", "active"),
        ("verified_at", "2026-01-01T00:00:00Z"),
    ):
        body = {"email": "ada@example.com", "password": PASSWORD, field: value}
        response = await client.post("/v1/users", json=body)
        assert problem(response) == (422, "validation_failed")
        assert [error["pointer"] for error in response.json()["errors"]] == [f"#/{field}"]
    assert not await rows("SELECT 1 FROM users")
