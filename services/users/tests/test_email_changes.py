"""Another address: proven before it counts, told to the former one, and to nobody whose it is."""

import asyncio
from datetime import timedelta

import pytest

from core.ids import format_id
from core.testing import problem, running
from users.accounts.repository import AccountRepository

ADA = "ada@example.com"
NEW = "lovelace@example.com"
EVE = "eve@example.com"
WRONG = "not her password at all"
INVALID = (400, "invalid_or_expired_token")
PATH = "/v1/users/me/email-changes"
BODY = {"new_email": NEW, "current_password": "plum tractor orbit velvet"}

# As of somebody who was made an admin before they had proven their address.
VERIFICATION = """
INSERT INTO one_time_tokens (user_id, purpose, id, digest, created_at, expires_at)
SELECT id, 'verify_email', uuidv7(), 'digest', now(), now() + interval '1 day' FROM users
"""


@pytest.fixture
async def ada(ada):
    """Somebody who is signed in."""
    await ada.sign_in()
    return ada


@pytest.fixture
async def eve(join):
    """Somebody else who is signed in."""
    eve = await join(EVE)
    await eve.sign_in()
    return eve


@pytest.fixture
def ask(client):
    """`await ask(ada, NEW)`: for that address, with her password."""

    async def run(somebody, new_email=NEW, **body):
        body = {"new_email": new_email, "current_password": somebody.password} | body
        return await client.post(PATH, json=body, headers=somebody.headers)

    return run


@pytest.fixture
def confirm(client):
    return lambda somebody, token: client.post(f"{PATH}/confirm", json={"token": token}, headers=somebody.headers)


@pytest.fixture
def token_of(ask, post):
    """`await token_of(ada)`: out of the mail to the new address."""

    async def run(somebody, new_email=NEW):
        assert (await ask(somebody, new_email)).status_code == 202
        # Where both addresses are one mailbox, a notice is there, too.
        return next(mail.message.token for mail in await post.to(new_email) if mail.message.token)

    return run


async def test_a_confirmed_address_is_the_one_to_sign_in_with(client, ada, token_of, confirm, person, clock):
    token = await token_of(ada, "Lovelace@Example.com")
    assert (await client.get("/v1/users/me", headers=ada.headers)).json()["email"] == ADA
    clock.advance(timedelta(minutes=1))
    answer = await confirm(ada, token)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"v3"')
    user = answer.json()
    assert (user["id"], user["email"], user["version"]) == (ada.id, "Lovelace@Example.com", 3)
    assert user["verified_at"] == clock.now().isoformat().replace("+00:00", "Z")
    assert problem(await person(ADA).sign_in()) == (401, "invalid_credentials")
    assert (await person(NEW).sign_in()).status_code == 201


async def test_the_owner_is_told_at_the_address_that_is_theirs_and_at_the_one_that_was(
    ada, token_of, confirm, post, rows
):
    before = len(await post.to(ADA))
    token = await token_of(ada)
    [asked, *_] = (mail.message for mail in await post.to(ADA))
    assert (asked.subject, asked.token) == ("Another address for your account", None)
    [sent] = [mail.message for mail in await post.to(NEW)]
    assert sent.subject == "Confirm your new address"
    assert "within 24 hours" in sent.text
    await confirm(ada, token)
    [told, *_] = (mail.message for mail in await post.to(ADA))
    assert told.subject == "The address of your account was changed"
    assert len(await post.to(ADA)) == before + 2
    for mail in (asked, told):
        assert NEW not in mail.text
        assert token not in mail.text
    # Kept for that mail, and no longer.
    assert not await rows("SELECT 1 FROM former_addresses")


async def test_asking_and_confirming_are_written_down_without_an_address(ada, token_of, confirm, rows):
    await confirm(ada, await token_of(ada))
    lines = await rows("SELECT * FROM audit_events WHERE action LIKE 'email.%' ORDER BY id")
    assert [(line["action"], line["actor"], line["subject"], line["details"]) for line in lines] == [
        ("email.change_requested", ada.id, ada.id, {}),
        ("email.changed", ada.id, ada.id, {}),
    ]


async def test_nobody_learns_whose_an_address_is(ada, eve, ask, same, post, queries):
    before = len(await post.to(EVE)), len(await post.to(ADA))
    with queries() as free:
        first = await ask(ada, "nobody@example.com")
    with queries() as taken:
        second = await ask(ada, EVE.upper())
    assert first.json() == {"status": "accepted"}
    assert same(first, second)
    assert len(free) == len(taken) > 0
    # The owner is told, and the caller's mailbox tells nothing either.
    told = await post.to(EVE)
    assert (len(told), told[0].message.token) == (before[0] + 1, None)
    assert told[0].message.subject == "You already have an account"
    assert ADA not in told[0].message.text
    assert len(await post.to(ADA)) == before[1] + 2


