"""One id and one line a request, and nothing of one request in another."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import structlog
from bare import WEB_ORIGIN, Wire, bare
from fastapi import Request
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from core.client import InProcess
from core.telemetry.exchange import request_id
from core.testing import running
from core.testing.open_router import OpenRouter

log = structlog.get_logger("tests")
lines = OpenRouter(prefix="/v1/lines", tags=["lines"])


class Said(BaseModel):
    """What a handler knew of its request."""

    request_id: str | None
    bound: str | None = None


@lines.get("/context")
async def context(wait: float = 0) -> Said:
    bound = structlog.contextvars.get_contextvars().get("bound")
    structlog.contextvars.bind_contextvars(bound=request_id())
    await asyncio.sleep(wait)
    log.info("in the handler", known=request_id())
    return Said(request_id=request_id(), bound=bound)


@lines.get("/things/{thing_id}")
async def read(thing_id: int) -> Said:
    return Said(request_id=None)


@lines.get("/stream")
async def stream() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield b"1234"
            await asyncio.sleep(0.01)

    return StreamingResponse(chunks())


@lines.post("/body")
async def body(request: Request) -> Said:
    return Said(request_id=(await request.body()).decode())


@pytest.fixture
def app():
    return bare(lines)


async def test_an_id_that_was_given_is_kept(anywhere):
    for given in ("a", "0-9_a.Z", "x" * 128):
        response = await anywhere.get("/livez", headers={"X-Request-ID": given})
        assert response.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("forged", ["", "a b", "x" * 129, "a\x00b", "é", "a/b", '"}', "a,b"])
async def test_an_id_that_could_forge_a_line_is_replaced(anywhere, requests, forged):
    response = await anywhere.get("/livez", headers={b"X-Request-ID": forged.encode()})
    (given,) = response.headers.get_list("x-request-id")
    assert len(given) == 32
    assert requests()[0]["request_id"] == given


async def test_ids_that_were_not_given_differ(anywhere):
    assert (await anywhere.get("/livez")).headers["x-request-id"] != (await anywhere.get("/livez")).headers[
        "x-request-id"
    ]


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/v1/lines/things/7", "/v1/lines/things/{thing_id}"),
        ("GET", "/v1/lines/things/none", "/v1/lines/things/{thing_id}"),
        ("DELETE", "/v1/lines/things/7", "/v1/lines/things/{thing_id}"),
        ("HEAD", "/v1/lines/things/7", "/v1/lines/things/{thing_id}"),
        ("GET", "/problems/not_found", "/problems/{code}"),
        ("GET", "/docs-assets/swagger-ui.css", "/docs-assets"),
    ],
)
async def test_a_line_has_the_template_and_not_the_path(anywhere, requests, method, path, route):
    await anywhere.request(method, path)
    mount = anywhere.base_url.path.rstrip("/")
    (line,) = requests()
    assert (line["method"], line["route"]) == (method, f"{mount}{route}")


async def test_paths_that_nobody_knows_have_one_label(anywhere, requests):
    await anywhere.get("/v1/nothing/1")
    await anywhere.get("/v1/nothing/2")
    await anywhere.options("/livez", headers={"Origin": WEB_ORIGIN, "Access-Control-Request-Method": "GET"})
    assert [line["route"] for line in requests()] == ["unmatched"] * 3


async def test_a_query_string_is_in_no_line(anywhere, logs):
    await anywhere.get("/v1/lines/context?code=canary-0451")
    await anywhere.get("/v1/nothing?code=canary-0451")
    assert len(logs) == 3
    assert "canary" not in str(logs)


async def test_a_line_says_how_long_and_how_much(anywhere, requests):
    response = await anywhere.get("/v1/lines/context?wait=0.05")
    (line,) = requests()
    # uvloop counts whole milliseconds.
    assert 49 <= line["duration_ms"] < 5000
    assert (line["bytes"], line["status"], line["client"]) == (len(response.content), 200, "127.0.0.1")
    assert 49 <= float(response.headers["server-timing"].removeprefix("app;dur=")) <= line["duration_ms"] + 0.1


async def test_requests_at_the_same_time_keep_their_ids(anywhere, logs):
    async def ask(number: int) -> httpx.Response:
        wait = 0.02 * (number % 3)
        return await anywhere.get(f"/v1/lines/context?wait={wait}", headers={"X-Request-ID": f"id-{number}"})

    answers = await asyncio.gather(*map(ask, range(12)))
    assert [answer.json() for answer in answers] == [{"request_id": f"id-{n}", "bound": None} for n in range(12)]
    said = [line for line in logs if line["event"] == "in the handler"]
    assert len(said) == 12
    assert all(line["known"] == line["request_id"] == line["bound"] for line in said)


async def test_a_call_within_the_process_changes_nothing_for_its_caller(logs):
    """One application is called over a transport, one by hand, in the caller's own task and context."""
    inner = bare(lines, name="inner")
    calls = OpenRouter(prefix="/v1/calls", tags=["calls"])

    @calls.get("")
    async def call(request: Request) -> Said:
        async with httpx.AsyncClient(transport=InProcess(inner), base_url="http://inner.test") as client:
            answer = await client.get("/v1/lines/context")
        by_hand = Wire(inner, "GET", "/livez")
        by_hand.arrive()
        await inner(by_hand.scope, by_hand.arriving.get, by_hand._send)
        log.info("back", inner_id=answer.headers["x-request-id"], by_hand_id=by_hand.headers["x-request-id"])
        return Said(request_id=request_id(), bound=structlog.contextvars.get_contextvars().get("bound"))

    async with running(bare(calls, name="outer")) as client:
        answer = await client.get("/v1/calls", headers={"X-Request-ID": "outer-1"})
    assert answer.json() == {"request_id": "outer-1", "bound": None}
    back = next(line for line in logs if line["event"] == "back")
    assert (back["request_id"], back["service.name"]) == ("outer-1", "outer")
    assert [(line["service.name"], line["request_id"]) for line in logs if line["event"] == "request"] == [
        ("inner", back["inner_id"]),
        ("inner", back["by_hand_id"]),
        ("outer", "outer-1"),
    ]
    assert request_id() is None


