"""Hashing: what it costs, that it never blocks the loop, and what happens when too many ask at once."""

import asyncio
import threading
from collections import Counter
from typing import Any

from argon2 import PasswordHasher

from core.testing import problem, running
from users.passwords.provider import common_passwords, open_hashing
from users.settings import PasswordSettings

PASSWORD = "plum tractor orbit velvet"

LOOP_LAG_S_MAX = 0.02


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
        assert await passwords.matches(PASSWORD, hashed)
        assert not await passwords.matches(PASSWORD + " ", hashed)
        assert not await passwords.matches(PASSWORD, None)


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