async def test_a_newer_request_voids_the_older_one_even_if_its_address_is_taken(ada, eve, ask, token_of, confirm):
    older = await token_of(ada)
    newer = await token_of(ada, "another@example.com")
    assert problem(await confirm(ada, older)) == INVALID
    # Else a caller would see by their older token whether an address is somebody's.
    await ask(ada, EVE)
    assert problem(await confirm(ada, newer)) == INVALID


async def test_who_does_not_know_the_password_asks_for_nothing(ada, ask, post, rows):
    mails = len(await post.to(ADA))
    assert problem(await ask(ada, current_password=WRONG)) == (401, "invalid_credentials")
    assert not await rows("SELECT 1 FROM one_time_tokens")
    assert (len(await post.to(ADA)), await post.to(NEW)) == (mails, [])


async def test_a_field_that_is_not_accepted_is_pointed_at(client, ada, ask):
    for field, value in (("new_email", "lovelace"), ("new_email", f"{ADA}, {EVE}"), ("status", "active")):
        refused = await ask(ada, **{field: value})
        assert problem(refused) == (422, "validation_failed")
        assert [error["pointer"] for error in refused.json()["errors"]] == [f"#/{field}"]


async def test_nobody_changes_an_address_without_a_token_of_their_own(client, ada, eve, token_of, confirm):
    token = await token_of(ada)
    for path, body in ((PATH, {"new_email": NEW, "current_password": WRONG}), (f"{PATH}/confirm", {"token": token})):
        assert problem(await client.post(path, json=body)) == (401, "unauthenticated")
    assert problem(await confirm(eve, token)) == INVALID
    assert (await confirm(ada, token)).status_code == 200


async def test_unknown_used_expired_other_peoples_and_other_tokens_are_refused_alike(
    client, ada, eve, token_of, confirm, post, clock, same
):
    used = await token_of(ada)
    assert (await confirm(ada, used)).status_code == 200
    others = await token_of(eve, "another@example.com")
    expired = await token_of(ada, "third@example.com")
    clock.advance(timedelta(hours=24))
    await client.post("/v1/password-resets", json={"email": NEW})
    for_another_purpose = await post.token_for(NEW)
    tokens = ("nonsense", "A" * 43, used, expired, others, for_another_purpose)
    refusals = [await confirm(ada, token) for token in tokens]
    assert problem(refusals[0]) == INVALID
    assert same(*refusals)


