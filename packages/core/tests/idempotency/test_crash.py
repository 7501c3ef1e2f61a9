"""A server that is killed while it works for keys: whatever the step, the same request finds or makes one effect."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from core.settings import ServiceSettings
from core.testing import SERVICE_URL, problem

SCRIPT = Path(__file__).with_name("killed.py")
# The claim is committed · the effect is written · the answer is stored · COMMIT was sent · nothing was answered.
STEPS = ("claimed", "worked", "stored", "committing", "committed")
UNDONE, DONE = STEPS[:3], STEPS[3:]


@pytest.fixture
async def served(settings: ServiceSettings, database_url: str, tmp_path: Path) -> AsyncIterator[tuple[Process, str]]:
    """The example as a process of its own, on the database of this test; and its address."""
    given = {
        "environment": "local",
        "public_url": SERVICE_URL,
        "database": {"url": database_url, "pool_size": len(STEPS)},
        "data_dir": str(tmp_path),
        "mail": {"url": settings.mail.url.get_secret_value()},
    }
    command = [sys.executable, str(SCRIPT), json.dumps(given)]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stdin=DEVNULL)
    assert process.stdout is not None
    yield process, f"http://127.0.0.1:{int(await process.stdout.readline())}"
    if process.returncode is None:
        process.kill()
    await process.wait()


@pytest.fixture
async def killed(
    served: tuple[Process, str],
    commits: Any,
    signed_in: Callable[..., dict[str, str]],
    subject: str,
    admin: asyncpg.Connection,
    becomes: Callable[..., Awaitable[object]],
) -> None:
    """For each step a request was made whose key is the step; the server was killed (SIGKILL) when all were there."""
    process, url = served
    assert process.stdout is not None
    async with httpx.AsyncClient(base_url=url, timeout=30) as remote:

        async def make(step: str) -> httpx.Response:
            headers = signed_in(subject=subject) | {"Idempotency-Key": step}
            return await remote.post("/v1/things", headers=headers, json={"name": step})

        await becomes(lambda: _answers(remote))
        await commits.hold("things", when="NEW.name = 'committing'")
        requests = [asyncio.create_task(make(step)) for step in STEPS if step != "committing"]
        told = {(await process.stdout.readline()).decode().strip() for _ in requests}
        assert told == set(STEPS) - {"committing"}
        requests.append(asyncio.create_task(make("committing")))
        await becomes(commits.wait)
        process.kill()
        lost = await asyncio.gather(*requests, return_exceptions=True)
        assert all(isinstance(each, httpx.TransportError) for each in lost)
    await commits.let_go()
    alone = (
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'example'"
    )
    await becomes(lambda: admin.fetchval(alone))


async def _answers(remote: httpx.AsyncClient) -> bool:
    try:
        return (await remote.get("/startupz")).status_code == 200
    except httpx.TransportError:
        return False


async def test_what_a_killed_server_left_is_done_once_by_the_same_request(killed, client, signed_in, subject, admin):
    async def again(step: str) -> httpx.Response:
        headers = signed_in(subject=subject) | {"Idempotency-Key": step}
        return await client.post("/v1/things", headers=headers, json={"name": step})

    async def names() -> list[str]:
        return [row["name"] for row in await admin.fetch("SELECT name FROM things ORDER BY name")]

    assert await names() == sorted(DONE)
    for step in UNDONE:
        waiting = await again(step)
        assert (problem(waiting), waiting.headers["retry-after"]) == ((409, "idempotency_in_flight"), "1")
    for step in DONE:
        assert (await again(step)).headers["idempotent-replayed"] == "true"
    # The lease of the dead runs out.
    await admin.execute("UPDATE idempotency_keys SET leased_until = now() WHERE status IS NULL")
    for step in UNDONE:
        assert "idempotent-replayed" not in (await again(step)).headers
    for step in STEPS:
        response = await again(step)
        assert (response.status_code, response.headers["idempotent-replayed"]) == (201, "true")
        assert response.headers["location"] == f"{SERVICE_URL}/v1/things/{response.json()['id']}"
    assert await names() == sorted(STEPS)
    assert await admin.fetchval("SELECT count(*) FROM outbox") == len(STEPS)
