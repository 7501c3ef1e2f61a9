"""PostgreSQL or NATS is away while people use the product: what they are told meanwhile, and that nothing is lost."""

import time
from collections.abc import Callable

import pytest
from crashes import containers, has_come_back, kill
from everyday import ENOUGH, Everyday, answered
from processes import until
from stack import Stack


def is_well(stack: Stack, service: str) -> bool:
    """Whether it runs, and has said so."""
    state = stack.state(service)
    return state["Status"] == "running" and state["Health"]["Status"] == "healthy"


def restart(stack: Stack, _: float) -> None:
    """As an operator does."""
    stack.compose("restart", "postgres")


def crash(stack: Stack, _: float) -> None:
    """Its first process is killed; the restart policy starts it again."""
    (killed,) = containers(stack, "postgres")
    kill(killed)
    until(lambda: has_come_back(killed), "PostgreSQL does not come back")


def stay_away(stack: Stack, outage_s: float) -> None:
    """It is stopped, and started later."""
    stack.compose("stop", "postgres")
    time.sleep(outage_s)
    stack.compose("start", "postgres")


@pytest.mark.parametrize("disturb", [restart, crash, stay_away])
def test_a_database_that_is_away_costs_503s_for_as_long_and_nothing_after(
    stack: Stack,
    everyday: Everyday,
    disturb: Callable[[Stack, float], None],
    pytestconfig: pytest.Config,
    capsys: pytest.CaptureFixture[str],
):
    everyday.may_be_away = True
    with everyday.load() as load:
        answered(load)
        assert everyday.refused == []
        disturb(stack, pytestconfig.getoption("--outage-s"))
        until(lambda: is_well(stack, "postgres"), "PostgreSQL does not come back")
        until(lambda: everyday.is_well_for(ENOUGH, load), "the refusals do not end")
        everyday.may_be_away = False
        answered(load)
    with capsys.disabled():
        print(f"\n{disturb.__name__}: {load}; {everyday.causes()}")  # noqa: T201 - what it cost
    assert load.failures == []
    everyday.assert_refused_well()
    everyday.assert_each_event_was_handled_once()


def test_a_bus_that_is_away_costs_nothing(
    stack: Stack, everyday: Everyday, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
):
    with everyday.load() as load:
        for disturb in ("restart", "kill"):
            answered(load)
            stack.compose(disturb, "nats")
            if disturb == "kill":
                answered(load)
                time.sleep(pytestconfig.getoption("--outage-s"))
                stack.compose("start", "nats")
            until(lambda: is_well(stack, "nats"), "NATS does not come back")
        answered(load)
    with capsys.disabled():
        print(f"\nNATS: {load}")  # noqa: T201 - what it cost
    assert load.failures == []
    everyday.assert_each_event_was_handled_once()
