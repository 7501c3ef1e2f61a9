"""Counts in this process: their times, and that no crowd of addresses makes them grow."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from core.rate_limits import RateLimits, rate
from core.rate_limits.memory import BoundedMemory

KEY = b"k" * 32


def at_once(coroutine):
    """What the coroutine gives; it must not wait for anything, or else two hits could meet."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waited")


def limits_of(storage: BoundedMemory) -> RateLimits:
    return RateLimits(storage, key=KEY, uncounted=lambda: None)


AMOUNTS = st.integers(1, 12)
PERIODS_S = st.integers(1, 90)
PAUSES_S = st.lists(st.one_of(st.just(0.0), st.floats(0, 60), st.integers(0, 60)), min_size=1, max_size=60)


# In floating point the window of this one ends a little before its second.
@example(amount=1, period_s=3, pauses_s=[0.0, 1])
@given(amount=AMOUNTS, period_s=PERIODS_S, pauses_s=PAUSES_S)
def test_who_waits_as_long_as_told_is_served_and_waits_less_than_a_second_too_long(by_hand, amount, period_s, pauses_s):
    with by_hand() as clock:
        limits = limits_of(BoundedMemory())
        limit = rate(f"{amount}/{period_s} seconds")
        for pause_s in pauses_s:
            clock.now += pause_s
            standing = at_once(limits.count("n", "k", limit))
            if standing.allowed:
                continue
            assert standing.remaining == 0
            refused_at = clock.now
            clock.now = refused_at + standing.more_in_s - 1.02
            early = clock.now > refused_at and at_once(limits.count("n", "k", limit)).allowed
            assert not early
            clock.now = refused_at + standing.more_in_s
            assert at_once(limits.count("n", "k", limit)).allowed


@given(amount=AMOUNTS, period_s=PERIODS_S, pauses_s=PAUSES_S)
def test_the_remaining_hits_pass_at_once_and_no_more(by_hand, amount, period_s, pauses_s):
    with by_hand() as clock:
        limits = limits_of(BoundedMemory())
        limit = rate(f"{amount}/{period_s} seconds")
        standing = at_once(limits.count("n", "k", limit))
        for pause_s in pauses_s:
            clock.now += pause_s
            standing = at_once(limits.count("n", "k", limit))
        left = [at_once(limits.count("n", "k", limit)).allowed for _ in range(standing.remaining + 1)]
        assert left == [True] * standing.remaining + [False]


def test_there_is_no_burst_of_twice_the_limit_where_two_windows_meet(clock):
    limits = limits_of(BoundedMemory())
    limit = rate("10/minute")
    clock.now += 59.9
    assert [at_once(limits.count("n", "k", limit)).allowed for _ in range(10)] == [True] * 10
    clock.now += 0.2
    assert [at_once(limits.count("n", "k", limit)).allowed for _ in range(10)] == [True] + [False] * 9


def test_what_is_told_falls_as_hits_are_made_and_rises_as_time_passes(clock):
    limits = limits_of(BoundedMemory())
    limit = rate("6/minute")
    falling = [at_once(limits.count("n", "k", limit)).remaining for _ in range(6)]
    assert falling == [5, 4, 3, 2, 1, 0]
    clock.now += 60
    rising = []
    for _ in range(5):
        clock.now += 10.01
        rising.append(at_once(limits.count("n", "k", limit)).remaining)
    assert [later - earlier for earlier, later in pairwise(rising)] == [0] * 4


def test_a_million_addresses_do_not_make_it_grow(clock):
    storage = BoundedMemory(keys_max=1000)
    limits = limits_of(storage)
    limit = rate("10/minute")
    for number in range(20_000):
        at_once(limits.count("n", str(number), limit))
    assert len(storage.storage) == len(storage.expirations) == 1000
    assert (storage.events, dict(storage.locks), storage.timer) == ({}, {}, None)


def test_a_crowd_does_not_make_it_forget_who_keeps_hitting(clock):
    storage = BoundedMemory(keys_max=1000)
    limits = limits_of(storage)
    limit = rate("10/minute")
    busy = []
    for number in range(5500):
        at_once(limits.count("n", str(number), limit))
        if number % 500 == 0:
            busy.append(at_once(limits.count("n", "busy", limit)).allowed)
    assert busy == [True] * 10 + [False]


def test_what_has_run_out_is_forgotten(clock):
    storage = BoundedMemory()
    limits = limits_of(storage)
    limit = rate("10/minute")
    for number in range(100):
        at_once(limits.count("n", str(number), limit))
    clock.now += 121
    at_once(limits.count("n", "later", limit))
    assert len(storage.storage) == len(storage.expirations) == 1
