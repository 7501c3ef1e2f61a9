"""With the profile `observability`: every replica is scraped, rules are evaluated, and traces arrive."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from engine import SERVICES, docker
from processes import until
from stack import Stack


def asked(stack: Stack, path: str) -> Mapping[str, Any]:
    """What Prometheus answers."""
    url = f"http://127.0.0.1:{stack.environment['PROMETHEUS_PORT']}/api/v1/{path}"
    return httpx.get(url).raise_for_status().json()["data"]


def scraped(stack: Stack) -> set[tuple[str, str]]:
    """The service and the address of each target that answers."""
    targets = asked(stack, "targets")["activeTargets"]
    return {(each["labels"]["service"], each["labels"]["instance"]) for each in targets if each["health"] == "up"}


def replicas(stack: Stack) -> set[tuple[str, str]]:
    """The service and the address of each container."""
    found = set()
    for service in SERVICES:
        for container in stack.compose("ps", "--quiet", service).stdout.split():
            told = json.loads(docker("inspect", "--format={{json .NetworkSettings.Networks}}", container).stdout)
            found.add((service, f"{told[f'{stack.project}_edge']['IPAddress']}:8000"))
    return found


def test_every_replica_of_every_service_is_scraped(stack: Stack):
    scale = [f"--scale={service}=2" for service in SERVICES]
    stack.compose("up", "--wait", "--no-build", "--no-recreate", *scale)
    assert len(replicas(stack)) == 2 * len(SERVICES)
    until(lambda: scraped(stack) == replicas(stack), "not every replica is scraped")
    stack.up()
    until(lambda: scraped(stack) == replicas(stack), "what is gone is still scraped")


def test_every_alert_is_evaluated(stack: Stack):
    def states() -> set[str]:
        return {rule["health"] for group in asked(stack, "rules")["groups"] for rule in group["rules"]}

    until(lambda: states() == {"ok"}, "rules are not evaluated")


@pytest.mark.parametrize("service", SERVICES)
def test_a_trace_of_a_request_arrives(stack: Stack, service: str):
    request_id = httpx.get(f"{stack.url}/{service}/v1/nothing-here").headers["x-request-id"]

    def trace_id() -> str | None:
        lines = [line for line in stack.lines(service) if line.get("request_id") == request_id]
        return lines[-1].get("trace_id") if lines else None

    until(lambda: trace_id() is not None, "it is not traced")
    until(lambda: str(trace_id()) in stack.logs("collector"), "it did not arrive")
