"""The stack of compose.yaml, up by one command: what is there, in which order it came, what its edge lets through."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest
from engine import COMPOSE, SERVICES, run
from stack import Stack

from core.testing.problems import problem

BODY_MAX_BYTES = 1_048_576
HEAD_MAX_BYTES = 32 * 1024
ONCE = ["secrets", "databases", *(f"{service}-migrate" for service in SERVICES)]


@pytest.mark.parametrize("profiles", [[], ["--profile=observability"]], ids=["alone", "observed"])
def test_the_configuration_is_valid(engine: None, profiles: Sequence[str]):
    run([*COMPOSE, "--file=compose.yaml", *profiles, "config", "--quiet"])


@pytest.mark.parametrize("name", ONCE)
def test_what_runs_once_has_ended_well(stack: Stack, name: str):
    state = stack.state(name)
    assert (state["Status"], state["ExitCode"]) == ("exited", 0)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_when_its_migrations_have_run(boot: Mapping[str, dict[str, Any]], name: str):
    assert boot["databases"]["FinishedAt"] <= boot[f"{name}-migrate"]["StartedAt"]
    assert boot[f"{name}-migrate"]["FinishedAt"] <= boot[name]["StartedAt"]


@pytest.mark.parametrize("name", [*SERVICES, "edge", "postgres", "nats"])
def test_what_serves_is_well(stack: Stack, name: str):
    state = stack.state(name)
    assert (state["Status"], state["Health"]["Status"]) == ("running", "healthy")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_below_its_name(stack: Stack, name: str):
    assert httpx.get(f"{stack.url}/{name}/livez").json() == {"status": "ok"}
    moved = httpx.get(f"{stack.url}/{name}")
    assert (moved.status_code, moved.headers["location"]) == (308, f"/{name}/")
    document = httpx.get(f"{stack.url}/{name}/openapi.json").json()
    assert document["paths"]
    refused = httpx.get(f"{stack.url}/{name}/v1/nothing-here")
    assert problem(refused) == (404, "not_found")
    assert refused.json()["type"] == f"{stack.url}/{name}/problems/not_found"
    assert httpx.get(refused.json()["type"]).status_code == 200


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("path", ["metrics", "readyz", "startupz"])
def test_what_is_for_the_orchestrator_is_for_nobody_outside(stack: Stack, name: str, path: str):
    assert problem(httpx.get(f"{stack.url}/{name}/{path}")) == (404, "not_found")


def test_what_is_no_service_is_a_problem_of_the_edge(stack: Stack):
    refused = httpx.get(f"{stack.url}/gateway/livez")
    assert problem(refused) == (404, "not_found")
    assert refused.json()["type"] == f"{stack.url}/problems/not_found"
    assert httpx.get(refused.json()["type"]).status_code == 200


@pytest.mark.parametrize("path", ["/users/livez", "/billing/v1/plans", "/nothing-here"])
def test_every_answer_has_security_headers_and_says_nothing_of_the_software(stack: Stack, path: str):
    headers = httpx.get(f"{stack.url}{path}").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert not {"server", "via", "x-powered-by"} & headers.keys()


def test_a_request_has_one_id_for_the_client_the_edge_and_the_service(stack: Stack):
    asked = "asked-through-the-edge"
    answer = httpx.get(f"{stack.url}/billing/v1/plans", headers={"X-Request-ID": asked})
    assert answer.headers.get_list("x-request-id") == [asked]
    (at_the_edge,) = (line for line in stack.lines("edge") if line.get("request_id") == asked)
    (in_the_service,) = (line for line in stack.lines("billing") if line.get("request_id") == asked)
    assert at_the_edge["status"] == in_the_service["status"] == 401
    assert in_the_service["client"] == at_the_edge["request"]["client_ip"]


def test_a_body_above_the_limit_is_refused(stack: Stack):
    largest = b" " * BODY_MAX_BYTES
    json = {"Content-Type": "application/json"}
    url = f"{stack.url}/users/v1/sessions"
    assert problem(httpx.post(url, content=largest + b" ", headers=json)) == (413, "content_too_large")
    assert httpx.post(url, content=largest, headers=json).status_code in {400, 422}


def test_a_head_above_the_limit_is_refused(stack: Stack):
    headers = {"X-Long": "a" * 2 * HEAD_MAX_BYTES}
    assert httpx.get(f"{stack.url}/users/livez", headers=headers).status_code == 431


@pytest.mark.parametrize("port", [8000, 5432, 4222])
def test_nothing_but_the_edge_is_reached_from_outside(stack: Stack, port: int):
    published = {
        service: stack.compose("port", service, str(port), check=False).stdout.strip()
        for service in [*SERVICES, "postgres", "nats"]
    }
    assert set(published.values()) <= {"", ":0", "invalid IP:0"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_is_told_to_stop_ends_with_0(stack: Stack, name: str):
    try:
        stack.compose("stop", name)
        state = stack.state(name)
        assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", 0, False)
        assert [line for line in stack.lines(name) if line.get("level") in {"error", "critical"}] == []
    finally:
        stack.up()
