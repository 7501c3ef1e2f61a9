"""What a service costs before it serves anything: its imports, the building of its application, its memory at rest."""

import os
import subprocess
import sys
import time

from bench.figures import Amount, Group, Ratio, Samples, Target
from bench.services import PROC, a_service

ROUNDS = 7
STARTS = 3
SETTLED_AFTER_S = 2

LIBRARIES = "import fastapi, sqlalchemy.ext.asyncio, asyncpg, structlog, prometheus_client, opentelemetry.sdk"
TIMED = "import time; before = time.perf_counter(); {}; print((time.perf_counter() - before) * 1000)"
BUILDING = """
import time
from billing.app import Settings, create_app

settings = Settings.model_validate({"environment": "local", "database": {"url": "postgresql://u@127.0.0.1/d"}})
times = []
for _ in range(6):
    before = time.perf_counter()
    create_app(settings)
    times.append((time.perf_counter() - before) * 1000)
print(times[0], min(times[1:]))
"""


def run() -> Samples:
    """Milliseconds, each in a process of its own, and mebibytes."""
    samples: dict[str, list[float]] = {
        name: [] for name in ("billing.app", "libraries", "create_app, first", "create_app, warm")
    }
    # What is not compiled yet is compiled now.
    _python(LIBRARIES + "; import billing.app")
    for _ in range(ROUNDS):
        samples["billing.app"] += _python(TIMED.format("import billing.app"))
        samples["libraries"] += _python(TIMED.format(LIBRARIES))
        first, warm = _python(BUILDING)
        samples["create_app, first"].append(first)
        samples["create_app, warm"].append(warm)
    starts = [_started() for _ in range(STARTS)]
    samples["ready"] = [ready_ms for ready_ms, _ in starts]
    if PROC.exists():
        samples["memory"] = [memory_mib for _, memory_mib in starts]
    return samples


def _python(code: str) -> list[float]:
    """The numbers that it prints."""
    # Bytecode is what a deployed service is started from.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    said = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True, env=environment)
    return [float(number) for number in said.stdout.split()]


def _started() -> tuple[float, float]:
    """When `billing serve` was ready, and its resident memory after that while nobody asks anything."""
    with a_service("billing") as billing:
        time.sleep(SETTLED_AFTER_S)
        return billing.ready_ms, billing.memory_mib() if PROC.exists() else 0.0


GROUP = Group(
    title="A process of billing",
    unit="ms",
    run=run,
    figures=[
        Ratio("import of billing.app, against that of its libraries", "billing.app", "libraries", Target(1.25)),
        Amount("create_app, the first in a process", "create_app, first", Target(150)),
        Amount("create_app, warm", "create_app, warm", Target(50)),
        Amount("from the start of the process until it is ready", "ready"),
        Amount("memory of an idle process, in MiB", "memory", Target(120)),
    ],
)
