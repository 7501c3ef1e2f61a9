"""A forgotten password: a token by mail, which sets a new one once and ends every session."""

import asyncio
from datetime import timedelta

import pytest

from core.testing import problem
from users.one_time_tokens.repository import OneTimeTokenRepository

ADA = "ada@example.com"
NEW = "granite lantern pepper moss"
WRONG = "not her password at all"
ACCEPTED = {"status": "accepted"}
INVALID = (400, "invalid_or_expired_token")
# What may differ between a known and an unknown address: nothing that costs time.
WORK = "SELECT type FROM outbox WHERE type = 'password_reset.requested'"


@pytest.fixture
def ask(client):
    return lambda email=ADA: client.post("/v1/password-resets", json={"email": email})


@pytest.fixture
def confirm(client):
    async def run(token, new_password=NEW):
        return await client.post("/v1/password-resets/confirm", json={"token": token, "new_password": new_password})

    return run


@pytest.fixture
def token_of(ask, post):
    """`await token_of(email)`: out of the mail that somebody has asked for."""

    async def run(email=ADA):
        assert (await ask(email)).status_code == 202
        return await post.token_for(email)

    return run


async def test_a_new_password_counts_and_the_old_one_does_not(ada, token_of, confirm):
    answer = await confirm(await token_of())
    assert (answer.status_code, answer.content) == (204, b"")
    assert problem(await ada.sign_in()) == (401, "invalid_credentials")
    ada.password = NEW
    assert (await ada.sign_in()).status_code == 201


async def test_every_session_ends_and_none_begins(client, ada, person, token_of, confirm, rows):
    other = person(ADA)
    for one in (ada, other):
        await one.sign_in()
    assert (await confirm(await token_of())).status_code == 204
    for one in (ada, other):
        assert problem(await client.get("/v1/users/me", headers=one.headers)) == (401, "unauthenticated")
        assert problem(await one.refresh()) == (401, "invalid_refresh_token")
    assert len(await rows("SELECT 1 FROM sessions")) == 2
    ended = {event["subject"] for event in await rows("SELECT subject FROM outbox WHERE type = 'session.revoked'")}
    assert ended == {one.tokens["session"]["id"] for one in (ada, other)}


async def test_the_owner_is_told_by_mail_that_the_password_was_changed(ada, token_of, confirm, post, rows):
    token = await token_of()
    asked = (await post.to(ADA))[0].message
    assert asked.subject == "Choose a new password"
    assert token in asked.text
    assert "within 30 minutes" in asked.text
    await confirm(token)
    told = (await post.to(ADA))[0].message
    assert (told.subject, told.token) == ("Your password was changed", None)
    assert token not in told.text
    lines = await rows("SELECT actor, subject FROM audit_events WHERE action = 'password.reset'")
    assert lines == [{"actor": ada.id, "subject": ada.id}]


async def test_asking_tells_nobody_who_has_an_account_and_costs_the_same(client, ask, join, rows, same, post):
    emails = [f"{status}@example.com" for status in ("active", "pending", "suspended", "deleting", "unknown")]
    for email in emails[:-1]:
        await join(email)
    await rows("UPDATE users SET status = split_part(address, '@', 1)")
    before = {email: len(await post.to(email)) for email in emails}
    answers = [await ask(email) for email in emails]
    assert answers[0].json() == ACCEPTED
    assert same(*answers)
    assert len(await rows(WORK)) == len(emails)
    # Nobody but who is active has a use for a token.
    assert {email: len(await post.to(email)) - sent for email, sent in before.items()} == {
        email: int(email == "active@example.com") for email in emails
    }
    assert [row["purpose"] for row in await rows("SELECT purpose FROM one_time_tokens")] == ["reset_password"]


async def test_a_known_and_an_unknown_address_take_as_many_statements(ada, ask, queries):
    with queries() as known:
        await ask(ADA)
    with queries() as unknown:
        await ask("nobody@example.com")
    assert len(known) == len(unknown) > 0


async def test_what_is_no_address_is_pointed_at(client, ask):
    response = await ask("ada")
    assert problem(response) == (422, "validation_failed")
    assert [error["pointer"] for error in response.json()["errors"]] == ["#/email"]


async def test_unknown_used_replaced_expired_and_other_tokens_are_refused_alike(
    client, ada, join, token_of, confirm, post, clock, same
):
    replaced = await token_of()
    used = await token_of()
    assert (await confirm(used)).status_code == 204
    await client.post("/v1/users", json={"email": "pending@example.com", "password": ada.password})
    for_another_purpose = await post.token_for("pending@example.com")
    expired = await token_of()
    clock.advance(timedelta(minutes=30))
    refusals = [await confirm(token) for token in ("nonsense", "A" * 43, replaced, used, expired, for_another_purpose)]
    assert problem(refusals[0]) == INVALID
    assert same(*refusals)
    # Nor is a token for a new password the proof of an address.
    verified = await client.post("/v1/email-verifications/confirm", json={"token": await token_of()})
    assert problem(verified) == INVALID


