"""The boundaries of periods, computed from the anchor and clamped to the month."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.subscriptions.rules import boundary


def day(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("anchor", "interval", "boundaries"),
    [
        ("2024-01-31", "month", ["2024-02-29", "2024-03-31", "2024-04-30"]),  # Lago's specification
        ("2023-01-31", "month", ["2023-02-28", "2023-03-31"]),
        ("2025-12-15", "month", ["2026-01-15", "2026-02-15"]),
        ("2024-02-29", "year", ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("2025-11-30T23:59:59.999999", "month", ["2025-12-30T23:59:59.999999"]),
    ],
)
def test_a_boundary_keeps_to_the_day_of_the_anchor_as_far_as_the_month_goes(anchor, interval, boundaries):
    computed = [boundary(day(anchor), interval, count) for count in range(1, len(boundaries) + 1)]
    assert computed == [day(each) for each in boundaries]


anchors = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - of Hypothesis


@given(anchors, st.sampled_from(["month", "year"]), st.integers(0, 60))
def test_periods_follow_each_other_without_gap_or_overlap(anchor, interval, count):
    start, end = boundary(anchor, interval, count), boundary(anchor, interval, count + 1)
    assert start < end
    assert 28 <= (end - start).days <= 366
    assert start.day <= anchor.day
    assert start.time() == anchor.time()
