"""The configuration that ships: well formed, and agreed with what services do."""

import json
import os
import re
import subprocess
from importlib.metadata import entry_points
from typing import Any

import pytest

from core.settings import ServerSettings
from core.testing.caddy import caddy, config

NS_IN_S = 1_000_000_000
SERVICES = config().parent / "services"
# A value for each variable, and what it makes of the configuration.
VARIABLES = {
    "EDGE_ADDRESS": ("http://:7001", '"listen":["127.7.7.7:7001"]'),
    "EDGE_BIND": ("127.7.7.7", '"listen":["127.7.7.7:7001"]'),
    "EDGE_BODY_MAX_BYTES": ("777", '"max_size":777'),
    "EDGE_BODY_RATE_BYTES": ("777", '"read_min_rate":777'),
    "EDGE_BODY_TIMEOUT": ("7s", '"read_idle_timeout":7000000000'),
    "EDGE_GRACE": ("7s", '"grace_period":7000000000'),
    "EDGE_HEAD_TIMEOUT": ("7s", '"read_header_timeout":7000000000'),
    "EDGE_HEALTH_INTERVAL": ("7s", '"interval":7000000000'),
    "EDGE_HTTPS_PORT": ("7002", '"https_port":7002'),
    "EDGE_HTTP_PORT": ("7003", '"http_port":7003'),
    "EDGE_IDLE_TIMEOUT": ("7s", '"idle_timeout":7000000000'),
    "EDGE_PUBLIC_URL": ("https://api.example", '"type\\":\\"https://api.example/problems/'),
    "EDGE_RESPONSE_TIMEOUT": ("7s", '"response_header_timeout":7000000000'),
    "EDGE_SERVICES": ("", '"dial":"otters-1:7004"},{"dial":"otters-2:7004"}'),
    "EDGE_TRY_DURATION": ("7s", '"try_duration":7000000000'),
    "EDGE_TRY_INTERVAL": ("7s", '"try_interval":7000000000'),
    "EDGE_WRITE_TIMEOUT": ("7s", '"write_idle_timeout":7000000000'),
}


def asked(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What Caddy makes of it."""
    run = [caddy(), command, "--config", str(config())]
    return subprocess.run(run, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def told(command: str, **environment: str) -> str:
    """What Caddy says of it, which is valid."""
    done = asked(command, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def server() -> dict[str, Any]:
    """What becomes of it where nothing is set."""
    (server,) = json.loads(told("adapt"))["apps"]["http"]["servers"].values()
    return server


def handlers(found: Any, name: str) -> list[dict[str, Any]]:
    """All handlers of a kind, however deep."""
    if isinstance(found, list):
        return [handler for each in found for handler in handlers(each, name)]
    if not isinstance(found, dict):
        return []
    inner = [handler for each in found.values() for handler in handlers(each, name)]
    return [found, *inner] if found.get("handler") == name else inner


def test_it_is_formatted_and_valid():
    for file in (config(), SERVICES):
        text = file.read_text()
        formatted = subprocess.run([caddy(), "fmt", "-"], input=text, capture_output=True, text=True, check=True)
        assert formatted.stdout == text
    told("validate")


def test_every_service_of_the_workspace_has_its_line():
    lines = re.findall(r"^import service (\w+) \{\$(\w+):(\S+)\}$", SERVICES.read_text(), re.MULTILINE)
    members = {each.name for each in entry_points(group="core.services")}
    assert lines == [(name, f"{name.upper()}_UPSTREAMS", f"{name}:8000") for name, *_ in lines]
    assert sorted(name for name, *_ in lines) == sorted(members)


def test_every_variable_has_its_effect(tmp_path):
    services = tmp_path / "services"
    services.write_text("import service otters {$OTTERS_UPSTREAMS:otters:8000}\n")
    given = {name: value for name, (value, _) in VARIABLES.items()} | {"EDGE_SERVICES": str(services)}
    became = told("adapt", OTTERS_UPSTREAMS="otters-1:7004 otters-2:7004", **given)
    assert [name for name, (_, effect) in VARIABLES.items() if effect not in became] == []
    # In tests/edge/test_replicas.py: it takes the place of others.
    assert set(re.findall(r"\{\$(EDGE_\w+)", config().read_text())) - {"EDGE_REPLICAS"} == VARIABLES.keys()


def test_it_may_stand_before_no_service_yet_and_before_one_of_any_name(tmp_path):
    services = tmp_path / "services"
    services.write_text("# A line a service.\n")
    told("validate", EDGE_SERVICES=str(services))
    # A matcher of the file itself may not be taken for one of theirs.
    names = set(re.findall(r"@([a-z_]+)", config().read_text()))
    assert "https" in names
    services.write_text("".join(f"import service {name} {name}:8000\n" for name in names))
    told("adapt", EDGE_SERVICES=str(services))


def test_a_service_without_a_replica_is_refused_by_its_line(tmp_path):
    services = tmp_path / "services"
    services.write_text("import service otters {$OTTERS_UPSTREAMS:otters:8000}\n")
    refused = asked("adapt", EDGE_SERVICES=str(services), OTTERS_UPSTREAMS="")
    assert refused.returncode != 0
    assert f"{services}:1 (import service)" in refused.stderr


def test_its_limits_agree_with_those_of_services(server):
    service = ServerSettings()
    proxies = handlers(server, "reverse_proxy")
    assert proxies
    for proxy in proxies:
        transport, tries, health = proxy["transport"], proxy["load_balancing"], proxy["health_checks"]["active"]
        answers_within_ns = transport["response_header_timeout"]
        assert answers_within_ns > service.request_timeout_s * NS_IN_S
        # What a replica has been asked for so long is not asked again.
        assert answers_within_ns > tries["try_duration"]
        # Who closes an idle connection is the edge, not the service when something is on its way.
        assert transport["keep_alive"]["idle_timeout"] < service.keep_alive_s * NS_IN_S
        # A replica that drains is left alone before it stops to accept.
        assert (health["interval"] + health["timeout"]) < service.drain_delay_s * NS_IN_S
        assert "passive" not in proxy["health_checks"]
        # A body that may be sent is waited for by the edge.
        assert proxy["request_buffers"] >= service.body_max_bytes
    (body,) = handlers(server, "request_body")
    assert body["max_size"] >= service.body_max_bytes
    assert server["read_idle_timeout"] >= service.body_timeout_s * NS_IN_S
