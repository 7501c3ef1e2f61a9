"""Two hundred sign-ins at once, hashed as in production: what others notice of them, and what memory they take."""

import asyncio
import json
from collections.abc import Callable
from statistics import quantiles
from time import perf_counter
from typing import Any

import uvloop

from bench.figures import Amount, Group, Samples, Target
from bench.services import PROC, Served, a_service

AT_ONCE = 200
ROUNDS = 5
IDLE_S = 1
INTERVAL_S = 0.005
MS_A_SECOND = 1e3
HEAD_END = b"\r\n\r\n"
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: users\r\n\r\n"
# Two hashes of 19 MiB at once, and as much again for 200 connections and what allocators keep.
MEMORY_MIB_MAX = 80

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def run() -> Samples:
    """Milliseconds and answers of each burst, and mebibytes of all."""
    with a_service("users") as users:
        return uvloop.run(_bursts(users))


async def _bursts(users: Served) -> Samples:
    samples: dict[str, list[float]] = {name: [] for name in ("idle", "p99", "slowest", "refused")}
    memory = [users.memory_mib()] if PROC.exists() else []
    for number in range(ROUNDS):
        idle = await _livez_until(users, asyncio.create_task(asyncio.sleep(IDLE_S)))
        statuses, waits = await _burst(users, number, seen=lambda: memory.append(users.memory_mib()))
        samples["idle"].append(_p99(idle))
        samples["p99"].append(_p99(waits))
        samples["slowest"].append(max(waits))
        samples["refused"].append(statuses.count(503))
    return samples | ({"memory": [max(memory) - memory[0]]} if memory else {})


async def _burst(users: Served, number: int, *, seen: Callable[[], None]) -> tuple[list[int], list[float]]:
    """The statuses of sign-ins that begin at the same time, and how long /livez took meanwhile."""
    streams = [await asyncio.open_connection("127.0.0.1", users.port) for _ in range(AT_ONCE)]
    # Of nobody, which costs as much; each at an address of its own, so that none is one attempt too many.
    sign_ins = asyncio.gather(*(_sign_in(stream, f"{number}.{n}@example.com") for n, stream in enumerate(streams)))
    waits = await _livez_until(users, sign_ins, seen=seen if PROC.exists() else None)
    for _, writer in streams:
        writer.close()
    return await sign_ins, waits


async def _sign_in(stream: Stream, email: str) -> int:
    body = json.dumps({"email": email, "password": "plum tractor orbit velvet"})
    fields = f"Host: users\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    head = await _ask(stream, f"POST /v1/sessions HTTP/1.1\r\n{fields}\r\n\r\n{body}".encode())
    status = int(head.split()[1])
    if status != 401 and not (status == 503 and b"retry-after: 1" in head):
        raise RuntimeError(f"a sign-in was answered {head.decode()}")
    return status


async def _livez_until(
    users: Served, done: "asyncio.Future[Any]", *, seen: Callable[[], None] | None = None
) -> list[float]:
    """Milliseconds from when each request was due until its answer.

    They come at their times, however late those before them are: else one long stall would be one slow request. One
    that finds no free connection opens one, behind those of the sign-ins, as an orchestrator does.
    """
    free: list[Stream] = []
    waits: list[float] = []

    async def ask(due: float) -> None:
        stream = free.pop() if free else await asyncio.open_connection("127.0.0.1", users.port)
        await _ask(stream, LIVEZ)
        waits.append((perf_counter() - due) * MS_A_SECOND)
        free.append(stream)

    due = perf_counter()
    async with asyncio.TaskGroup() as asking:
        while not done.done():
            asking.create_task(ask(due))
            if seen is not None:
                seen()
            due += INTERVAL_S
            await asyncio.sleep(max(0, due - perf_counter()))
    for _, writer in free:
        writer.close()
    return waits


async def _ask(stream: Stream, request: bytes) -> bytes:
    """The head of the answer, in lower case; its body is read too."""
    reader, writer = stream
    writer.write(request)
    head = (await reader.readuntil(HEAD_END)).lower()
    await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
    return head


def _p99(waits: list[float]) -> float:
    return quantiles(waits, n=100)[98]


GROUP = Group(
    title=f"{AT_ONCE} sign-ins at once, in a process of users that hashes as in production",
    unit="ms",
    run=run,
    figures=[
        Amount(f"/livez meanwhile, asked every {INTERVAL_S * MS_A_SECOND:g} ms, p99", "p99", Target(50)),
        Amount("the same, the slowest", "slowest"),
        Amount("the same, before, p99", "idle"),
        Amount("sign-ins answered 503 with Retry-After", "refused", Target(1, at_least=True)),
        Amount("memory that all of it took, in MiB", "memory", Target(MEMORY_MIB_MAX)),
    ],
)
