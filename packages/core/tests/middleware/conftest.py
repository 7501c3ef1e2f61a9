"""Operations that leave in every way there is, and what the log says of each."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
from bare import bare
from fastapi import BackgroundTasks, Depends, HTTPException, Request
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from core.application import ChassisApp
from core.errors import Conflict, NotFound
from core.mount import ServiceMount
from core.routing import Router

CANARY = "canary-0451"


class Thing(BaseModel, extra="forbid"):
    """A body with one field."""

    name: str


async def breaks() -> None:
    raise RuntimeError(CANARY)


async def breaks_after() -> AsyncIterator[None]:
    yield
    raise RuntimeError(CANARY)


async def swallows() -> AsyncIterator[None]:
    # The mistake that is tested.
    with suppress(Exception):
        yield


exits = Router(prefix="/v1/exits", tags=["exits"])


@exits.post("/things")
async def make(thing: Thing) -> Thing:
    return thing


@exits.get("/handler")
async def handler() -> Thing:
    raise RuntimeError(CANARY)


@exits.get("/refusal")
async def refusal() -> Thing:
    raise Conflict


@exits.get("/dependency", dependencies=[Depends(breaks)])
async def dependency() -> Thing:
    return Thing(name="unreachable")


@exits.get("/yield-before-the-answer", dependencies=[Depends(breaks_after, scope="function")])
async def yield_before() -> Thing:
    return Thing(name="never sent")


@exits.get("/yield-after-the-answer", dependencies=[Depends(breaks_after)])
async def yield_after() -> Thing:
    return Thing(name="sent")


@exits.get("/swallowed", dependencies=[Depends(swallows)])
async def swallowed() -> Thing:
    raise RuntimeError(CANARY)


@exits.get("/response-validation")
async def response_validation() -> Thing:
    return {"name": {"password": CANARY}}  # type: ignore[return-value] - the mistake that is tested


@exits.get("/background")
async def background(tasks: BackgroundTasks) -> Thing:
    tasks.add_task(breaks)
    return Thing(name="sent")


@exits.get("/slow")
async def slow() -> Thing:
    await asyncio.sleep(60)
    return Thing(name="unreachable")


@exits.get("/foreign-cancellation")
async def foreign_cancellation() -> Thing:
    other = asyncio.create_task(asyncio.sleep(60))
    other.cancel()
    await other
    return Thing(name="unreachable")


@exits.get("/http-exception")
async def http_exception(status: int) -> Thing:
    raise HTTPException(status, CANARY)


@exits.get("/stream-breaks-at-once")
async def stream_breaks_at_once() -> StreamingResponse:
    return streamed(RuntimeError(CANARY))


@exits.get("/stream-refuses-at-once")
async def stream_refuses_at_once() -> StreamingResponse:
    return streamed(NotFound())


@exits.get("/stream-raises-a-status-at-once")
async def stream_raises_a_status_at_once() -> StreamingResponse:
    return streamed(HTTPException(415, CANARY))


@exits.get("/stream-stalls")
async def stream_stalls() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        await asyncio.sleep(60)
        yield b"too late"

    return StreamingResponse(chunks())


@exits.get("/stream-breaks-later")
async def stream_breaks_later() -> StreamingResponse:
    return streamed(RuntimeError(CANARY), after=b"first")


@exits.get("/stream-refuses-later")
async def stream_refuses_later() -> StreamingResponse:
    return streamed(NotFound(), after=b"first")


@exits.get("/json-lines-break-at-once")
async def json_lines_break_at_once() -> AsyncIterator[Thing]:
    raise RuntimeError(CANARY)
    yield Thing(name="unreachable")


@exits.get("/long-stream")
async def long_stream() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"part "
            await asyncio.sleep(0.15)

    return StreamingResponse(chunks())


def streamed(failure: Exception, *, after: bytes = b"") -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        if after:
            yield after
        raise failure

    return StreamingResponse(chunks())


class Misuse:
    """Applications that break the rules of ASGI."""

    @staticmethod
    async def nothing(scope, receive, send) -> None:
        """Ends without a word."""

    @staticmethod
    async def only_a_start(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    @staticmethod
    async def no_end(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})


async def reads_its_body_itself(request: Request) -> Response:
    return Response(await request.body())


class Raw:
    """What an endpoint is that Starlette takes for an ASGI application."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def __call__(self, scope, receive, send) -> None:
        await self._app(scope, receive, send)


@pytest.fixture
def app() -> ChassisApp:
    app = bare(exits, server={"request_timeout_s": 0.25, "body_max_bytes": 1000})
    app.router.routes += [
        Route("/raw/nothing", Raw(Misuse.nothing)),
        Route("/raw/only-a-start", Raw(Misuse.only_a_start)),
        Route("/raw/no-end", Raw(Misuse.no_end)),
        Route("/raw/body", reads_its_body_itself, methods=["POST"]),
    ]
    return app


@pytest.fixture(params=["standalone", "mounted"])
def placed(request: pytest.FixtureRequest) -> Callable[[ChassisApp], tuple[ASGIApp, str]]:
    """`placed(app)`: what to speak ASGI to, and the path before the application's own; not started, for a Wire."""
    if request.param == "standalone":
        return lambda app: (app, "")
    return lambda app: (ServiceMount("example", app), "/example")


Lines = list[dict[str, Any]]


@pytest.fixture
def requests(logs: Lines) -> Callable[[], Lines]:
    """The access lines so far."""
    return lambda: [line for line in logs if line["event"] == "request"]


@pytest.fixture
def tracebacks(logs: Lines) -> Callable[[], Lines]:
    """The lines so far that hold a traceback."""
    return lambda: [line for line in logs if "exception" in line]
