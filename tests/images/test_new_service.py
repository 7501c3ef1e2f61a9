"""What `new-service` makes comes up beside the others by the same one command, and works behind the edge."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from engine import SERVICES, build, docker, tag_of
from people import Api, Person, member
from processes import until
from repositories import copied
from stack import Stack, composed, product_of
from surroundings import run

UV = os.environ.get("UV", "uv")
# No team calls its service so: the name is free whatever has been added here.
OTTERS = "otters"


@pytest.fixture(scope="module")
def grown(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the workspace with a service more."""
    copy = copied(tmp_path_factory.mktemp("grown") / "copy")
    run(copy, UV, "sync", "--quiet", "--locked", "--no-compile-bytecode", "--python", sys.executable)
    run(copy, str(copy / ".venv/bin/python"), "-m", "workspace", "new-service", OTTERS)
    return copy


@pytest.fixture(scope="module")
def stack(images: Mapping[str, str], grown: Path, *, stand_ins: bool) -> Iterator[Stack]:
    """The whole product, up and well, with its image."""
    build(OTTERS, tag=tag_of(OTTERS), context=grown)
    with composed(f"grown-{os.getpid()}", stand_ins=stand_ins, root=grown) as running:
        yield running
    docker("image", "rm", "--force", tag_of(OTTERS))


@pytest.fixture(scope="module")
def person(stack: Stack) -> Person:
    """Somebody who has registered with users."""
    with stack.told_on_failure():
        return member(product_of(stack))


@pytest.fixture(scope="module")
def otters(stack: Stack, person: Person) -> Api:
    """The new service, as that person sees it."""
    return Api(f"{stack.url}/{OTTERS}", person.headers)


def test_it_runs_beside_the_others(stack: Stack):
    assert {service: stack.state(service)["Health"]["Status"] for service in (*SERVICES, OTTERS)} == dict.fromkeys(
        [*SERVICES, OTTERS], "healthy"
    )


def test_its_database_keeps_what_a_user_makes(stack: Stack, otters: Api):
    made = otters.post("/v1/otters", json={"name": "Ollie"}, headers={"Idempotency-Key": "first"})
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"{stack.url}/otters/v1/otters/{made.json()['id']}"
    assert otters.get(f"/v1/otters/{made.json()['id']}").json() == made.json()


def test_the_bus_brings_it_what_it_announces(otters: Api):
    otters.post("/v1/otters", json={"name": "Olga"}, headers={"Idempotency-Key": "second"})
    assert otters.get("/v1/otters").json()["data"]
    assert otters.delete("/v1/otters").status_code == 202
    until(lambda: otters.get("/v1/otters").json()["data"] == [], "it has not heard itself")


# The last: that person is signed out then.
def test_it_is_told_which_sessions_are_over(otters: Api, person: Person):
    assert otters.get("/v1/otters").status_code == 200
    assert person.users.delete("/v1/sessions/current").status_code == 204
    until(lambda: otters.get("/v1/otters").status_code == 401, "it was not told by users")
