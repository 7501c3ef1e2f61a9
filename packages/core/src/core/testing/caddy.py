"""The edge of production for tests: a real Caddy with the configuration that ships, before services on this machine."""

import contextlib
import os
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

from core.local.data_directory import workspace_root
from core.testing.network import free_port

START_TIMEOUT_S = 60


@contextlib.contextmanager
def edge(upstreams: Mapping[str, Sequence[str]], **environment: str) -> Iterator[str]:
    """The URL of an edge before these, until the block ends: `edge({"users": ["127.0.0.1:8001", "127.0.0.1:8002"]})`.

    `environment` are variables of deploy/edge/Caddyfile.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        services = Path(folder) / "services"
        lines = (f"import service {name} {' '.join(addresses)}\n" for name, addresses in upstreams.items())
        services.write_text("".join(lines))
        url = f"http://127.0.0.1:{free_port()}"
        told = {"EDGE_ADDRESS": url, "EDGE_SERVICES": str(services), "HOME": folder, **environment}
        config = workspace_root() / "deploy" / "edge" / "Caddyfile"
        command = [str(Path(sysconfig.get_path("scripts")) / "caddy"), "run", "--config", str(config)]
        with (Path(folder) / "log").open("w+b") as log:
            running = subprocess.Popen(
                command, env={**os.environ, **told}, stdout=log, stderr=log, start_new_session=True
            )
            try:
                _wait_for(url, running, log.name)
                yield url
            finally:
                running.kill()
                running.wait()


def _wait_for(url: str, running: subprocess.Popen[bytes], log: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url)
            return
        if running.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Caddy does not start: {Path(log).read_text()}")
        time.sleep(0.01)
