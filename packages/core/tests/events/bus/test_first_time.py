"""A consumer that is new: what it learns of the time before it."""

from contextlib import nullcontext

from company import replica

from core.events.bus import LocalBus


async def test_over_nats_it_gets_the_history(users, billing, nats, over, becomes):
    connect = over(nats.url)
    async with replica(users, connect):
        for n in range(5):
            await users.emit(n=n, sequence=n)
        await becomes(users.has_sent_all)
        async with replica(billing, connect, billing.noting()):
            await becomes(lambda: billing.has(5))
    assert await billing.notes() == [0, 1, 2, 3, 4]


async def test_within_one_process_it_is_told_by_a_replay(users, billing, becomes):
    bus = LocalBus()
    async with replica(users, lambda: nullcontext(bus)):
        await users.emit(n=1, sequence=1)
        await becomes(users.has_sent_all)
        async with replica(billing, lambda: nullcontext(bus), billing.noting()):
            await users.emit(n=1, sequence=1)
            await becomes(billing.notes)
    assert await billing.notes() == [1]
    assert len(await billing.inbox()) == 1
