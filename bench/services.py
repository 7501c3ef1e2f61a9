"""One service of this repository as its own process: migrated, served, and stopped."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bench.databases import an_empty_database
from bench.wiring import free_port

START_S_MAX = 30
ASKED_EVERY_S = 0.01
# Where a system has no such folder, its memory is not measured.
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Served:
    """A service that answers; `ready_ms` after its process began it was ready."""

    port: int
    pid: int
    ready_ms: float

    def memory_mib(self) -> float:
        """Its resident memory now."""
        resident_pages = int((PROC / str(self.pid) / "statm").read_text().split()[1])
        return resident_pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


@contextmanager
def a_service(name: str) -> Iterator[Served]:
    """Serves it on an empty database, in the environment of a laptop; its logs are JSON that nobody reads."""
    with tempfile.TemporaryDirectory() as folder, an_empty_database(name) as url:
        prefix = name.upper()
        environment = {
            **os.environ,
            f"{prefix}_ENVIRONMENT": "local",
            f"{prefix}_DATABASE__URL": url,
            f"{prefix}_DATA_DIR": folder,
            f"{prefix}_MAIL__URL": f"file:{folder}/mail",
            f"{prefix}_LOGS__FORMAT": "json",
        }
        command = [sys.executable, "-m", name]
        subprocess.run([*command, "migrate"], env=environment, stdout=subprocess.DEVNULL, check=True)
        port = free_port()
        serve = [*command, "serve", "--port", str(port)]
        began_s = time.perf_counter()
        with subprocess.Popen(serve, env=environment, stdout=subprocess.DEVNULL) as process:
            try:
                _wait_until_ready(port)
                yield Served(port, process.pid, ready_ms=(time.perf_counter() - began_s) * 1000)
            finally:
                process.terminate()


def _wait_until_ready(port: int) -> None:
    until = time.monotonic() + START_S_MAX
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz"):
                return
        except URLError:
            if time.monotonic() > until:
                raise
            time.sleep(ASKED_EVERY_S)
