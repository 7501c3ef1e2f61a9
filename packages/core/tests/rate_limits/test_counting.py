"""As many hits pass as the limit says, on either storage; the next learns when it may come again."""

import asyncio

import pytest

from core.errors import RateLimited
from core.rate_limits import rate

TEN = rate("10/minute")


async def allowed(limits, *, hits, name="sign_in", key="a", limit=TEN) -> int:
    standings = await asyncio.gather(*(limits.count(name, key, limit) for _ in range(hits)))
    return sum(standing.allowed for standing in standings)


async def test_of_a_hundred_hits_at_once_exactly_ten_pass(clock, limits):
    assert await allowed(limits, hits=100) == 10
    assert await allowed(limits, hits=1) == 0


async def test_what_is_left_is_told(clock, limits):
    standings = [await limits.count("sign_in", "a", rate("2/minute")) for _ in range(3)]
    assert [(each.allowed, each.remaining) for each in standings] == [(True, 1), (True, 0), (False, 0)]
    assert all(1 <= each.more_in_s <= 61 for each in standings)


@pytest.mark.parametrize("other", [{"key": "b"}, {"name": "register"}, {"limit": rate("11/minute")}])
async def test_keys_names_and_limits_are_counted_apart(clock, limits, other):
    assert await allowed(limits, hits=11) == 10
    assert await allowed(limits, hits=1, **other) == 1


async def test_a_name_and_a_key_are_no_other_name_and_key(clock, limits):
    assert await allowed(limits, hits=11, name="a", key="bc") == 10
    assert await allowed(limits, hits=1, name="ab", key="c") == 1


async def test_a_hit_beyond_the_limit_is_refused_and_says_when_to_come_again(limits):
    """Real time: a client that waits as long as it is told is served."""
    two = "2/2 seconds"
    await limits.hit("sign_in", "a", two)
    await limits.hit("sign_in", "a", two)

    async def hit_on() -> None:
        # Once, unless a busy machine takes longer than the two seconds.
        while True:
            await limits.hit("sign_in", "a", two)

    with pytest.raises(RateLimited) as refused:
        await hit_on()
    assert 1 <= refused.value.retry_after_s <= 3
    await asyncio.sleep(refused.value.retry_after_s)
    await limits.hit("sign_in", "a", two)
