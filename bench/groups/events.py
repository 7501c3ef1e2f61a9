"""Events between two services: how soon the effect follows, how many a relay takes along, and what idling costs."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import median
from time import perf_counter, process_time

import uvloop

from bench.databases import an_empty_database
from bench.figures import Amount, Group, Ratio, Samples, Target
from bench.messaging import KEEP, Pair, pair, running
from core.events.bus import Bus, LocalBus, open_bus
from core.settings import EventSettings
from core.testing.nats import nats_server

MS_A_SECOND, US_A_SECOND = 1e3, 1e6
LATENCY_ROUNDS, EVENTS_A_ROUND = 10, 30
RATE_ROUNDS, BURST = 5, 2000
# Long enough for the polls of a relay that has nothing to do, once a second, to show.
IDLE_ROUNDS, IDLE_S = 3, 10

Measured = Callable[[Pair], Awaitable[list[float]]]


def soon() -> Samples:
    """Milliseconds from one commit to the other."""
    return uvloop.run(_over_each_bus(_latency, baseline=_two_commits))


def many() -> Samples:
    """Microseconds an event."""
    return uvloop.run(_over_each_bus(_relayed))


def idle() -> Samples:
    """Per cent of a processor, of the process that runs a relay and a dispatcher."""
    return uvloop.run(_over_each_bus(_idling))


async def _over_each_bus(measured: Measured, *, baseline: Measured | None = None) -> Samples:
    samples: dict[str, list[float]] = {}
    async with _services(LocalBus()) as both:
        samples["local"] = await measured(both)
        if baseline is not None:
            samples["two commits"] = await baseline(both)
    with nats_server() as server:
        settings = EventSettings.model_validate({"url": server.url})
        async with open_bus(settings, name="bench") as bus, _services(bus) as both:
            samples["NATS"] = await measured(both)
    return samples


@asynccontextmanager
async def _services(bus: Bus) -> AsyncGenerator[Pair]:
    with an_empty_database("maker") as maker, an_empty_database("keeper") as keeper:
        async with pair(maker, keeper, bus) as both:
            yield both


async def _latency(both: Pair) -> list[float]:
    """The median of each round: one event at a time, when everybody is idle."""
    medians = []
    async with running(both.relay, both.dispatcher):
        for first in range(0, LATENCY_ROUNDS * EVENTS_A_ROUND, EVENTS_A_ROUND):
            taken = []
            for number in range(first, first + EVENTS_A_ROUND):
                await both.announce([number])
                before = perf_counter()
                await both.kept.until(number + 1)
                taken.append((both.kept.at[number] - before) * MS_A_SECOND)
                # The row is marked as sent, too, before the next one comes.
                await both.all_sent()
            medians.append(median(taken))
    return medians


async def _two_commits(both: Pair) -> list[float]:
    """What is not safe: both databases are written one after the other, and a crash between them loses the second."""
    medians = []
    for _ in range(LATENCY_ROUNDS):
        taken = []
        for number in range(EVENTS_A_ROUND):
            before = perf_counter()
            async with both.keeper.transaction() as session:
                await session.execute(KEEP, {"number": number})
            taken.append((perf_counter() - before) * MS_A_SECOND)
        medians.append(median(taken))
    return medians


async def _relayed(both: Pair) -> list[float]:
    """From the outbox into the inbox, in bursts."""
    taken = []
    for round_ in range(RATE_ROUNDS):
        await both.announce(range(round_ * BURST, (round_ + 1) * BURST))
        before = perf_counter()
        async with running(both.relay):
            await both.all_sent()
        taken.append((perf_counter() - before) / BURST * US_A_SECOND)
    return taken


async def _idling(both: Pair) -> list[float]:
    shares = []
    async with running(both.relay, both.dispatcher):
        for _ in range(IDLE_ROUNDS):
            before = process_time()
            await asyncio.sleep(IDLE_S)
            shares.append((process_time() - before) / IDLE_S * 100)
    return shares


SOON = Group(
    title="An event from commit to commit, between two databases, idle",
    unit="ms",
    run=soon,
    figures=[
        Amount("LocalBus, median", "local", Target(5)),
        Amount("NATS JetStream, median", "NATS", Target(15)),
        Ratio("LocalBus, against the second commit alone", "local", "two commits"),
        Ratio("NATS JetStream, against the second commit alone", "NATS", "two commits"),
    ],
)
MANY = Group(
    title="A burst of 2 000 events through one relay, 500 subjects",
    unit="µs",
    run=many,
    figures=[
        Amount("LocalBus, an event (1 000 a second are 1 000 µs)", "local", Target(1000)),
        Amount("NATS JetStream, an event", "NATS", Target(1000)),
    ],
)
IDLE = Group(
    title="An idle relay and an idle dispatcher",
    unit="% of a processor",
    run=idle,
    figures=[Amount("LocalBus", "local", Target(0.5)), Amount("NATS JetStream", "NATS", Target(0.5))],
)
