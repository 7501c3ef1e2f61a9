"""What several plans give together: the most that any of them gives, whatever order they come in."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.entitlements.rules import is_same, merged

PLANS = st.lists(st.dictionaries(st.sampled_from("abc"), st.booleans() | st.integers(0, 3)), max_size=4)


@pytest.mark.parametrize(
    ("plans", "expected"),
    [
        ([], {}),
        ([{}], {}),
        ([{"projects": 3}], {"projects": 3}),
        ([{"projects": 3}, {"seats": 5}], {"projects": 3, "seats": 5}),
        ([{"projects": 3}, {"projects": 100}], {"projects": 100}),
        ([{"audit_log": False}, {"audit_log": True}], {"audit_log": True}),
        ([{"projects": True}, {"projects": 3}], {"projects": 3}),
        ([{"projects": True}, {"projects": 0}], {"projects": 0}),
        ([{"projects": False}, {"projects": 0}], {"projects": 0}),
        ([{"projects": True}, {"projects": 1}], {"projects": 1}),
        ([{"projects": 1}, {"projects": 1}], {"projects": 1}),
    ],
)
def test_the_most_of_each_feature_wins(plans, expected):
    for order in permutations(plans):
        assert is_same(merged(order), expected)


def test_one_is_not_true():
    assert not is_same({"projects": 1}, {"projects": True})
    assert not is_same({"projects": 1}, {"projects": 2})
    assert not is_same({"projects": 1}, {})
    assert is_same({"a": 1, "b": True}, {"b": True, "a": 1})


@given(PLANS)
def test_plans_may_be_merged_in_any_order_and_one_by_one(plans):
    whole = merged(plans)
    assert is_same(merged(reversed(plans)), whole)
    step = {}
    for plan in plans:
        step = merged([step, plan])
    assert is_same(step, whole)
    assert list(whole) == sorted(whole)
