"""Hashing: what it costs, that it never blocks the loop, and what happens when too many ask at once."""

import asyncio

from core.testing import problem, running
from users.accounts.provider import common_passwords, open_passwords
from users.settings import PasswordSettings

PASSWORD = "plum tractor orbit velvet"

LOOP_LAG_S_MAX = 0.02


async def test_the_default_is_argon2id_as_owasp_asks_and_the_loop_runs_on_meanwhile():
    async with open_passwords(PasswordSettings()) as passwords:
        hashing = asyncio.create_task(passwords.hash(PASSWORD))
        loop = asyncio.get_running_loop()
        turns = 0
        while not hashing.done():
            before = loop.time()
            await asyncio.sleep(0)
            turns += loop.time() - before < LOOP_LAG_S_MAX
        hashed = await hashing
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


async def test_more_sign_ins_than_can_wait_are_told_to_come_back(build):
    narrow = {"hash_memory_kib": 19_456, "hash_concurrency": 1, "hash_queue_max": 1}
    async with running(await build(passwords=narrow)) as client:
        body = {"email": "nobody@example.com", "password": PASSWORD}
        answers = await asyncio.gather(*(client.post("/v1/sessions", json=body) for _ in range(8)))
    told = [problem(answer) for answer in answers]
    assert told.count((401, "invalid_credentials")) >= 2
    busy = [answer for answer in answers if answer.status_code == 503]
    assert problem(busy[0]) == (503, "overloaded")
    assert busy[0].headers["retry-after"] == "1"
    assert len(busy) + told.count((401, "invalid_credentials")) == 8


def test_the_shipped_list_is_in_lower_case_and_says_nothing_twice():
    text = common_passwords()
    assert len(text) > 200
    assert all(word == word.casefold().strip() for word in text)
