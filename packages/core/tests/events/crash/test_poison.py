"""An event that cannot be handled, or that ends every process that tries: nothing but its own subject waits for it."""

import asyncpg
import pytest
from stage import Outcome

from core.events.queues.leases import ATTEMPTS_MAX

# In the middle: some of its subject are before it, and some behind it.
POISON = SUBJECT, SEQUENCE = "thg_3", 3
BACKOFF_S = ("core.events.queues.leases.BACKOFF_S_MIN", "core.events.queues.leases.BACKOFF_S_MAX")


@pytest.fixture
def consumer(stage) -> asyncpg.Pool:
    return stage.databases["consumer"]


async def test_an_event_that_fails_holds_back_its_subject_alone_until_it_is_dead(stage, consumer):
    patient = dict.fromkeys(BACKOFF_S, 300)
    async with stage.running(events=stage.events, poison=POISON, constants=patient):
        await stage.sent(stage.events)
        elsewhere = "SELECT count(*) FROM outbox WHERE subject <> $1"
        others = await stage.databases["producer"].fetchval(elsewhere, SUBJECT)
        await stage.applied(others + SEQUENCE - 1)
        assert await sequences(consumer) == [*range(1, SEQUENCE)]
        assert not await consumer.fetch("SELECT FROM inbox WHERE dead_at IS NOT NULL")
    # Five minutes later.
    await consumer.execute("UPDATE inbox SET due_at = now() WHERE due_at > now()")
    async with stage.running(poison=POISON):
        await assert_it_is_the_only_one_lost(stage)
    dead = await consumer.fetchrow("SELECT attempts, last_error FROM inbox WHERE dead_at IS NOT NULL")
    assert tuple(dead) == (ATTEMPTS_MAX, "Poisoned")


async def test_an_event_that_ends_its_process_is_dead_in_the_end(stage):
    async with stage.running(events=stage.events, constants={"core.events.inbox.dispatcher.DELIVERIES_MAX": 0}):
        await stage.sent(stage.events)
    deadly = {"poison": POISON, "is_deadly": True}
    for _ in range(ATTEMPTS_MAX):
        async with stage.running(**deadly) as processes:
            await stage.died(processes["consumer"])
    async with stage.running(**deadly):
        await assert_it_is_the_only_one_lost(stage)


async def assert_it_is_the_only_one_lost(stage):
    await stage.finished()
    outcome = await stage.outcome("consumer")
    made = outcome.committed
    assert outcome == Outcome(committed=made, applied=made - 1, lost=1)
    last = await stage.databases["producer"].fetchval("SELECT version FROM things WHERE id = $1", SUBJECT)
    assert await sequences(stage.databases["consumer"]) == [each for each in range(1, last + 1) if each != SEQUENCE]


async def sequences(consumer):
    """Those of its subject that were applied, as they were."""
    rows = await consumer.fetch(
        "SELECT sequence FROM applied WHERE handler = 'once' AND subject = $1 ORDER BY at", SUBJECT
    )
    return [row["sequence"] for row in rows]