async def test_a_token_works_for_half_an_hour(ada, token_of, confirm, clock):
    token = await token_of()
    clock.advance(timedelta(minutes=30, seconds=-1))
    assert (await confirm(token)).status_code == 204


async def test_a_weak_password_is_refused_and_the_token_can_be_used_still(ada, token_of, confirm):
    token = await token_of()
    for weak in ("short", "x" * 257, "passwordpassword", "ada@example.com1"):
        refused = await confirm(token, weak)
        assert problem(refused) == (422, "weak_password")
        assert [error["pointer"] for error in refused.json()["errors"]] == ["#/new_password"]
        assert weak not in refused.text
    assert (await confirm(token)).status_code == 204


async def test_a_field_that_is_not_accepted_is_pointed_at(client):
    for field, value in (("token", ""), ("token", 1), ("new_password", 15), ("roles", ["admin"]), ("email", ADA)):
        body = {"token": "A" * 43, "new_password": NEW, field: value}
        response = await client.post("/v1/password-resets/confirm", json=body)
        assert problem(response) == (422, "validation_failed")
        assert [error["pointer"] for error in response.json()["errors"]] == [f"#/{field}"]


async def test_of_twenty_confirmations_at_once_one_sets_its_password(ada, token_of, confirm, rows):
    token = await token_of()
    passwords = [f"{NEW} {number}" for number in range(20)]
    answers = await asyncio.gather(*(confirm(token, password) for password in passwords))
    assert sorted(answer.status_code for answer in answers) == [204] + [400] * 19
    assert {problem(answer) for answer in answers if answer.status_code != 204} == {INVALID}
    ada.password = passwords[[answer.status_code for answer in answers].index(204)]
    assert (await ada.sign_in()).status_code == 201
    assert len(await rows("SELECT 1 FROM audit_events WHERE action = 'password.reset'")) == 1


@pytest.mark.parametrize("status", ["suspended", "deleting"])
async def test_a_token_of_somebody_who_may_not_sign_in_any_more_sets_nothing(ada, token_of, confirm, rows, status):
    token = await token_of()
    before = await rows("SELECT * FROM credentials")
    await rows("UPDATE users SET status = $1", status)
    assert problem(await confirm(token)) == INVALID
    assert await rows("SELECT * FROM credentials") == before


async def test_a_token_that_is_replaced_while_it_is_confirmed_sets_nothing(ada, token_of, confirm, rows, monkeypatch):
    token = await token_of()
    take = OneTimeTokenRepository.take

    async def after_a_replacement(self, digest, *, now):
        await rows("UPDATE one_time_tokens SET digest = 'another'")
        return await take(self, digest, now=now)

    monkeypatch.setattr(OneTimeTokenRepository, "take", after_a_replacement)
    assert problem(await confirm(token)) == INVALID
    assert (await ada.sign_in()).status_code == 201


async def test_a_reset_that_fails_at_its_commit_has_not_happened(
    client, ada, token_of, confirm, post, rows, commits_fail
):
    await ada.sign_in()
    token = await token_of()
    mails = len(await post.to(ADA))
    await commits_fail("credentials")
    assert (await confirm(token)).status_code == 500
    await rows("DROP TRIGGER fail ON credentials")
    assert (await client.get("/v1/users/me", headers=ada.headers)).status_code == 200
    assert (await ada.refresh()).status_code == 200
    assert (await ada.sign_in()).status_code == 201
    assert len(await post.to(ADA)) == mails
    assert not await rows("SELECT 1 FROM audit_events WHERE action IN ('password.reset', 'session.revoked')")
    assert (await confirm(token)).status_code == 204


async def test_a_reset_takes_back_what_somebody_else_may_have_set_going(client, ada, token_of, confirm, rows):
    await ada.sign_in()
    body = {"new_email": "eve@example.com", "current_password": ada.password}
    await client.post("/v1/users/me/email-changes", json=body, headers=ada.headers)
    assert (await confirm(await token_of())).status_code == 204
    assert not await rows("SELECT 1 FROM one_time_tokens")


async def test_a_reset_forgives_the_attempts_at_the_old_password(client, ada, token_of, confirm):
    body = {"email": ADA, "password": WRONG}
    for _ in range(6):
        refused = await client.post("/v1/sessions", json=body)
    assert problem(refused) == (429, "rate_limited")
    assert (await confirm(await token_of())).status_code == 204
    ada.password = NEW
    assert (await ada.sign_in()).status_code == 201


async def test_a_mail_whose_token_was_used_before_it_left_is_not_sent(ada, ask, post, rows, token_of, confirm):
    token = await token_of()
    [first] = await rows("SELECT position FROM inbox WHERE type = 'password_reset.requested'")
    assert (await confirm(token)).status_code == 204
    before = len(await post.to(ADA))
    # As if the mail had waited for its server until now.
    await rows("UPDATE inbox SET handled_at = NULL WHERE position = $1", first["position"])
    assert len(await post.to(ADA)) == before
