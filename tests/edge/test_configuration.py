"""The configuration that ships: well formed, and agreed with what services do."""

import json
import re
import subprocess
from importlib.metadata import entry_points
from typing import Any

import pytest

from core.settings import ServerSettings
from core.testing.caddy import caddy, config

NS_IN_S = 1_000_000_000
SERVICES = config().parent / "services"


def told(command: str, *options: str) -> str:
    """What Caddy says of it."""
    run = [caddy(), command, *options, *([] if command == "fmt" else ["--config"]), str(config())]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
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
        assert (health["interval"] + health["timeout"]) < 5 * NS_IN_S
        assert "passive" not in proxy["health_checks"]
        # A body that may be sent is waited for by the edge.
        assert proxy["request_buffers"] >= service.body_max_bytes
    (body,) = handlers(server, "request_body")
    assert body["max_size"] >= service.body_max_bytes
    assert server["read_idle_timeout"] >= service.body_timeout_s * NS_IN_S
