"""Keys that another service publishes: how often it is asked, and what happens when it does not answer."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import Unavailable
from core.tokens.keys import generate_key, key_id, public_jwk
from core.tokens.remote import RemoteKeys

FIRST, SECOND = generate_key(), generate_key()


def jwk_set(*keys) -> bytes:
    return json.dumps({"keys": [public_jwk(key) for key in keys]}).encode()


class MovableClock:
    def __init__(self):
        self.time = datetime(2026, 5, 17, 9, 30, tzinfo=UTC)

    def now(self):
        return self.time

    def forward(self, seconds):
        self.time += timedelta(seconds=seconds)


class Issuer:
    """What is behind the URL: publishes keys, counts who asks, and can be down."""

    def __init__(self, *keys):
        self.publish(*keys)
        self.asked = 0
        self.down = False
        # Set: answers at once.
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def publish(self, *keys):
        self.answer = jwk_set(*keys)

    async def fetch(self):
        self.asked += 1
        await self.may_answer.wait()
        if self.down:
            raise ConnectionError("the users service is down")
        return self.answer


def published(*keys):
    issuer, clock = Issuer(*keys), MovableClock()
    return RemoteKeys(issuer.fetch, clock=clock), issuer, clock


async def finish(keys):
    """Lets a question that nobody waits for come to its end."""
    if keys._asking is not None:
        await keys._asking


async def test_a_published_key_is_found_and_asked_for_once():
    keys, issuer, _ = published(FIRST, SECOND)
    assert await keys.find(key_id(FIRST)) == FIRST.public_key()
    assert await keys.find(key_id(SECOND)) == SECOND.public_key()
    assert issuer.asked == 1


async def test_nothing_is_asked_before_the_first_token():
    _, issuer, _ = published(FIRST)
    assert issuer.asked == 0


async def test_the_answer_may_be_parsed_already():
    async def fetch():
        return {"keys": [public_jwk(FIRST)]}

    assert await RemoteKeys(fetch, clock=MovableClock()).find(key_id(FIRST)) == FIRST.public_key()


async def test_an_unknown_key_asks_again_and_is_found_at_once():
    keys, issuer, clock = published(FIRST)
    await keys.find(key_id(FIRST))
    issuer.publish(FIRST, SECOND)
    clock.forward(60)
    assert await keys.find(key_id(SECOND)) == SECOND.public_key()
    assert issuer.asked == 2


async def test_unknown_keys_ask_at_most_once_a_minute():
    keys, issuer, clock = published(FIRST)
    await keys.find(key_id(FIRST))
    for _ in range(60):
        clock.forward(1)
        assert await keys.find("made up") is None
    assert issuer.asked == 2


async def test_all_who_wait_share_one_question():
    keys, issuer, _ = published(FIRST)
    issuer.may_answer.clear()
    waiting = [asyncio.create_task(keys.find(key_id(FIRST))) for _ in range(20)]
    await asyncio.sleep(0)
    issuer.may_answer.set()
    assert await asyncio.gather(*waiting) == [FIRST.public_key()] * 20
    assert issuer.asked == 1


async def test_a_caller_who_gives_up_does_not_take_the_answer_from_the_others():
    keys, issuer, _ = published(FIRST)
    issuer.may_answer.clear()
    impatient, patient = (asyncio.create_task(keys.find(key_id(FIRST))) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    issuer.may_answer.set()
    assert await patient == FIRST.public_key()
    assert issuer.asked == 1


async def test_an_old_key_set_is_renewed_while_it_is_in_use():
    keys, issuer, clock = published(FIRST)
    await keys.find(key_id(FIRST))
    issuer.may_answer.clear()
    clock.forward(300)
    assert await keys.find(key_id(FIRST)) == FIRST.public_key()
    await asyncio.sleep(0)
    assert issuer.asked == 2
    issuer.may_answer.set()
    await finish(keys)


async def test_a_key_that_is_no_longer_published_is_no_longer_known():
    keys, issuer, clock = published(FIRST, SECOND)
    await keys.find(key_id(FIRST))
    issuer.publish(SECOND)
    clock.forward(300)
    await keys.find(key_id(SECOND))
    await finish(keys)
    assert await keys.find(key_id(FIRST)) is None


async def test_a_key_that_stays_stays_the_same_object():
    keys, issuer, clock = published(FIRST)
    before = await keys.find(key_id(FIRST))
    issuer.publish(FIRST, SECOND)
    clock.forward(300)
    await keys.find(key_id(FIRST))
    await finish(keys)
    assert await keys.find(key_id(FIRST)) is before
    assert await keys.find(key_id(SECOND)) is not None


async def test_a_key_that_changed_under_its_name_is_the_new_one():
    answers = [{"keys": [{**public_jwk(key), "kid": "k1"}]} for key in (FIRST, SECOND)]

    async def fetch():
        return answers.pop(0)

    clock = MovableClock()
    keys = RemoteKeys(fetch, clock=clock)
    await keys.find("k1")
    clock.forward(300)
    await keys.find("k1")
    await finish(keys)
    assert await keys.find("k1") == SECOND.public_key()


async def test_during_an_outage_the_known_keys_are_served_and_the_outage_is_logged(caplog):
    keys, issuer, clock = published(FIRST)
    await keys.find(key_id(FIRST))
    issuer.down = True
    for _ in range(10):
        clock.forward(3_600)
        assert await keys.find(key_id(FIRST)) == FIRST.public_key()
        await finish(keys)
    assert issuer.asked == 11
    assert {record.message for record in caplog.records} == {"jwks_fetch_failed"}
    assert caplog.records[0].error == "ConnectionError: the users service is down"


async def test_during_an_outage_an_unknown_key_is_unknown():
    keys, issuer, clock = published(FIRST)
    await keys.find(key_id(FIRST))
    issuer.down = True
    clock.forward(60)
    assert await keys.find("another") is None


async def test_without_any_key_set_ever_it_is_unavailable_and_soon_asked_again():
    keys, issuer, clock = published(FIRST)
    issuer.down = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            await keys.find(key_id(FIRST))
    assert issuer.asked == 1
    issuer.down = False
    clock.forward(1)
    assert await keys.find(key_id(FIRST)) == FIRST.public_key()


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>not found</html>",
        b'{"keys": []}',
        b"[]",
        jwk_set(SECOND) + b" " * 65_536,
    ],
    ids=["not JSON", "no keys", "no set", "too large"],
)
async def test_an_answer_without_keys_is_an_outage(answer):
    keys, issuer, clock = published(FIRST)
    await keys.find(key_id(FIRST))
    issuer.answer = answer
    clock.forward(60)
    assert await keys.find(key_id(SECOND)) is None
    assert await keys.find(key_id(FIRST)) == FIRST.public_key()


async def test_closing_gives_up_the_question_that_is_under_way():
    keys, issuer, _ = published(FIRST)
    issuer.may_answer.clear()
    waiting = asyncio.create_task(keys.find(key_id(FIRST)))
    await asyncio.sleep(0)
    await keys.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_closing_what_has_nothing_under_way_is_fine():
    keys, _, _ = published(FIRST)
    await keys.close()
    await keys.find(key_id(FIRST))
    await keys.close()
