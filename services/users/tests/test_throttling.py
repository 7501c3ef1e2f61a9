"""Guessing at the password of one account: five looks, then waits that grow, and never a lock for good."""

import asyncio
import threading
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest
from argon2 import PasswordHasher

from core.testing import problem, running
from users.throttling.dependencies import build as build_throttle
from users.throttling.jobs import forget_attempts
from users.throttling.rules import waits_s

WRONG = "not the password at all"
GROWING = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900]


@pytest.fixture
def guess(client):
    """`await guess("ada@example.com")`: one attempt with a wrong password."""

    async def run(email, password=WRONG):
        return await client.post("/v1/sessions", json={"email": email, "password": password})

    return run


@pytest.fixture
def looks(monkeypatch):
    """One item for each time that a password was held against a hash."""
    looked, verify = [], PasswordHasher.verify

    def counted(*given):
        looked.append(True)
        return verify(*given)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    return looked


def retry_after_s(response):
    assert problem(response) == (429, "rate_limited")
    return int(response.headers["retry-after"])


def test_five_attempts_are_free_and_each_later_one_waits_twice_as_long_up_to_a_quarter_of_an_hour():
    assert waits_s(free=5, longest_s=900) == [0, 0, 0, 0, *GROWING]


def test_whatever_is_free_and_longest_waits_begin_after_the_free_ones_and_only_grow():
    for free in range(1, 12):
        for longest_s in (1, 2, 3, 7, 8, 9, 900, 86_400):
            waits = waits_s(free=free, longest_s=longest_s)
            assert waits[: free - 1] == [0] * (free - 1)
            assert (waits[free - 1], waits[-1]) == (1, longest_s)
            assert all(later == min(2 * wait, longest_s) for wait, later in pairwise(waits[free - 1 :]))


@pytest.mark.parametrize("email", ["ada@example.com", "nobody@example.com"])
async def test_fifty_guesses_at_once_get_five_looks(ada, guess, looks, email):
    answers = await asyncio.gather(*(guess(email) for _ in range(50)))
    assert Counter(map(problem, answers)) == {(401, "invalid_credentials"): 5, (429, "rate_limited"): 45}
    assert len(looks) == 5


async def test_the_waits_grow_and_end_and_a_refused_attempt_makes_none_longer(ada, guess, clock, looks):
    for _ in range(5):
        assert problem(await guess(ada.email)) == (401, "invalid_credentials")
    for number, wait_s in enumerate([*GROWING, 900, 900], 5):
        assert retry_after_s(await guess(ada.email)) == wait_s
        clock.advance(timedelta(seconds=wait_s - 0.001))
        assert retry_after_s(await guess(ada.email)) == 1
        assert len(looks) == number
        clock.advance(timedelta(milliseconds=1))
        assert problem(await guess(ada.email)) == (401, "invalid_credentials")
    clock.advance(timedelta(seconds=900))
    assert (await ada.sign_in()).status_code == 201


async def test_the_right_password_has_to_wait_as_well(ada, guess, clock):
    for _ in range(5):
        await guess(ada.email)
    assert retry_after_s(await ada.sign_in()) == 1
    clock.advance(timedelta(seconds=1))
    assert (await ada.sign_in()).status_code == 201


async def test_known_and_unknown_addresses_are_refused_alike_however_they_are_spelled(ada, guess, same):
    for spelled in ("ada@example.com", "ADA@example.com", "ada@EXAMPLE.com", "Ada@example.com", "aDa@example.com"):
        await guess(spelled)
        await guess("nobody@example.com")
    known, unknown = await guess(ada.email), await guess("nobody@example.com")
    assert retry_after_s(known) == retry_after_s(unknown) == 1
    assert same(known, unknown)
    assert problem(await guess("somebody.else@example.com")) == (401, "invalid_credentials")


async def test_a_sign_in_makes_the_next_five_attempts_free_again(ada, guess, rows):
    for _ in range(3):
        for _ in range(4):
            assert problem(await guess(ada.email)) == (401, "invalid_credentials")
        assert (await ada.sign_in()).status_code == 201
    assert not await rows("SELECT 1 FROM login_throttles")


async def test_the_right_password_that_starts_no_session_counts_as_an_attempt(ada, rows):
    await rows("UPDATE users SET status = 'suspended'")
    assert problem(await ada.sign_in()) == (403, "user_suspended")
    assert await rows("SELECT attempts FROM login_throttles") == [{"attempts": 1}]


