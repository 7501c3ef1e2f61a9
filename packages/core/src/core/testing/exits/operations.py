"""Operations that leave in every way that a handler can, for the layers of a service under test to answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast

from fastapi import BackgroundTasks, Depends, HTTPException, Request
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel
from starlette.responses import FileResponse, Response, StreamingResponse

from core.dependencies import Caller
from core.errors import Conflict, NotFound, RateLimited
from core.testing.exits.layer import CANARY
from core.testing.exits.misuse import LATE_MISUSES, MISUSES, MISUSES_AFTERWARDS, FailsAfterItsEnd, Misuse
from core.testing.open_router import OpenRouter


class Thing(BaseModel, extra="forbid"):
    """A body with one field."""

    name: str


class Echo(BaseModel):
    """What a handler was told of a path and a query."""

    segment: str
    query: str


class Unspeakable(Conflict):
    """A refusal whose document cannot be written."""

    def __init__(self) -> None:
        super().__init__()
        self.detail = cast("Any", object())


async def _breaks() -> None:
    raise RuntimeError(CANARY)


async def _breaks_after() -> AsyncIterator[None]:
    yield
    raise RuntimeError(CANARY)


async def _refuses_after() -> AsyncIterator[None]:
    yield
    raise Conflict


async def _swallows() -> AsyncIterator[None]:
    # The mistake that is tested.
    with suppress(Exception):
        yield


exits = OpenRouter(prefix="/v1/exits", tags=["exits"])


@exits.post("/things")
async def make(thing: Thing) -> Thing:
    return thing


@exits.post("/body")
async def body(request: Request) -> Response:
    return Response(await request.body())


@exits.get("/echo/{segment}")
async def echo(segment: str, request: Request) -> Echo:
    return Echo(segment=segment, query=request.scope["query_string"].decode("latin-1"))


@exits.get("/headers")
async def headers() -> Response:
    response = Response(b"", 201, {"Link": '</v1/exits/one>; rel="next"', "ETag": 'W/"1"', "X-Note": "caf\xe9"})
    for name in ("first", "second"):
        response.set_cookie(name, "1", httponly=True)
    return response


@exits.get("/parts")
async def parts() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        for part in (b"one ", b"two ", b"three"):
            yield await asyncio.sleep(0, part)

    return StreamingResponse(chunks())


@exits.get("/lines")
async def lines() -> AsyncIterator[Thing]:
    yield Thing(name="first")
    yield Thing(name="second")


@exits.get("/events", response_class=EventSourceResponse)
async def events() -> AsyncIterator[Thing]:
    yield Thing(name="first")


@exits.get("/caller")
async def who(caller: Caller) -> Thing:
    return Thing(name=caller.subject)


@exits.get("/handler")
async def handler() -> Thing:
    raise RuntimeError(CANARY)


@exits.get("/refusal")
async def refusal() -> Thing:
    raise Conflict


@exits.get("/unspeakable")
async def unspeakable() -> Thing:
    raise Unspeakable


@exits.get("/rate-limited")
async def rate_limited() -> Thing:
    raise RateLimited(retry_after_s=7)


@exits.get("/http-exception")
async def http_exception(status: int) -> Thing:
    raise HTTPException(status, CANARY)


@exits.get("/dependency", dependencies=[Depends(_breaks)])
async def dependency() -> Thing:
    return Thing(name="unreachable")  # pragma: no cover - its dependency fails


@exits.get("/yield-before-the-answer", dependencies=[Depends(_breaks_after, scope="function")])
async def yield_before() -> Thing:
    return Thing(name="never sent")


@exits.get("/yield-refuses-before-the-answer", dependencies=[Depends(_refuses_after, scope="function")])
async def yield_refuses_before() -> Thing:
    return Thing(name="never sent")


@exits.get("/yield-after-the-answer", dependencies=[Depends(_breaks_after)])
async def yield_after() -> Thing:
    return Thing(name="sent")


@exits.get("/yield-refuses-after-the-answer", dependencies=[Depends(_refuses_after)])
async def yield_refuses_after() -> Thing:
    return Thing(name="sent")


@exits.get("/swallowed", dependencies=[Depends(_swallows)])
async def swallowed() -> Thing:
    raise RuntimeError(CANARY)


@exits.get("/response-validation")
async def response_validation() -> Thing:
    return cast("Thing", {"name": {"password": CANARY}})


@exits.get("/background")
async def background(tasks: BackgroundTasks) -> Thing:
    tasks.add_task(_breaks)
    return Thing(name="sent")


@exits.get("/after-its-end")
async def after_its_end() -> Response:
    return FailsAfterItsEnd(b'{"name":"sent"}', media_type="application/json")


@exits.get("/layer-fails-after")
async def layer_fails_after() -> Thing:
    return Thing(name="sent")


@exits.get("/slow")
async def slow() -> Thing:
    return await asyncio.sleep(60, Thing(name="too late"))


@exits.get("/foreign-cancellation")
async def foreign_cancellation() -> Thing:
    other = asyncio.create_task(asyncio.sleep(60, Thing(name="too late")))
    other.cancel()
    return await other


@exits.get("/misuse/{mistake}")
async def misuse(mistake: str) -> Response:
    return Misuse({**MISUSES, **LATE_MISUSES, **MISUSES_AFTERWARDS}[mistake])


@exits.get("/stream-breaks-at-once")
async def stream_breaks_at_once() -> StreamingResponse:
    return _streamed(RuntimeError(CANARY))


@exits.get("/stream-refuses-at-once")
async def stream_refuses_at_once() -> StreamingResponse:
    return _streamed(NotFound())


@exits.get("/stream-raises-a-status-at-once")
async def stream_raises_a_status_at_once() -> StreamingResponse:
    return _streamed(HTTPException(415, CANARY))


@exits.get("/stream-stalls")
async def stream_stalls() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield await asyncio.sleep(60, b"too late")

    return StreamingResponse(chunks())


@exits.get("/stream-breaks-later")
async def stream_breaks_later() -> StreamingResponse:
    return _streamed(RuntimeError(CANARY), after=b"first")


@exits.get("/stream-refuses-later")
async def stream_refuses_later() -> StreamingResponse:
    return _streamed(NotFound(), after=b"first")


@exits.get("/json-lines-break-at-once")
async def json_lines_break_at_once() -> AsyncIterator[Thing]:
    raise RuntimeError(CANARY)
    yield Thing(name="unreachable")


@exits.get("/json-lines-break-later")
async def json_lines_break_later() -> AsyncIterator[Thing]:
    yield Thing(name="first")
    raise RuntimeError(CANARY)


@exits.get("/events-break-at-once", response_class=EventSourceResponse)
async def events_break_at_once() -> AsyncIterator[Thing]:
    raise RuntimeError(CANARY)
    yield Thing(name="unreachable")


@exits.get("/events-break-later", response_class=EventSourceResponse)
async def events_break_later() -> AsyncIterator[Thing]:
    yield Thing(name="first")
    # FastAPI sends events from another task.
    await asyncio.sleep(0.05)
    raise RuntimeError(CANARY)


@exits.get("/no-file")
async def no_file() -> FileResponse:
    return FileResponse("/nowhere/at-all")


@exits.get("/long-stream")
async def long_stream() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield b"part "
            await asyncio.sleep(0.15)

    return StreamingResponse(chunks())


def _streamed(failure: Exception, *, after: bytes = b"") -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        if after:
            yield after
        raise failure

    return StreamingResponse(chunks())
