"""Claims by themselves: who gets a key, who loses it, and that no two of them can both commit."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, text

from core.idempotency import Answer, Claim, Claims, IdempotencyInFlight, IdempotencyKeyReused, Ticket

TICKET = Ticket(scope="usr_1 POST /v1/things", key="key", fingerprint=b"one")
OTHER_REQUEST = replace(TICKET, fingerprint=b"another")
ANSWER = Answer(201, "application/json", b"{}")


@pytest.fixture
def keys(database) -> Claims:
    return Claims(database)


@pytest.fixture
def claimed_long_ago(keys, monkeypatch) -> Callable[[], Awaitable[Claim]]:
    """`await claimed_long_ago()`: a claim whose lease has run out."""

    async def claim() -> Claim:
        with monkeypatch.context() as patch:
            patch.setattr("core.idempotency.claims.LEASE", timedelta(seconds=-1))
            return await claimed(keys)

    return claim


async def claimed(keys: Claims, ticket: Ticket = TICKET) -> Claim:
    claim = await keys.claim(ticket)
    assert isinstance(claim, Claim)
    return claim


async def test_a_claim_that_is_cancelled_while_it_commits_is_given_back(keys, database, claims):
    claiming = asyncio.create_task(keys.claim(TICKET))
    event.listen(database.engine.sync_engine, "commit", lambda _: claiming.cancel(), once=True)
    await asyncio.wait([claiming])
    assert claiming.cancelled()
    assert await claims() == []


async def complete(keys: Claims, claim: Claim) -> None:
    async with keys.database.transaction() as session:
        await keys.complete(session, claim, ANSWER)


async def test_a_key_is_claimed_by_one_and_answers_with_what_that_one_stored(keys):
    claim = await claimed(keys)
    with pytest.raises(IdempotencyInFlight):
        await keys.claim(TICKET)
    await complete(keys, claim)
    assert await keys.claim(TICKET) == ANSWER


async def test_another_request_under_the_key_is_refused_before_one_in_flight(keys):
    claim = await claimed(keys)
    with pytest.raises(IdempotencyKeyReused):
        await keys.claim(OTHER_REQUEST)
    await complete(keys, claim)
    with pytest.raises(IdempotencyKeyReused):
        await keys.claim(OTHER_REQUEST)


@pytest.mark.parametrize("other", [replace(TICKET, scope="usr_2 POST /v1/things"), replace(TICKET, key="another")])
async def test_another_scope_or_key_is_another_claim(keys, other):
    await claimed(keys)
    await claimed(keys, other)


async def test_of_many_who_claim_at_once_one_gets_the_key(keys):
    outcomes = await asyncio.gather(*(keys.claim(TICKET) for _ in range(10)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Claim", *["IdempotencyInFlight"] * 9]


async def test_a_claim_that_is_given_back_can_be_claimed_again(keys):
    await keys.release(await claimed(keys))
    await claimed(keys)


async def test_an_answer_is_not_given_back(keys):
    claim = await claimed(keys)
    await complete(keys, claim)
    await keys.release(claim)
    assert await keys.claim(TICKET) == ANSWER


async def test_an_abandoned_claim_is_taken_over_by_the_same_request_alone(keys, claimed_long_ago):
    await claimed_long_ago()
    with pytest.raises(IdempotencyKeyReused):
        await keys.claim(OTHER_REQUEST)
    outcomes = await asyncio.gather(*(keys.claim(TICKET) for _ in range(5)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Claim", *["IdempotencyInFlight"] * 4]


async def test_who_comes_second_to_an_abandoned_claim_does_not_get_it(keys, claimed_long_ago, admin, becomes):
    await claimed_long_ago()
    async with admin.transaction():
        await admin.execute("UPDATE idempotency_keys SET leased_until = now() + interval '1 min'")
        second = asyncio.create_task(keys.claim(TICKET))
        waiting = (
            "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        await becomes(lambda: admin.fetchval(waiting))
    with pytest.raises(IdempotencyInFlight):
        await second


async def test_an_owner_that_was_only_slow_cannot_commit_any_more(keys, claimed_long_ago, database, admin):
    slow = await claimed_long_ago()
    await claimed(keys)

    async def work() -> None:
        async with database.transaction() as session:
            await session.execute(text("CREATE TABLE effect ()"))
            await keys.complete(session, slow, ANSWER)

    with pytest.raises(IdempotencyInFlight):
        await work()
    assert await admin.fetchval("SELECT to_regclass('effect')") is None


async def test_an_owner_that_was_only_slow_does_not_give_back_what_another_holds(keys, claimed_long_ago):
    slow = await claimed_long_ago()
    quick = await claimed(keys)
    await keys.release(slow)
    await complete(keys, quick)
    assert await keys.claim(TICKET) == ANSWER


async def test_a_lease_that_ran_out_counts_while_nobody_took_it_over(keys, claimed_long_ago):
    claim = await claimed_long_ago()
    await complete(keys, claim)
    assert await keys.claim(TICKET) == ANSWER


async def test_a_key_is_kept_for_a_day(keys, admin):
    await complete(keys, await claimed(keys))
    await admin.execute("UPDATE idempotency_keys SET created_at = now() - interval '23 h 59 min'")
    assert await keys.claim(TICKET) == ANSWER
    await admin.execute("UPDATE idempotency_keys SET created_at = now() - interval '24 h 1 min'")
    claim = await claimed(keys, OTHER_REQUEST)
    with pytest.raises(IdempotencyInFlight):
        await keys.claim(OTHER_REQUEST)
    await complete(keys, claim)
    assert await keys.claim(OTHER_REQUEST) == ANSWER


async def test_who_asks_while_the_answer_is_being_committed_is_told_at_once(keys, database):
    claim = await claimed(keys)
    async with database.transaction() as session:
        await keys.complete(session, claim, ANSWER)
        async with asyncio.timeout(30):
            with pytest.raises(IdempotencyInFlight):
                await keys.claim(TICKET)


async def test_a_claim_is_given_back_only_when_the_outcome_of_its_commit_is_known(keys, database):
    claim = await claimed(keys)
    async with database.transaction() as session:
        await keys.complete(session, claim, ANSWER)
        releasing = asyncio.create_task(keys.release(claim))
        await asyncio.sleep(0.05)
        assert not releasing.done()
    await releasing
    assert await keys.claim(TICKET) == ANSWER


def test_every_attempt_under_a_key_has_the_same_id():
    assert TICKET.id == OTHER_REQUEST.id
    assert len({TICKET.id, replace(TICKET, key="another").id, replace(TICKET, scope="another").id}) == 3


async def test_what_an_erased_caller_was_answered_is_forgotten_and_nothing_else(keys, database):
    answered, under_way = TICKET, replace(TICKET, key="under way")
    # `_` is a wildcard of LIKE, and one subject may begin as another does.
    others = [replace(TICKET, scope=f"{subject} POST /v1/things") for subject in ("usr-1", "usr_11", "usr_2")]
    for ticket in (answered, *others):
        claim = await claimed(keys, ticket)
        async with database.transaction() as session:
            await keys.complete(session, claim, ANSWER)
    await claimed(keys, under_way)
    async with database.transaction() as session:
        await keys.forget_caller(session, "usr_1")
    async with database.transaction() as session:
        left = (await session.execute(text("SELECT scope, key FROM idempotency_keys"))).all()
    assert {tuple(row) for row in left} == {(each.scope, each.key) for each in (under_way, *others)}