async def test_a_thief_of_an_access_token_gets_no_more_looks_at_the_password(ada, guess):
    await ada.sign_in()

    async def prove(password):
        body = {"current_password": password}
        return await ada.client.post("/v1/sessions/revoke-others", json=body, headers=ada.headers)

    assert (await prove(ada.password)).status_code == 200
    for _ in range(2):
        assert problem(await guess(ada.email)) == (401, "invalid_credentials")
    for _ in range(3):
        assert problem(await prove(WRONG)) == (401, "invalid_credentials")
    assert retry_after_s(await prove(ada.password)) == retry_after_s(await guess(ada.email)) == 1


async def test_who_has_no_password_any_more_cannot_show_it(ada, rows):
    await ada.sign_in()
    await rows("DELETE FROM credentials")
    body = {"current_password": ada.password}
    refused = await ada.client.post("/v1/sessions/revoke-others", json=body, headers=ada.headers)
    assert problem(refused) == (401, "invalid_credentials")
    assert not await rows("SELECT 1 FROM login_throttles")


async def test_of_many_sign_ins_at_once_those_beyond_the_free_ones_are_sent_away_for_a_second(ada, clock):
    answers = await asyncio.gather(*(ada.sign_in() for _ in range(20)))
    told = Counter(answer.status_code for answer in answers)
    assert told.keys() <= {201, 429}
    assert told[201] >= 5
    assert {retry_after_s(answer) for answer in answers if answer.status_code == 429} <= {1}
    clock.advance(timedelta(seconds=1))
    assert (await ada.sign_in()).status_code == 201


async def test_who_is_told_to_come_back_because_the_queue_is_full_has_used_up_no_attempt(
    build, rows, monkeypatch, becomes
):
    go_on, verify = threading.Event(), PasswordHasher.verify

    def slowly(*given):
        go_on.wait(30)
        return verify(*given)

    async def six_are_answered():
        return sum(each.done() for each in guessing) == 6

    async with running(await build(passwords={"hash_concurrency": 1, "hash_queue_max": 1})) as client:
        monkeypatch.setattr(PasswordHasher, "verify", slowly)
        body = {"email": "ada@example.com", "password": WRONG}
        guessing = [asyncio.create_task(client.post("/v1/sessions", json=body)) for _ in range(8)]
        await becomes(six_are_answered)
        go_on.set()
        answers = Counter(map(problem, await asyncio.gather(*guessing)))
    assert answers == {(503, "overloaded"): 6, (401, "invalid_credentials"): 2}
    assert await rows("SELECT attempts FROM login_throttles") == [{"attempts": 2}]


async def test_every_number_of_it_is_a_setting(build, clock):
    async with running(await build(throttling={"attempts_free": 1, "wait_s_max": 3})) as client:
        waits = []
        for _ in range(4):
            body = {"email": "ada@example.com", "password": WRONG}
            assert problem(await client.post("/v1/sessions", json=body)) == (401, "invalid_credentials")
            waits.append(retry_after_s(await client.post("/v1/sessions", json=body)))
            clock.advance(timedelta(seconds=waits[-1]))
    assert waits == [1, 2, 3, 3]


async def test_whoever_resets_the_password_need_not_wait(ada, guess, resources):
    for _ in range(5):
        await guess(ada.email)
    assert retry_after_s(await ada.sign_in()) == 1
    async with resources.database.transaction() as session:
        await build_throttle(session, resources).forgive(ada.email)
    assert (await ada.sign_in()).status_code == 201


async def test_attempts_are_forgotten_a_day_after_their_wait(guess, resources, clock, rows):
    for _ in range(5):
        await guess("ada@example.com")
    clock.advance(timedelta(seconds=1))
    await guess("nobody@example.com")
    clock.advance(timedelta(hours=24))
    await forget_attempts(resources)
    assert await rows("SELECT attempts FROM login_throttles ORDER BY 1") == [{"attempts": 1}, {"attempts": 5}]
    clock.advance(timedelta(microseconds=1))
    await forget_attempts(resources)
    assert not await rows("SELECT 1 FROM login_throttles")


async def test_whose_attempts_they_are_is_in_no_table_and_failures_are_in_the_log_alone(ada, guess, rows, logs):
    audited = await rows("SELECT count(*) FROM audit_events")
    for email in (ada.email, "nobody@example.com"):
        for _ in range(6):
            await guess(email)
    refused = [line for line in logs if line.get("event") == "a password was refused"]
    assert Counter((line["reason"], line["user_id"]) for line in refused) == {
        ("invalid_credentials", ada.id): 5,
        ("rate_limited", ada.id): 1,
        ("invalid_credentials", None): 5,
        ("rate_limited", None): 1,
    }
    assert "@example.com" not in repr(logs)
    assert await rows("SELECT count(*) FROM audit_events") == audited
    [one, other] = await rows("SELECT key FROM login_throttles")
    assert len(one["key"]) == len(other["key"]) == 32
