"""What a small request passes on its way, and on its way back: each frame more is paid by every request."""

import inspect
import re
import sys
from collections.abc import AsyncIterator
from types import FrameType

import pytest
from bare import Wire, bare
from fastapi import FastAPI, HTTPException
from starlette.responses import Response, StreamingResponse

from core.errors import Conflict, NotFound
from core.testing.open_router import OpenRouter

# Starlette's wraps `send`.
_OURS_OR_A_WRAPPER = re.compile(r"/core/src/core/|/starlette/_exception_handler\.py$")

router = OpenRouter(prefix="/v1/passed", tags=["passed"])


@router.get("")
async def passed() -> Response:
    return Response(b"x")


@router.get("/late")
async def refused_late() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        raise Conflict from NotFound()
        yield b""

    return StreamingResponse(parts())


@router.get("/too-late")
async def refused_too_late() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"x"
        raise Conflict

    return StreamingResponse(parts())


async def test_the_way_of_a_small_request_is_the_list_and_back_is_one_wrapper():
    app = bare(router)
    wire = Wire(app, "GET", "/v1/passed")
    wire.arrive()
    await app(dict(wire.scope), wire.arriving.get, wire._send)
    coroutines: list[str] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_flags & inspect.CO_COROUTINE and _OURS_OR_A_WRAPPER.search(code.co_filename):
            coroutines.append(code.co_qualname.removesuffix(".__call__"))

    sys.setprofile(note)
    try:
        await app(wire.scope, wire.arriving.get, wire._send)
    finally:
        sys.setprofile(None)
    sends = "outgoing.<locals>.send_in_turn"
    layers = ["Edge", "Cors", "CatchAll", "InFlight", "Guard", "ExceptionHandlers", "FormFiles"]
    assert [name for name in coroutines if not name.startswith("Wire.")] == [
        "ChassisApp",
        *layers,
        "RouteIndex",
        "request_response.<locals>.app",
        sends,
        sends,
    ]


def test_the_layers_of_fastapi_are_those_that_ours_stand_for():
    """One that FastAPI adds some day has to be taken over, or left out on purpose."""
    layer, names = FastAPI().build_middleware_stack(), []
    while hasattr(layer, "app") and not isinstance(layer, type(FastAPI().router)):
        names.append(type(layer).__name__)
        layer = layer.app
    assert names == [
        "ServerErrorMiddleware",
        "ExceptionTelemetryMiddleware",
        "AppBodyLimitMiddleware",
        "ExceptionMiddleware",
        "AsyncExitStackMiddleware",
    ]


@pytest.mark.parametrize(("sent", "status"), [(0, 409), (1, 409), (2, 200)])
async def test_what_an_application_below_refuses_is_told_until_its_answer_has_begun(tracebacks, sent, status):
    async def refuses(_scope, _receive, send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": []}
        for message in [start, {"type": "http.response.body", "body": b"x", "more_body": True}][:sent]:
            await send(message)
        raise HTTPException(409)

    app = bare(router)
    app.mount("/raw", refuses)
    wire = Wire(app, "GET", "/raw/x")
    wire.arrive()
    await wire.start()
    assert (wire.status, wire.is_whole, len(tracebacks())) == (status, status == 409, sent == 2)


async def test_a_stream_that_refuses_before_its_first_part_is_its_own_refusal_not_what_led_to_it():
    wire = Wire(bare(router), "GET", "/v1/passed/late")
    wire.arrive()
    await wire.start()
    assert wire.status == 409


async def test_a_refusal_after_the_first_part_is_logged_as_itself(tracebacks):
    wire = Wire(bare(router), "GET", "/v1/passed/too-late")
    wire.arrive()
    await wire.start()
    (line,) = tracebacks()
    assert not wire.is_whole
    assert "core.errors.Conflict" in line["exception"]
    assert "RuntimeError" not in line["exception"]