async def test_a_client_that_leaves_a_stream_ends_it_with_one_line(app, placed, logs):
    served, prefix = placed(app)
    wire = Wire(served, "GET", f"{prefix}/v1/lines/stream")
    wire.arrive()
    task = wire.start()
    await wire.first.wait()
    wire.disconnect()
    await asyncio.wait_for(task, 30)
    assert [(line["event"], line["status"]) for line in logs] == [("request", 200)]


class Refusing(Wire):
    """A server of ASGI 2.4, which says where the next part is sent that the client has gone."""

    async def _send(self, message) -> None:
        if self.first.is_set():
            raise OSError
        await super()._send(message)


async def test_a_server_that_cannot_send_ends_a_stream_with_one_line(app, placed, logs):
    served, prefix = placed(app)
    wire = Refusing(served, "GET", f"{prefix}/v1/lines/stream", spec_version="2.4")
    await asyncio.wait_for(wire.start(), 30)
    assert [(line["event"], line["status"]) for line in logs] == [("request", 200)]


async def test_a_client_that_leaves_a_handler_that_reads_itself_leaves_one_line(app, placed, logs):
    served, prefix = placed(app)
    wire = Wire(served, "POST", f"{prefix}/v1/lines/body", headers=[(b"transfer-encoding", b"chunked")])
    wire.disconnect()
    await asyncio.wait_for(wire.start(), 30)
    assert [(line["event"], line["status"]) for line in logs] == [("request", 400)]


async def test_a_server_that_cannot_send_an_answer_hears_of_no_failure(app, requests, tracebacks):
    class Gone(Wire):
        async def _send(self, message) -> None:
            raise OSError

    wire = Gone(app, "POST", "/v1/lines/body", headers=[(b"transfer-encoding", b"chunked")], spec_version="2.4")
    wire.disconnect()
    await asyncio.wait_for(wire.start(), 30)
    assert ([line["status"] for line in requests()], tracebacks()) == ([400], [])


async def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_one_line(app, placed, requests, tracebacks):
    served, prefix = placed(app)
    wire = Wire(served, "POST", f"{prefix}/v1/lines/body", headers=[(b"content-length", b"100")])
    wire.arrive(b"half", more_body=True)
    wire.disconnect()
    await asyncio.wait_for(wire.start(), 30)
    assert ([line["status"] for line in requests()], tracebacks()) == ([400], [])


async def test_a_request_that_is_cancelled_leaves_a_line_without_a_status(app, requests, tracebacks):
    wire = Wire(app, "GET", "/v1/lines/context", query_string=b"wait=60")
    wire.arrive()
    task = wire.start()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ([line["status"] for line in requests()], tracebacks(), wire.sent) == ([0], [], [])


async def test_what_is_no_http_passes_every_layer(app):
    wire = Wire(app, "GET", "/v1/nothing", type="websocket")
    wire.arriving.put_nowait({"type": "websocket.connect"})
    await asyncio.wait_for(wire.start(), 30)
    assert wire.sent[0]["type"] == "websocket.close"
