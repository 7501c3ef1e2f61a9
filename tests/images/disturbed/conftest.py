"""A stack of its own, two replicas a service, whose parts are replaced, stopped and killed while people use it."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from engine import SERVICES
from everyday import Everyday
from people import Person, admin_of, member
from stack import Composed, Stack, composed, product_of

REPLICAS = 2
PEOPLE, SUBJECTS = 2, 3


@pytest.fixture(scope="session")
def stack(images: Mapping[str, str], stand_ins) -> Iterator[Stack]:
    """The whole product."""
    with composed(f"disturbed-{os.getpid()}", stand_ins=stand_ins) as running:
        running.compose(
            *("up", "--wait", "--no-build", "--pull=never"), *(f"--scale={service}={REPLICAS}" for service in SERVICES)
        )
        yield running


@pytest.fixture(scope="session")
def product(stack: Stack) -> Composed:
    """The same as the journeys know it, with its admin."""
    with stack.told_on_failure():
        return product_of(stack)


@pytest.fixture(scope="session")
def members(product: Composed) -> list[Person]:
    """Some who have an account."""
    return [member(product) for _ in range(PEOPLE + SUBJECTS)]


@pytest.fixture
def everyday(stack: Stack, product: Composed, members: list[Person]) -> Everyday:
    """What they do, with tokens that are new."""
    people = members[:PEOPLE]
    for person in people:
        person.sign_in()
    return Everyday(stack, people, admin_of(product), members[PEOPLE:])
