"""What several plans give together."""

from collections.abc import Iterable

from billing.catalog.models import Entitlements


def merged(plans: Iterable[Entitlements]) -> Entitlements:
    """Of each feature the most that any plan gives: true over false, the greatest number, a number over true and false.

    A number says more than that a feature is there. Numbers do not add up, neither over plans nor over the quantity of
    a subscription: who may have 5 projects by one plan and 3 by another may have 5.
    """
    most: dict[str, bool | int] = {}
    for feature, value in (given for plan in plans for given in plan.items()):
        if feature not in most or _generosity(value) > _generosity(most[feature]):
            most[feature] = value
    return dict(sorted(most.items()))


def is_same(one: Entitlements, other: Entitlements) -> bool:
    """Whether both give the same; 1 is not true here, as it is to Python."""
    return one == other and all(isinstance(one[feature], bool) is isinstance(other[feature], bool) for feature in one)


def _generosity(value: bool | int) -> tuple[bool, int]:  # noqa: FBT001 - a feature has one value, of either kind
    return (not isinstance(value, bool), value)
