"""Two hundred sign-ins at once, at a process that hashes as in production: its answers, and the memory it takes."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

from core.testing.network import free_port

AT_ONCE = 200
HASH_MIB, HASHES_AT_ONCE, WAITING_MAX = 19, 2, 20
# 200 connections, and what allocators keep; every sign-in hashing at once would take 3,800 MiB, each waiting one 380.
OTHER_MIB_MAX = 120


@pytest.fixture
def process(database_url, tmp_path):
    """The service as its own process, with the parameters of production and few who may wait."""
    port = free_port()
    environment = {
        **os.environ,
        "USERS_ENVIRONMENT": "local",
        "USERS_DATABASE__URL": database_url,
        # A busy machine is no outage.
        "USERS_DATABASE__POOL_TIMEOUT_S": "30",
        "USERS_SERVER__REQUEST_TIMEOUT_S": "100",
        "USERS_SERVER__GRACEFUL_TIMEOUT_S": "101",
        "USERS_SERVER__TERMINATION_GRACE_S": "120",
        "USERS_DATA_DIR": str(tmp_path),
        "USERS_PASSWORDS__HASH_CONCURRENCY": str(HASHES_AT_ONCE),
        "USERS_PASSWORDS__HASH_QUEUE_MAX": str(WAITING_MAX),
        "USERS_SERVER__PORT": str(port),
    }
    with subprocess.Popen([sys.executable, "-m", "users"], env=environment, stdout=subprocess.DEVNULL) as served:
        yield served.pid, f"http://127.0.0.1:{port}"
        served.terminate()


def peak_mib(pid):
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("this system does not say how much memory a process had at most")
    [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


async def test_the_queue_bounds_waits_and_memory_and_livez_answers_meanwhile(process, becomes):
    pid, url = process
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=120) as client:

        async def ready():
            try:
                return (await client.get("/readyz")).is_success
            except httpx.TransportError:
                return False

        async def sign_in(number):
            body = {"email": f"{number}@example.com", "password": "plum tractor orbit velvet"}
            return await client.post("/v1/sessions", json=body)

        await becomes(ready, patience_s=120)
        before = await asyncio.to_thread(peak_mib, pid)
        burst = asyncio.gather(*(sign_in(number) for number in range(AT_ONCE)))
        alive = []
        while not burst.done():
            alive.append((await client.get("/livez")).status_code)
        answers = await burst
        after = await asyncio.to_thread(peak_mib, pid)
    told = Counter((answer.status_code, answer.headers.get("retry-after")) for answer in answers)
    assert set(told) == {(401, None), (503, "1")}
    assert told[401, None] >= HASHES_AT_ONCE + WAITING_MAX
    assert set(alive) == {200}
    assert after - before < HASHES_AT_ONCE * HASH_MIB + OTHER_MIB_MAX
