"""Each service is replaced, one container after the other, while people use it."""

import os
from collections.abc import Iterator

import pytest
from engine import COMPOSE, DOCKER, docker, run, tag_of
from everyday import Everyday, answered
from stack import Stack

NEW, BROKEN = "tested-new", "tested-broken"


def release(service: str, registry: str, change: str) -> None:
    """Makes another image of a service, as a release does."""
    image = f"{registry}/{service}:latest"
    name = f"{registry}-{service}"
    docker("container", "create", f"--name={name}", tag_of(service))
    docker("container", "commit", f"--change={change}", name, image)
    docker("container", "rm", name)


@pytest.fixture
def releases(stack: Stack, service: str) -> Iterator[None]:
    """A new image of the service, and one whose containers end as soon as they begin."""
    release(service, NEW, "LABEL rolled=yes")
    release(service, BROKEN, 'CMD ["nothing-of-the-kind"]')
    yield
    stack.compose("up", "--wait", "--no-build", "--pull=never")
    docker("image", "rm", "--force", *(f"{registry}/{service}:latest" for registry in (NEW, BROKEN)))


def images_of(stack: Stack, service: str) -> dict[str, str]:
    """The image of each container of a service, by its id."""
    ids = stack.compose("ps", "--quiet", service).stdout.split()
    return {each: docker("container", "inspect", "--format={{.Config.Image}}", each).stdout.strip() for each in ids}


def roll(stack: Stack, service: str, registry: str, **told: str) -> int:
    """What an operator does; its exit code."""
    environment = {
        **stack.environment,
        "REGISTRY": registry,
        "COMPOSE_FILE": os.pathsep.join(stack.files),
        "COMPOSE_PROJECT_NAME": stack.project,
        "DOCKER_CLI": DOCKER,
        "DOCKER_COMPOSE": " ".join(COMPOSE),
        **told,
    }
    return run(["deploy/roll.sh", service], environment=environment, check=False).returncode


@pytest.mark.usefixtures("releases")
def test_a_new_release_comes_and_no_request_fails(
    stack: Stack, service: str, everyday: Everyday, capsys: pytest.CaptureFixture[str]
):
    before = images_of(stack, service)
    with everyday.load() as load:
        answered(load)
        code = roll(stack, service, NEW)
        answered(load)
    with capsys.disabled():
        print(f"\n{service} rolled: {load}")  # noqa: T201 - what it cost
    assert load.failures == []
    assert code == 0
    after = images_of(stack, service)
    assert list(after.values()) == [f"{NEW}/{service}:latest"] * len(before)
    everyday.assert_each_event_was_handled_once()


@pytest.mark.usefixtures("releases")
def test_a_release_that_does_not_start_leaves_what_there_was(stack: Stack, service: str, everyday: Everyday):
    before = images_of(stack, service)
    with everyday.load() as load:
        assert roll(stack, service, BROKEN, ROLL_PATIENCE_S="10") == 1
        answered(load)
    assert load.failures == []
    assert images_of(stack, service) == before
