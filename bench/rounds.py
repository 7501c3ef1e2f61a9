"""Measures subjects in turn, round after round, so that a machine whose speed drifts slows all of them alike."""

import gc
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from time import perf_counter, process_time

from bench.figures import Samples

Call = Callable[[], Awaitable[object]]
MICROSECONDS = 1e6


async def in_turn(subjects: Mapping[str, Call], *, rounds: int, calls: int, waits: bool = False) -> Samples:
    """Microseconds a call. Of processor time; of the clock on the wall for subjects that wait for somebody else."""
    clock = perf_counter if waits else process_time
    for call in subjects.values():
        await _repeat(call, calls)
    # What was built before is not collected again and again: a service that has started is as old.
    gc.collect()
    gc.freeze()
    samples: dict[str, list[float]] = {name: [] for name in subjects}
    order = Random(rounds)  # noqa: S311 - another order each round, the same in every run
    for _ in range(rounds):
        # Nobody always comes after the most expensive, whose log lines are still being written.
        for name in order.sample(list(subjects), len(subjects)):
            # The collector runs during the calls, as it does in a service; the garbage of others is none of theirs.
            gc.collect()
            before = clock()
            await _repeat(subjects[name], calls)
            samples[name].append((clock() - before) / calls * MICROSECONDS)
    return samples


async def _repeat(call: Call, calls: int) -> None:
    for _ in range(calls):
        await call()
