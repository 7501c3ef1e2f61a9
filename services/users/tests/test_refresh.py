"""Refresh tokens: each is used once; a second use means that somebody has a copy, and ends the session."""

import asyncio
from datetime import timedelta

import pytest

from core.ids import new_id
from core.testing import problem, running
from users.sessions.rules import RefreshToken

REUSED = (401, "refresh_token_reused")
INVALID = (401, "invalid_refresh_token")


@pytest.fixture
async def ada(ada):
    """Somebody who is signed in."""
    await ada.sign_in()
    return ada


async def test_a_refresh_gives_a_new_pair_and_both_work(client, ada, clock):
    before = dict(ada.tokens)
    clock.advance(timedelta(minutes=4))
    response = await ada.refresh()
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert body["refresh_token"] != before["refresh_token"]
    assert (await client.get("/v1/users/me", headers=ada.headers)).status_code == 200
    assert (await ada.refresh()).status_code == 200


async def test_the_token_before_gets_the_current_one_again_for_ten_seconds(ada, clock):
    first = ada.tokens["refresh_token"]
    current = (await ada.refresh()).json()["refresh_token"]
    clock.advance(timedelta(seconds=9))
    assert (await ada.refresh(first)).json()["refresh_token"] == current
    assert (await ada.refresh(current)).status_code == 200


async def test_the_token_before_ends_the_session_after_ten_seconds(client, ada, clock, rows):
    first = ada.tokens["refresh_token"]
    await ada.refresh()
    clock.advance(timedelta(seconds=10))
    assert problem(await ada.refresh(first)) == REUSED
    # The refusal has not taken the revocation back: the thief's and the owner's tokens are both worth nothing.
    assert problem(await ada.refresh()) == INVALID
    assert problem(await ada.refresh(first)) == INVALID
    assert problem(await client.get("/v1/users/me", headers=ada.headers)) == (401, "unauthenticated")
    [event] = await rows("SELECT subject, data FROM outbox WHERE type = 'session.revoked'")
    assert event["subject"] == event["data"]["id"] == ada.tokens["session"]["id"]
    # Nor what was written down of it: nobody knows who showed the token.
    lines = await rows(
        "SELECT action, actor, subject FROM audit_events WHERE subject = $1 ORDER BY id", event["subject"]
    )
    assert [(line["action"], line["actor"]) for line in lines[1:]] == [
        ("refresh_token.reused", "anonymous"),
        ("session.revoked", "system"),
    ]


async def test_a_token_two_behind_ends_the_session_at_once(ada):
    first = ada.tokens["refresh_token"]
    await ada.refresh()
    await ada.refresh()
    assert problem(await ada.refresh(first)) == REUSED
    assert problem(await ada.refresh()) == INVALID


async def test_twenty_refreshes_at_once_log_nobody_out(client, ada):
    answers = await asyncio.gather(*(ada.refresh(ada.tokens["refresh_token"]) for _ in range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert (await ada.refresh()).status_code == 200
    assert (await client.get("/v1/users/me", headers=ada.headers)).status_code == 200


async def test_without_leeway_a_second_use_ends_the_session_whenever_it_comes(ada, build):
    async with running(await build(sessions={"refresh_leeway_s": 0})) as ada.client:
        first = ada.tokens["refresh_token"]
        assert (await ada.refresh(first)).status_code == 200
        assert problem(await ada.refresh(first)) == REUSED


async def test_what_is_no_refresh_token_of_ours_is_refused_and_ends_nothing(ada, settings):
    secret = settings.secret_key.get_secret_value()
    session, counter, mac = ada.tokens["refresh_token"].split(".")
    nobodys = RefreshToken(new_id(), 0).text(secret=secret)
    for text in (
        "",
        "nonsense",
        ada.tokens["access_token"][:200],
        f"{session}.{counter}.{'A' * 43}",
        f"{session}.1.{mac}",
        f"{session}.01.{mac}",
        f"rt_zzzzzzzzzzzzzzzzzzzzzzzzzz.{counter}.{mac}",
        f"{nobodys.split('.')[0]}.{counter}.{mac}",
        nobodys,
    ):
        assert problem(await ada.client.post("/v1/sessions/refresh", json={"refresh_token": text})) == INVALID
    assert (await ada.refresh()).status_code == 200


async def test_a_session_ends_when_it_was_not_refreshed_for_seven_days(ada, clock):
    clock.advance(timedelta(days=7, seconds=-1))
    assert (await ada.refresh()).status_code == 200
    clock.advance(timedelta(days=7))
    assert problem(await ada.refresh()) == INVALID


async def test_a_session_ends_after_thirty_days_however_often_it_was_refreshed(ada, clock):
    for _ in range(4):
        clock.advance(timedelta(days=6))
        assert (await ada.refresh()).status_code == 200
    clock.advance(timedelta(days=6, seconds=-1))
    assert (await ada.refresh()).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert problem(await ada.refresh()) == INVALID


async def test_a_suspended_user_gets_no_new_tokens(ada, rows):
    await rows("UPDATE users SET status = 'suspended'")
    assert problem(await ada.refresh()) == INVALID
