"""Serves one application until a signal: `python served.py MODE SETTINGS`; its first line is the port."""

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

import anyio
import structlog
from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp

import core.server.in_flight
from core.application import chassis
from core.dependencies.resources import READINESS
from core.lifespan import Opener, StartupError, Supervisor
from core.mount import Dispatch, Mounts, ServiceMount
from core.server import listen, serve
from core.settings import ChassisSettings
from core.telemetry.logs import logging_to_stdout
from core.testing.exits import exits
from core.testing.open_router import OpenRouter

MODE, SETTINGS = sys.argv[1:]
# More than the buffers between us and a client hold.
LARGE_BYTES = 16 * 1024 * 1024
log = structlog.get_logger("served")
left_behind: ContextVar[str | None] = ContextVar("left_behind", default=None)
router = OpenRouter(prefix="/v1", tags=["served"])


class Told(BaseModel):
    """What a handler has to tell."""

    size: int = 0
    found: str | None = None


@router.get("/slow")
async def slow(seconds: float) -> Told:
    log.info("slow began")
    await asyncio.sleep(seconds)
    return Told()


@router.get("/blocking")
async def blocking(seconds: float, *, password: str = "canary") -> Told:
    nap(seconds)
    return Told()


def nap(seconds: float) -> None:
    time.sleep(seconds)


@router.get("/endless")
async def endless(size: int = 4) -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        log.info("endless began")
        try:
            while True:
                yield b"part" * (size // 4)
                await asyncio.sleep(0.02)
        finally:
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(0.05)
                log.info("cleaned up")

    return StreamingResponse(chunks())


@router.get("/stubborn")
async def stubborn() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        log.info("stubborn began")
        yield b"part"
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    return StreamingResponse(chunks())


let_go = asyncio.Event()


@router.get("/held")
async def held() -> Told:
    """Answers when `/let-go` was asked."""
    await let_go.wait()
    return Told()


@router.get("/half")
async def half() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"part"
        await let_go.wait()
        yield b"rest"

    return StreamingResponse(chunks(), headers={"Content-Length": "8"})


@router.get("/large")
async def large() -> Response:
    return Response(b"x" * LARGE_BYTES)


@router.post("/let-go")
async def release() -> Told:
    let_go.set()
    return Told()


@router.get("/thread")
async def thread() -> Told:
    log.info("thread began")
    await asyncio.to_thread(render, asyncio.get_running_loop())
    return Told()


def render(loop: asyncio.AbstractEventLoop) -> None:
    while loop.is_running():
        time.sleep(0.01)
    log.info("thread is alone")
    time.sleep(600)


@router.get("/descriptors")
async def descriptors() -> Told:
    return Told(size=opened())


def opened() -> int:
    return len(list(Path("/dev/fd").iterdir()))


hoarded: list[int] = []


@router.post("/hoard")
async def hoard() -> Told:
    """Opens every file that it may."""
    with suppress(OSError):
        while True:
            hoarded.append(os.open("/dev/null", os.O_RDONLY))
    return Told(size=len(hoarded))


@router.delete("/hoard")
async def let_others() -> Told:
    """Closes them again."""
    while hoarded:
        os.close(hoarded.pop())
    return Told()


@router.get("/truncated")
async def truncated() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"part"
        raise RuntimeError("broke off")

    return StreamingResponse(chunks())


@router.get("/short")
async def short() -> Response:
    return StreamingResponse(iter([b"part"]), headers={"Content-Length": "100"})


@router.post("/bodies")
async def bodies(request: Request) -> Told:
    found = left_behind.get() or structlog.contextvars.get_contextvars().get("left_behind")
    left_behind.set("by another request")
    structlog.contextvars.bind_contextvars(left_behind="by another request")
    return Told(size=len(await request.body()), found=found)


of_nobody: list[asyncio.Task[None]] = []


async def unending() -> None:
    """Does not end, whoever cancels."""
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


@asynccontextmanager
async def pool() -> AsyncIterator[None]:
    yield
    if MODE == "pool hangs":
        await asyncio.sleep(600)
    if MODE == "pool does not end":
        await unending()
    if MODE == "pool fails":
        raise RuntimeError("connection lost")


@asynccontextmanager
async def lifespan(_readiness):
    if MODE == "does-not-start":
        raise StartupError("example: database did not open: password=canary-hunter2 is wrong")
    if MODE == "breaks-at-start":
        raise KeyError("canary")
    async with Opener("served", close_timeout_s=60) as opener, Supervisor() as tasks:
        await opener.open("pool", pool())
        if MODE == "task does not end":
            tasks.start("sweeper", unending)
        if MODE == "task of nobody":
            of_nobody.append(asyncio.create_task(unending(), name="sync"))
        yield {}
    log.info("closed")
    if MODE == "breaks-at-stop":
        raise RuntimeError("did not close")
    if MODE == "lifespan does not end":
        await unending()


def made(settings: ChassisSettings) -> ASGIApp:
    app = chassis("served", settings, routers=[router, exits], lifespan=lifespan)
    if MODE != "mounted":
        return app
    mounts = Mounts([ServiceMount("served", app)])

    @asynccontextmanager
    async def of_the_host(readiness):
        async with mounts.lifespan():
            readiness.mounted.update({mount.name: mount.state[READINESS] for mount in mounts.services})
            yield {}

    return Dispatch(chassis("host", settings, routers=[], lifespan=of_the_host), mounts)


def main() -> int:
    if MODE == "few files":
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
    if MODE == "impatient":
        core.server.in_flight.CANCEL_GRACE_S = 1.5
    settings = ChassisSettings(environment="local", public_url="http://127.0.0.1", **json.loads(SETTINGS))
    listener = listen("127.0.0.1", 0)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    with logging_to_stdout(level="info", form="json"):
        return serve(made(settings), settings.server, listener=listener)


if __name__ == "__main__":
    sys.exit(main())
