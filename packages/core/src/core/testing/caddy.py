"""The edge of production for tests: a real Caddy with the configuration that ships, before services on this machine."""

import contextlib
import os
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from core.local.data_directory import workspace_root
from core.testing.last_breath import ended_with_us
from core.testing.network import free_port

START_TIMEOUT_S = 60
# Seldom enough to cost nothing; a service that has just begun, or ended, is noticed before a test waits for it.
HEALTH_INTERVAL = "100ms"


@dataclass(frozen=True, slots=True)
class Edge:
    """One that runs: where it listens, its process, and its file with a line for each service."""

    url: str
    process: subprocess.Popen[bytes]
    services: Path


@contextlib.contextmanager
def edge(upstreams: Mapping[str, Sequence[str]], **options: Any) -> Iterator[str]:
    """The URL of an edge before these, until the block ends: `edge({"users": ["127.0.0.1:8001", "127.0.0.1:8002"]})`.

    The options are those of `running_edge`.
    """
    with running_edge(upstreams, **options) as running:
        yield running.url


@contextlib.contextmanager
def running_edge(
    upstreams: Mapping[str, Sequence[str]], *, https: bool = False, log: Path | None = None, **environment: str
) -> Iterator[Edge]:
    """An edge before these, for who tells its process something.

    `environment` are variables of deploy/edge/Caddyfile, `log` a file for what it writes. With `https` its certificate
    is one that nobody has to trust, for localhost.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        services = Path(folder) / "services"
        lines = (f"import service {name} {' '.join(addresses)}\n" for name, addresses in upstreams.items())
        services.write_text("".join(lines))
        port = free_port()
        url = f"https://localhost:{port}" if https else f"http://127.0.0.1:{port}"
        told = {
            "EDGE_ADDRESS": url if https else f"http://:{port}",
            "EDGE_BIND": "127.0.0.1",
            "EDGE_HEALTH_INTERVAL": HEALTH_INTERVAL,
            "EDGE_HTTP_PORT": str(free_port()),
            "EDGE_HTTPS_PORT": str(port if https else free_port()),
            "EDGE_PUBLIC_URL": url,
            "EDGE_SERVICES": str(services),
            # Where it would keep certificates.
            "HOME": folder,
            "XDG_CONFIG_HOME": folder,
            "XDG_DATA_HOME": folder,
            **environment,
        }
        with (log or Path(folder) / "log").open("w+b") as output:
            environment = {**os.environ, **told}
            running = subprocess.Popen(
                [caddy(), "run", "--config", str(config())],
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            watch = ended_with_us(running, Path(folder))
            try:
                _wait_for(url, running, environment)
                yield Edge(url, running, services)
            finally:
                for process in (watch, running):
                    with process:
                        process.kill()


def caddy() -> str:
    """The program."""
    return str(Path(sysconfig.get_path("scripts")) / "caddy")


def config() -> Path:
    """What it is told in production."""
    return workspace_root() / "deploy" / "edge" / "Caddyfile"


def _wait_for(url: str, running: subprocess.Popen[bytes], environment: dict[str, str]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url, verify=False)  # noqa: S501 - its own certificate, made a moment ago
            return
        if running.poll() is not None or time.monotonic() > deadline:
            # `run` ends without a word.
            validate = [caddy(), "validate", "--config", str(config())]
            said = subprocess.run(validate, env=environment, capture_output=True, check=False, text=True)
            raise RuntimeError(f"Caddy does not start: {said.stderr}")
        time.sleep(0.01)
