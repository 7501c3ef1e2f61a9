"""The proof that an address is somebody's: a token by mail, which works once and for a day."""

import asyncio
from datetime import timedelta

from core.testing import problem
from users.registration.jobs import forget_unconfirmed_registrations
from users.registration.repository import RegistrationRepository

PASSWORD = "plum tractor orbit velvet"

ADA = "ada@example.com"

WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def register(client, email=ADA):
    response = await client.post("/v1/users", json={"email": email, "password": PASSWORD})
    assert response.status_code == 202


async def confirm(client, token):
    return await client.post("/v1/email-verifications/confirm", json={"token": token})


async def ask_again(client, email):
    return await client.post("/v1/email-verifications", json={"email": email})


async def test_a_confirmed_user_is_active_and_announced_without_what_nobody_else_needs(client, post, rows):
    await register(client)
    response = await confirm(client, await post.token_for(ADA))
    assert response.status_code == 200
    user = response.json()
    assert user["id"].startswith("usr_")
    assert (user["email"], user["status"], user["roles"], user["version"]) == (ADA, "active", ["user"], 2)
    assert user["verified_at"].endswith("Z")
    [event] = await rows("SELECT * FROM outbox WHERE type = 'user.activated'")
    assert (event["subject"], event["sequence"]) == (user["id"], 2)
    assert event["data"] == {"id": user["id"], "status": "active"}


async def test_a_token_works_once(client, post):
    await register(client)
    token = await post.token_for(ADA)
    answers = await asyncio.gather(*(confirm(client, token) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400]


async def test_confirming_and_registering_again_at_once_do_not_wait_for_each_other_for_ever(client, post):
    await register(client)
    token = await post.token_for(ADA)
    work = [each for _ in range(5) for each in (confirm(client, token), register(client))]
    answers = [answer for answer in await asyncio.gather(*work) if answer is not None]
    assert {answer.status_code for answer in answers} <= {200, 400}


async def test_a_token_works_for_a_day(client, post, clock):
    await register(client)
    await register(client, "eve@example.com")
    clock.advance(timedelta(hours=24, seconds=-1))
    assert (await confirm(client, await post.token_for(ADA))).status_code == 200
    clock.advance(timedelta(seconds=1))
    refused = await confirm(client, await post.token_for("eve@example.com"))
    assert problem(refused) == (400, "invalid_or_expired_token")


async def test_unknown_used_and_expired_tokens_are_refused_alike(client, post, clock, same):
    await register(client)
    used = await post.token_for(ADA)
    await confirm(client, used)
    await register(client, "eve@example.com")
    expired = await post.token_for("eve@example.com")
    clock.advance(timedelta(hours=24))
    refusals = [await confirm(client, token) for token in ("nonsense", "A" * 43, used, expired)]
    assert problem(refusals[0]) == (400, "invalid_or_expired_token")
    assert same(*refusals)


async def test_another_mail_voids_the_token_of_the_one_before(client, post):
    await register(client)
    older = await post.token_for(ADA)
    await ask_again(client, "ADA@example.com")
    newer = await post.token_for(ADA)
    assert problem(await confirm(client, older)) == (400, "invalid_or_expired_token")
    assert (await confirm(client, newer)).status_code == 200


async def test_asking_again_tells_nobody_who_is_registered_and_mails_only_who_waits(client, ada, post, same):
    await register(client, "pending@example.com")
    mails = {email: len(await post.to(email)) for email in ("pending@example.com", ADA, "nobody@example.com")}
    assert same(*[await ask_again(client, email) for email in mails])
    more = {email: len(await post.to(email)) - before for email, before in mails.items()}
    assert more == {"pending@example.com": 1, ADA: 0, "nobody@example.com": 0}


async def test_asking_again_while_the_registration_is_taken_away_is_answered_as_ever(client, post, rows, becomes, same):
    await register(client)
    await post.to(ADA)
    await rows("BEGIN")
    # As when somebody proves that the address of this registration is theirs.
    await rows("DELETE FROM users")
    asking = asyncio.create_task(ask_again(client, ADA))
    await becomes(lambda: rows(WAITING))
    await rows("COMMIT")
    assert same(await asking, await ask_again(client, "nobody@example.com"))
    assert not await rows("SELECT 1 FROM one_time_tokens")


async def test_a_token_that_is_replaced_while_it_is_confirmed_confirms_nobody(client, post, rows, monkeypatch):
    await register(client)
    token = await post.token_for(ADA)
    activate = RegistrationRepository.activate

    async def after_a_replacement(self, user_id, *, at):
        await rows("UPDATE one_time_tokens SET digest = 'another'")
        return await activate(self, user_id, at=at)

    monkeypatch.setattr(RegistrationRepository, "activate", after_a_replacement)
    assert problem(await confirm(client, token)) == (400, "invalid_or_expired_token")
    assert await rows("SELECT status FROM users") == [{"status": "pending"}]


async def test_a_mail_whose_token_was_replaced_before_it_left_is_not_sent(client, post, rows):
    await register(client)
    await post.to(ADA)
    [first] = await rows("SELECT position FROM inbox")
    await ask_again(client, ADA)
    before = len(await post.to(ADA))
    # As if the first mail had waited for its server until now.
    await rows("UPDATE inbox SET handled_at = NULL WHERE position = $1", first["position"])
    assert len(await post.to(ADA)) == before


async def test_a_registration_that_nobody_confirms_is_kept_for_a_month_after_the_last_time(
    client, post, resources, clock, rows, monkeypatch
):
    # As if there were too many for one transaction.
    monkeypatch.setattr("users.registration.service.FORGOTTEN_MAX", 1)
    left = {"ada": ADA, "eve": "eve@example.com", "joe": "joe@example.com", "zoe": "zoe@example.com"}
    for address in left.values():
        await register(client, address)
    await confirm(client, await post.token_for(left["zoe"]))
    clock.advance(timedelta(days=1))
    await register(client, left["ada"])

    async def kept():
        await forget_unconfirmed_registrations(resources)
        return {row["address"].partition("@")[0] for row in await rows("SELECT address FROM users")}

    clock.advance(timedelta(days=29))
    assert await kept() == {"ada", "eve", "joe", "zoe"}
    clock.advance(timedelta(seconds=1))
    assert await kept() == {"ada", "zoe"}
    clock.advance(timedelta(days=1))
    assert await kept() == {"zoe"}
    assert len(await rows("SELECT 1 FROM credentials")) == 1
    assert not await rows("SELECT 1 FROM one_time_tokens")
