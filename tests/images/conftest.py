"""Images, built once, and the stack of compose.yaml, booted once: by a real engine, or not at all."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))
sys.path.insert(0, str(Path(__file__).parents[1] / "workspace"))
sys.path.insert(0, str(Path(__file__).parent))

from engine import REGISTRY, SERVICES, build, docker, tag_of, there_is_an_engine
from stack import Composed, Stack, absent, build_stand_ins, composed, product_of

STAND_INS_FOR = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Whether something may stand in for the images of others, and how long parts of the stack are away."""
    images = parser.getgroup("images")
    text = "Fail where an image of compose.yaml cannot be pulled; else something stands in for it."
    images.addoption("--no-stand-ins", action="store_true", help=text)
    images.addoption("--outage-s", type=float, default=5, help="How long PostgreSQL and NATS are away; 5.")


def pytest_configure(config: pytest.Config) -> None:
    """Knows of no stand-in yet."""
    config.stash[STAND_INS_FOR] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says what was not tested."""
    for image in config.stash[STAND_INS_FOR]:
        terminalreporter.write_line(f"{image} cannot be pulled, AND IS NOT TESTED: something stands in for it")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Shows what the containers have said, beside a test of the stack that failed."""
    report: Any = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.when == "call" and report.failed and stack:
        report.sections.append(("containers", stack.logs()))
    return report


@pytest.fixture(scope="session")
def engine() -> None:
    """Skips where there is none."""
    if not there_is_an_engine():
        pytest.skip("NOTHING OF THE IMAGES IS TESTED: no Docker engine answers")


@pytest.fixture(scope="session")
def images(engine: None) -> Iterator[Mapping[str, str]]:
    """The image of each service, by its name."""
    for service in SERVICES:
        build(service, tag=tag_of(service))
    yield {service: tag_of(service) for service in SERVICES}
    docker("image", "rm", "--force", *map(tag_of, SERVICES))


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    """The name of one service after the other."""
    return request.param


@pytest.fixture
def image(images: Mapping[str, str], service: str) -> str:
    """The image of one service after the other."""
    return images[service]


@pytest.fixture(scope="session")
def stand_ins(engine: None, pytestconfig: pytest.Config) -> bool:
    """Whether something stands in for the images of others."""
    if missing := absent():
        assert not pytestconfig.getoption("--no-stand-ins"), f"cannot be pulled: {missing}"
        pytestconfig.stash[STAND_INS_FOR].extend(missing)
        build_stand_ins()
    return bool(missing)


@pytest.fixture(scope="session")
def booted(images: Mapping[str, str], *, stand_ins: bool) -> Iterator[tuple[Stack, Mapping[str, dict[str, Any]]]]:
    """The whole product, up and well; and the state of each container then, of which some run again later."""
    with composed(REGISTRY, stand_ins=stand_ins) as running:
        containers = running.compose("ps", "--all", "--services").stdout.split()
        yield running, {name: running.state(name) for name in containers}


@pytest.fixture(scope="session")
def stack(booted: tuple[Stack, Mapping[str, dict[str, Any]]]) -> Stack:
    """The whole product, up and well."""
    return booted[0]


@pytest.fixture(scope="session")
def boot(booted: tuple[Stack, Mapping[str, dict[str, Any]]]) -> Mapping[str, dict[str, Any]]:
    """The state of each container when all of it was well for the first time."""
    return booted[1]


@pytest.fixture(scope="session")
def product(stack: Stack) -> Composed:
    """The same as the journeys know it, with its admin."""
    with stack.told_on_failure():
        return product_of(stack)
