"""A mark stays on what it was put on, and on what wraps that."""

from functools import wraps

from core.marks import Mark

LIMIT: Mark[int] = Mark("limit")


@LIMIT.put(3)
def marked() -> str:
    return "unchanged"


@wraps(marked)
def wrapping() -> str:
    return marked()


def test_a_marked_function_is_itself_and_says_what_was_put_on_it():
    assert (marked(), LIMIT.of(marked)) == ("unchanged", 3)


def test_what_wraps_a_marked_function_is_marked():
    assert LIMIT.of(wrapping) == 3


def test_what_was_not_marked_says_nothing():
    assert LIMIT.of(test_what_was_not_marked_says_nothing) is None
    assert Mark("other").of(marked) is None
