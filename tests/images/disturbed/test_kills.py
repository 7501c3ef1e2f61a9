"""Each container is killed while people use the product: it comes back by itself, and readers notice nothing."""

import pytest
from crashes import containers, has_come_back, kill
from engine import SERVICES
from everyday import Everyday, answered
from processes import until
from stack import Stack


@pytest.mark.parametrize("service", [*SERVICES, "nats"])
def test_what_is_killed_comes_back_and_readers_notice_nothing(
    stack: Stack, everyday: Everyday, service: str, capsys: pytest.CaptureFixture[str]
):
    with everyday.load(reads_only=True) as load:
        answered(load)
        killed = containers(stack, service)[0]
        kill(killed)
        until(lambda: has_come_back(killed), "it does not come back")
        answered(load)
    with capsys.disabled():
        print(f"\n{service} killed: {load}")  # noqa: T201 - what it cost
    assert load.failures == []


def test_the_edge_that_is_killed_comes_back(stack: Stack, everyday: Everyday):
    (killed,) = containers(stack, "edge")
    kill(killed)
    until(lambda: has_come_back(killed), "it does not come back")
    with everyday.load(reads_only=True) as load:
        answered(load)
    assert load.failures == []
