"""Serves one application until a signal: `python served.py MODE SETTINGS`; its first line is the port."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar

import anyio
import structlog
from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

import core.server.in_flight
from core.application import chassis
from core.lifespan import StartupError
from core.server import listen, serve
from core.settings import ChassisSettings
from core.telemetry.logs import logging_to_stdout
from core.testing.exits import exits
from core.testing.open_router import OpenRouter

MODE, SETTINGS = sys.argv[1:]
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
async def endless() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        log.info("endless began")
        try:
            while True:
                yield b"part"
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


@asynccontextmanager
async def lifespan(_readiness):
    if MODE == "does-not-start":
        raise StartupError("example: database did not open: password=canary-hunter2 is wrong")
    if MODE == "breaks-at-start":
        raise KeyError("canary")
    yield {}
    log.info("closed")
    if MODE == "breaks-at-stop":
        raise RuntimeError("did not close")


def main() -> int:
    if MODE == "impatient":
        core.server.in_flight.CANCEL_GRACE_S = 1.5
    settings = ChassisSettings(environment="local", public_url="http://127.0.0.1", **json.loads(SETTINGS))
    listener = listen("127.0.0.1", 0)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    with logging_to_stdout(level="info", form="json"):
        return serve(
            chassis("served", settings, routers=[router, exits], lifespan=lifespan), settings.server, listener=listener
        )


if __name__ == "__main__":
    sys.exit(main())
