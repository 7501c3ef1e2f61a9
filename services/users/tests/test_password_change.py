"""Another password for who knows the current one: their session stays, all others end."""

import asyncio

import pytest

from core.testing import problem

ADA = "ada@example.com"
NEW = "granite lantern pepper moss"
WRONG = "not her password at all"


@pytest.fixture
async def ada(ada):
    """Somebody who is signed in."""
    await ada.sign_in()
    return ada


@pytest.fixture
def change(client, ada):
    """`await change(new_password="…")`: as Ada, who knows her password unless it says otherwise."""

    async def run(**body):
        body = {"current_password": ada.password, "new_password": NEW} | body
        return await client.put("/v1/users/me/password", json=body, headers=ada.headers)

    return run


async def test_the_new_password_counts_the_callers_session_stays_and_all_others_end(client, ada, person, change):
    other = person(ADA)
    await other.sign_in()
    answer = await change()
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await client.get("/v1/users/me", headers=ada.headers)).status_code == 200
    assert (await ada.refresh()).status_code == 200
    assert problem(await client.get("/v1/users/me", headers=other.headers)) == (401, "unauthenticated")
    assert problem(await other.refresh()) == (401, "invalid_refresh_token")
    assert problem(await other.sign_in()) == (401, "invalid_credentials")
    other.password = NEW
    assert (await other.sign_in()).status_code == 201


async def test_the_owner_is_told_and_it_is_written_down_who_did_it(ada, person, change, post, rows):
    other = person(ADA)
    await other.sign_in()
    await change()
    told = (await post.to(ADA))[0].message
    assert (told.subject, told.token) == ("Your password was changed", None)
    lines = await rows(
        "SELECT action, actor, subject FROM audit_events WHERE actor = $1 ORDER BY id DESC LIMIT 2", ada.id
    )
    assert lines == [
        {"action": "password.changed", "actor": ada.id, "subject": ada.id},
        {"action": "session.revoked", "actor": ada.id, "subject": other.tokens["session"]["id"]},
    ]


async def test_who_does_not_know_the_current_password_changes_nothing(ada, change, rows):
    before = await rows("SELECT * FROM credentials")
    refused = await change(current_password=WRONG)
    assert problem(refused) == (401, "invalid_credentials")
    assert await rows("SELECT * FROM credentials") == before


async def test_guessing_at_the_current_password_is_slowed_down_like_any_other(change):
    answers = [await change(current_password=WRONG) for _ in range(6)]
    assert problem(answers[-1]) == (429, "rate_limited")


async def test_a_weak_password_is_refused_before_the_current_one_is_looked_at(change):
    for weak in ("short", "passwordpassword", "ada@example.com1"):
        refused = await change(new_password=weak, current_password=WRONG)
        assert problem(refused) == (422, "weak_password")
        assert [error["pointer"] for error in refused.json()["errors"]] == ["#/new_password"]


async def test_the_current_password_is_no_new_one_and_other_mistakes_are_pointed_at(ada, change):
    for field, value in (("new_password", ada.password), ("current_password", None), ("roles", ["admin"])):
        refused = await change(**{field: value})
        assert problem(refused) == (422, "validation_failed")
        assert [error["pointer"] for error in refused.json()["errors"]] == [f"#/{field}"]
        assert ada.password not in refused.text


async def test_of_two_changes_at_once_one_counts(ada, person, change):
    passwords = [f"{NEW} {number}" for number in range(2)]
    answers = await asyncio.gather(*(change(new_password=password) for password in passwords))
    assert sorted(answer.status_code for answer in answers) == [204, 401]
    counts = passwords[[answer.status_code for answer in answers].index(204)]
    assert (await person(ADA, counts).sign_in()).status_code == 201


async def test_a_token_for_a_reset_or_another_address_is_void_after_the_change(client, ada, change, rows):
    await client.post("/v1/password-resets", json={"email": ADA})
    body = {"new_email": "lovelace@example.com", "current_password": ada.password}
    await client.post("/v1/users/me/email-changes", json=body, headers=ada.headers)
    assert len(await rows("SELECT 1 FROM one_time_tokens")) == 2
    assert (await change()).status_code == 204
    assert not await rows("SELECT 1 FROM one_time_tokens")


async def test_a_change_that_fails_at_its_commit_has_not_happened(
    client, ada, person, change, post, rows, commits_fail
):
    other = person(ADA)
    await other.sign_in()
    mails = len(await post.to(ADA))
    await commits_fail("credentials")
    assert (await change()).status_code == 500
    await rows("DROP TRIGGER fail ON credentials")
    assert (await other.refresh()).status_code == 200
    assert (await client.get("/v1/users/me", headers=other.headers)).status_code == 200
    assert (await ada.sign_in()).status_code == 201
    assert len(await post.to(ADA)) == mails
    assert not await rows("SELECT 1 FROM audit_events WHERE action IN ('password.changed', 'session.revoked')")


async def test_a_password_is_changed_ten_times_in_an_hour_at_most(change):
    answers = [await change(new_password="short") for _ in range(11)]
    assert [problem(answer)[0] for answer in answers] == [422] * 10 + [429]


async def test_nobody_changes_a_password_without_a_token(client):
    body = {"current_password": WRONG, "new_password": NEW}
    assert problem(await client.put("/v1/users/me/password", json=body)) == (401, "unauthenticated")


async def test_a_mail_to_somebody_who_is_gone_is_not_sent(ada, change, post, rows):
    await change()
    before = len(await post.to(ADA))
    # As if the mail had waited for its server until they had been erased.
    await rows("UPDATE users SET status = 'erased', address = NULL, email = NULL")
    await rows("UPDATE inbox SET handled_at = NULL WHERE type = 'password.replaced'")
    assert len(await post.to(ADA)) == before