async def test_a_token_works_once(ada, token_of, confirm):
    token = await token_of(ada)
    answers = await asyncio.gather(*(confirm(ada, token) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400]
    assert problem(await confirm(ada, token)) == INVALID


async def test_a_token_works_for_a_day(ada, token_of, confirm, clock):
    token = await token_of(ada)
    clock.advance(timedelta(hours=24, seconds=-1))
    assert (await confirm(ada, token)).status_code == 200


async def test_an_address_that_was_taken_meanwhile_is_refused_and_nothing_changes(
    client, ada, join, token_of, confirm, post, rows
):
    token = await token_of(ada)
    await join(NEW)
    mails = len(await post.to(ADA))
    assert problem(await confirm(ada, token)) == (409, "address_taken")
    user = (await client.get("/v1/users/me", headers=ada.headers)).json()
    assert (user["email"], user["version"]) == (ADA, 2)
    assert len(await post.to(ADA)) == mails
    assert not await rows("SELECT 1 FROM former_addresses")


async def test_who_proves_an_address_goes_before_who_only_registered_it(
    client, ada, ask, token_of, confirm, post, rows, logs
):
    token = await token_of(ada)
    await client.post("/v1/users", json={"email": NEW, "password": WRONG})
    squatters = await post.token_for(NEW)
    [pending] = await rows("SELECT id FROM users WHERE status = 'pending'")
    assert (await confirm(ada, token)).status_code == 200
    assert problem(await client.post("/v1/email-verifications/confirm", json={"token": squatters})) == INVALID
    assert [user["address"] for user in await rows("SELECT address FROM users")] == [NEW]
    [line] = [line for line in logs if line["event"] == "a registration made room"]
    assert line["user_id"] == format_id("usr", pending["id"])
    # Nor is a registration a reason not to ask.
    await client.post("/v1/users", json={"email": "third@example.com", "password": WRONG})
    before = len(await post.to("third@example.com"))
    await ask(ada, "third@example.com")
    assert len(await post.to("third@example.com")) == before + 1


async def test_of_twenty_users_who_confirm_one_address_at_once_one_gets_it(join, token_of, confirm, post, ask, rows):
    people = [await join(f"user{number}@example.com") for number in range(20)]
    tokens = []
    for somebody in people:
        await somebody.sign_in()
        tokens.append(await token_of(somebody))
    answers = await asyncio.gather(*map(confirm, people, tokens))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    assert {problem(answer) for answer in answers if answer.status_code != 200} == {(409, "address_taken")}
    winner = people[[answer.status_code for answer in answers].index(200)]
    [owner] = await rows("SELECT email FROM users WHERE address = $1", NEW)
    assert owner == {"email": NEW}
    assert problem(await winner.sign_in()) == (401, "invalid_credentials")


async def test_the_same_address_may_be_spelled_another_way(client, ada, token_of, confirm):
    spelled = "Ada@Example.com"
    answer = await confirm(ada, await token_of(ada, spelled))
    assert (answer.status_code, answer.json()["email"]) == (200, spelled)
    assert (await ada.sign_in()).status_code == 201


async def test_the_callers_session_stays_all_others_end_and_older_tokens_are_void(
    client, ada, person, token_of, confirm, post, rows
):
    other = person(ADA)
    await other.sign_in()
    token = await token_of(ada)
    await rows(VERIFICATION)
    await client.post("/v1/password-resets", json={"email": ADA})
    reset = {"token": await post.token_for(ADA), "new_password": "granite lantern pepper moss"}
    assert (await confirm(ada, token)).status_code == 200
    assert (await ada.refresh()).status_code == 200
    assert problem(await other.refresh()) == (401, "invalid_refresh_token")
    assert problem(await client.get("/v1/users/me", headers=other.headers)) == (401, "unauthenticated")
    assert problem(await client.post("/v1/password-resets/confirm", json=reset)) == INVALID
    assert not await rows("SELECT 1 FROM one_time_tokens")


async def test_attempts_at_the_new_address_from_before_hold_up_nobody(client, ada, token_of, confirm, person):
    token = await token_of(ada)
    for _ in range(6):
        refused = await client.post("/v1/sessions", json={"email": NEW, "password": WRONG})
    assert problem(refused) == (429, "rate_limited")
    await confirm(ada, token)
    assert (await person(NEW).sign_in()).status_code == 201


async def test_a_change_that_fails_at_its_commit_has_not_happened(
    client, ada, person, token_of, confirm, post, rows, commits_fail
):
    other = person(ADA)
    await other.sign_in()
    token = await token_of(ada)
    mails = len(await post.to(ADA))
    await commits_fail("users")
    assert (await confirm(ada, token)).status_code == 500
    await rows("DROP TRIGGER fail ON users")
    assert (await other.refresh()).status_code == 200
    assert len(await post.to(ADA)) == mails
    assert (await confirm(ada, token)).status_code == 200


async def test_who_is_suspended_while_they_confirm_changes_nothing(ada, token_of, confirm, rows, monkeypatch):
    token = await token_of(ada)
    locked = AccountRepository.locked

    async def after_a_suspension(self, user_id):
        await rows("UPDATE users SET status = 'suspended'")
        return await locked(self, user_id)

    monkeypatch.setattr(AccountRepository, "locked", after_a_suspension)
    assert problem(await confirm(ada, token)) == INVALID
    assert await rows("SELECT email, version FROM users") == [{"email": ADA, "version": 2}]


async def test_a_mail_that_has_waited_too_long_is_not_sent(ada, eve, ask, token_of, confirm, post, rows):
    await ask(ada, EVE)
    await confirm(ada, await token_of(ada))
    before = [len(await post.to(email)) for email in (ADA, EVE, NEW)]
    # As if all of them had waited for a mail server, until both users had been erased.
    await rows("UPDATE users SET status = 'erased', address = NULL, email = NULL")
    await rows("UPDATE inbox SET handled_at = NULL WHERE type LIKE 'email_change.%'")
    assert [len(await post.to(email)) for email in (ADA, EVE, NEW)] == before


async def test_nobody_buries_an_address_or_many_in_mail(ada, ask, build):
    limits = {"mail_per_address": "5/hour"}
    async with running(await build(limits=limits)) as client:
        answers = [await client.post(PATH, json=BODY, headers=ada.headers) for _ in range(6)]
        assert problem(answers[-1]) == (429, "rate_limited")
        others = [{**BODY, "new_email": f"user{number}@example.com"} for number in range(5)]
        answers = [await client.post(PATH, json=body, headers=ada.headers) for body in others]
    assert [answer.status_code for answer in answers] == [202] * 4 + [429]


async def test_no_mail_has_a_link_or_a_word_that_somebody_typed(client, ada, eve, ask, token_of, confirm, post):
    typed = "Urgent: https://phish.example"
    await client.patch("/v1/users/me", json={"name": typed}, headers=ada.headers | {"If-Match": "*"})
    await ada.sign_in(device_name=typed)
    await ask(ada, EVE)
    await client.post("/v1/password-resets", json={"email": ADA})
    await confirm(ada, await token_of(ada))
    passwords = {"current_password": ada.password, "new_password": "granite lantern pepper moss"}
    await client.put("/v1/users/me/password", json=passwords, headers=ada.headers)
    mails = [mail.message for email in (ADA, EVE, NEW) for mail in await post.to(email)]
    assert len(mails) == 9
    for mail in mails:
        assert "://" not in mail.text
        assert "phish" not in mail.subject + mail.text
