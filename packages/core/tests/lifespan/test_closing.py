"""All that closes has one time limit together, and each part something of it."""

import pytest

from core.lifespan import Closing, closing_by, current_closing


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr("core.lifespan.closing.monotonic", lambda: Clock.now)
    return Clock


def test_each_part_may_take_half_of_what_is_left(clock):
    closing = Closing(timeout_s=8)
    closing.begin()
    assert closing.share_s(60) == 4
    clock.now += 4
    assert closing.share_s(60) == 2
    clock.now += 2
    assert (closing.left_s(), closing.share_s(60)) == (2, 1)
    clock.now += 5
    assert (closing.left_s(), closing.share_s(60)) == (0, 0)


def test_a_part_may_take_less(clock):
    closing = Closing(timeout_s=8)
    closing.begin()
    assert closing.share_s(3) == 3


def test_before_it_begins_and_where_there_is_no_limit_each_part_has_its_own():
    closing = Closing(timeout_s=8)
    assert (closing.left_s(), closing.share_s(60)) == (None, 60)
    unlimited = Closing()
    unlimited.begin()
    assert (unlimited.left_s(), unlimited.share_s(60)) == (None, 60)


def test_what_closes_is_known_by_name_and_the_innermost_is_last():
    closing = Closing()
    with closing.step("users"):
        with closing.step("database"):
            assert closing.closes == ["users", "database"]
        assert closing.closes == ["users"]
    assert closing.closes == []


def test_a_process_has_one_and_a_command_has_no_limit():
    assert current_closing().left_s() is None
    closing = Closing(timeout_s=1)
    with closing_by(closing):
        assert current_closing() is closing
    assert current_closing() is not closing
