"""Real services behind the edge, in processes that may be killed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from clients import until

from core.testing.network import free_port

SCRIPT = Path(__file__).parent / "small_service.py"


@dataclass(frozen=True, slots=True)
class Service:
    """A process, and where it listens."""

    process: subprocess.Popen[bytes]
    address: str

    def answers(self) -> bool:
        """Whether it is ready; fails when it has ended."""
        assert self.process.poll() is None
        with suppress(httpx.TransportError):
            return httpx.get(f"http://{self.address}/readyz").status_code == 200
        return False


@contextmanager
def service(**server: Any) -> Iterator[Service]:
    """One that is ready, with these settings of its server, until the block ends."""
    port = free_port()
    command = [sys.executable, str(SCRIPT), str(port), json.dumps({"server": server})]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        started = Service(process, f"127.0.0.1:{port}")
        try:
            until(started.answers)
            yield started
        finally:
            process.kill()
