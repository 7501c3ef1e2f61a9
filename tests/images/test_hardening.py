"""What compose.yaml says of every container: it can do, reach and use up no more than it needs."""

import json
from typing import Any

import pytest
from engine import COMPOSE, SERVICES, run

from core.settings import ServerSettings

# Beyond none at all: what an entrypoint needs that begins as root, or a program that has it in its file.
CAPABILITIES = {
    "edge": {"NET_BIND_SERVICE"},
    "postgres": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"},
    "secrets": {"CHOWN", "DAC_OVERRIDE", "FOWNER"},
    "backup": {"CHOWN", "DAC_OVERRIDE"},
    "restore": {"CHOWN", "DAC_OVERRIDE"},
}
ONCE = {"secrets", "databases", "backup", "restore", *(f"{service}-migrate" for service in SERVICES)}


@pytest.fixture(scope="module")
def product(engine: None) -> dict[str, Any]:
    """What Compose makes of the file and all its profiles; what it warns of would be on the other stream."""
    told = run([*COMPOSE, "--file=compose.yaml", "--profile=*", "config", "--format=json"])
    assert told.stderr == ""
    return json.loads(told.stdout)


@pytest.fixture(scope="module")
def containers(product: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each by its name."""
    return product["services"]


def test_nothing_may_be_written_or_gained_in_a_container(containers: dict[str, dict[str, Any]]):
    for name, container in containers.items():
        assert container["read_only"], name
        assert container["cap_drop"] == ["ALL"], name
        assert set(container.get("cap_add", ())) == CAPABILITIES.get(name, set()), name
        assert container["security_opt"] == ["no-new-privileges:true"], name


def test_logs_and_what_runs_on_are_bounded(containers: dict[str, dict[str, Any]]):
    for name, container in containers.items():
        assert container["logging"]["driver"] == "json-file", name
        assert {"max-size", "max-file"} <= container["logging"]["options"].keys(), name
        assert container["restart"] == ("no" if name in ONCE else "unless-stopped"), name
        if name not in ONCE:
            assert {"cpus", "memory", "pids"} <= container["deploy"]["resources"]["limits"].keys(), name


def test_the_data_is_reached_by_what_works_with_it_alone(product: dict[str, Any]):
    networks = {name: set(each.get("networks") or ()) for name, each in product["services"].items()}
    assert product["networks"]["data"]["internal"]
    assert networks["postgres"] == networks["nats"] == networks["databases"] == {"data"}
    assert "data" not in networks["edge"]
    # The secrets of all pass through it.
    assert product["services"]["secrets"]["network_mode"] == "none"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_believes_its_own_network_and_is_killed_no_earlier_than_it_is_told(
    product: dict[str, Any], name: str
):
    container = product["services"][name]
    (pool,) = product["networks"]["edge"]["ipam"]["config"]
    assert container["environment"][f"{name.upper()}_SERVER__TRUSTED_PROXIES"] == pool["subnet"]
    assert container["stop_grace_period"] == f"{ServerSettings().termination_grace_s:.0f}s"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_its_secrets_and_nobody_elses(containers: dict[str, dict[str, Any]], name: str):
    for container in (name, f"{name}-migrate"):
        mounted = {each["target"]: each for each in containers[container]["volumes"]}
        assert mounted["/run/secrets"]["source"] == f"{container}-secrets"
        assert mounted["/run/secrets"]["read_only"]
        others = [
            each for each, told in containers.items() if each not in {container, "secrets"} and told.get("volumes")
        ]
        for other in others:
            assert f"{container}-secrets" not in {each.get("source") for each in containers[other]["volumes"]}, other
        told = " ".join(map(str, containers[container]["environment"].values()))
        assert "postgresql://" not in told
