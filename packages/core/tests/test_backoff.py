"""Pauses before another attempt: longer each time, spread, and bounded."""

import pytest

from core.backoff import backoff_s


@pytest.mark.parametrize(("failures", "longest_s"), [(1, 0.1), (2, 0.2), (5, 1.6), (10, 30), (5000, 30)])
def test_a_pause_doubles_up_to_its_bound_and_is_spread_over_the_upper_half(failures, longest_s):
    pauses = [backoff_s(failures, first_s=0.1, max_s=30) for _ in range(200)]
    assert longest_s / 2 <= min(pauses) < 0.6 * longest_s
    assert 0.9 * longest_s < max(pauses) <= longest_s
