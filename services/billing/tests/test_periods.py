"""The boundaries of periods, computed from the anchor and clamped to the month."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.subscriptions.rules import Period, boundary, period_at


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


@given(anchors, st.sampled_from(["month", "year"]), anchors)
def test_every_instant_is_in_one_period_also_before_the_anchor(anchor, interval, at):
    period = period_at(anchor, interval, at)
    assert period.start <= at < period.end
    assert period_at(anchor, interval, period.start) == period
    assert period_at(anchor, interval, period.end).start == period.end


@given(anchors, st.sampled_from(["month", "year"]), st.integers(-60, 60))
def test_a_boundary_is_the_day_of_the_anchor_or_the_last_of_its_month(anchor, interval, count):
    end = boundary(anchor, interval, count)
    assert end.day == anchor.day or (end.day < anchor.day and (end + timedelta(days=1)).day == 1)


@pytest.mark.parametrize(
    ("anchor", "at", "period"),
    [
        ("2021-09-25", "2021-09-16", ("2021-08-25", "2021-09-25")),
        ("2021-09-25", "2021-09-25", ("2021-09-25", "2021-10-25")),
        ("2024-01-31", "2024-03-30", ("2024-02-29", "2024-03-31")),
        ("2024-01-31", "2023-11-30", ("2023-11-30", "2023-12-31")),
    ],
)
def test_a_period_contains_its_start_and_not_its_end(anchor, at, period):
    assert period_at(day(anchor), "month", day(at)) == Period(*map(day, period))
