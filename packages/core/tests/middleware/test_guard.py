"""Bodies are bounded in size and in time, before anything runs where they say how large they are."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from bare import Wire, bare
from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from core.errors import DomainError
from core.testing.open_router import OpenRouter
from core.web.problems import MEDIA_TYPE

BODY_MAX = 1000
BODY_TIMEOUT_S = 0.1


class Read(BaseModel):
    """How much arrived."""

    size: int


class Reader:
    """Handlers, and whether one of them ran."""

    def __init__(self) -> None:
        self.ran = False
        self.router = OpenRouter(prefix="/v1/bodies", tags=["bodies"])
        self.router.post("/json")(self.json)
        self.router.post("/raw")(self.raw)
        self.router.post("/ignored")(self.ignored)
        self.router.post("/streams")(self.streams)

    async def json(self, read: Read) -> Read:
        self.ran = True
        return read

    async def raw(self, request: Request) -> Read:
        self.ran = True
        return Read(size=len(await request.body()))

    async def ignored(self) -> Response:
        self.ran = True
        return Response(status_code=204)

    async def streams(self, request: Request) -> StreamingResponse:
        body = await request.body()

        async def chunks() -> AsyncIterator[bytes]:
            yield body
            await asyncio.sleep(BODY_TIMEOUT_S * 2)
            yield b"end"

        return StreamingResponse(chunks())


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def send(reader):
    """`await send(path, headers, *parts)`: the request, its body in these parts; not ended if the last is None."""

    async def run(path, headers, *parts, body_timeout_s=30):
        app = bare(reader.router, server={"body_max_bytes": BODY_MAX, "body_timeout_s": body_timeout_s})
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        wire = Wire(app, "POST", f"/v1/bodies/{path}", headers=raw)
        for position, part in enumerate(parts, start=1):
            if part is not None:
                wire.arrive(part, more_body=position < len(parts))
        await asyncio.wait_for(wire.start(), 30)
        return wire

    return run


def refused(wire: Wire) -> tuple[int | None, str, str | None]:
    assert wire.headers["content-type"] == MEDIA_TYPE
    assert wire.is_whole
    code = wire.body.partition(b'"code":"')[2].partition(b'"')[0].decode()
    return wire.status, code, wire.headers.get("connection")


@pytest.mark.parametrize("path", ["json", "raw", "ignored"])
@pytest.mark.parametrize("length", [BODY_MAX + 1, 10**17, 10**30, 10**5000], ids=["1001", "e17", "e30", "e5000"])
async def test_a_declared_length_above_the_limit_is_refused_before_anything_runs(send, reader, path, length):
    # More digits than Python turns into a number.
    text = "1" + "0" * 5000 if length > 10**31 else str(length)
    wire = await send(path, {"content-length": text}, b"x")
    assert refused(wire) == (413, "content_too_large", "close")
    assert b"At most 1000 bytes are accepted." in wire.body
    assert (reader.ran, wire.arriving.qsize()) == (False, 1)


@pytest.mark.parametrize("length", ["", "ten", "-1", "+5", "1e3", "1_0", "0x10", "٣", " 5"])
async def test_a_length_that_is_no_number_is_refused_before_anything_runs(send, reader, length):
    wire = await send("raw", {"content-length": length}, b"x")
    assert refused(wire) == (400, "bad_request", "close")
    assert not reader.ran


@pytest.mark.parametrize("encodings", [[b"gzip"], [b"gzip", b"identity"]], ids=str)
async def test_a_compressed_body_is_refused_and_told_apart_from_another_media_type(reader, encodings):
    headers = [(b"content-length", b"1"), *((b"content-encoding", encoding) for encoding in encodings)]
    wire = Wire(bare(reader.router), "POST", "/v1/bodies/raw", headers=headers)
    wire.arrive(b"x")
    await wire.start()
    assert refused(wire) == (415, "unsupported_media_type", "close")
    assert (wire.headers["accept-encoding"], reader.ran) == ("identity", False)


async def test_a_body_at_the_limit_is_accepted_whether_it_says_its_length_or_not(send):
    declared = await send("raw", {"content-length": str(BODY_MAX)}, b"x" * BODY_MAX)
    chunked = await send("raw", {"transfer-encoding": "chunked"}, b"x" * 999, b"x")
    assert [Read.model_validate_json(wire.body).size for wire in (declared, chunked)] == [BODY_MAX, BODY_MAX]


@pytest.mark.parametrize("path", ["json", "raw"])
async def test_a_body_in_chunks_is_refused_at_the_chunk_that_is_too_much(send, path):
    headers = {"transfer-encoding": "chunked", "content-type": "application/json"}
    wire = await send(path, headers, b"x" * 600, b"x" * 600, b"x" * 600)
    assert refused(wire) == (413, "content_too_large", "close")
    assert wire.arriving.qsize() == 1


async def test_a_body_in_chunks_that_nobody_reads_is_not_waited_for(send):
    wire = await send("ignored", {"transfer-encoding": "chunked"}, b"x" * 5000, b"")
    assert (wire.status, wire.arriving.qsize()) == (204, 2)


@pytest.mark.parametrize("path", ["json", "raw"])
@pytest.mark.parametrize("framing", [{"content-length": "10"}, {"transfer-encoding": "chunked"}], ids=str)
async def test_a_body_that_does_not_arrive_in_time_is_refused(send, path, framing, tracebacks):
    headers = framing | {"content-type": "application/json"}
    wire = await send(path, headers, b"{", None, body_timeout_s=BODY_TIMEOUT_S)
    assert refused(wire) == (408, "body_timed_out", "close")
    assert tracebacks() == []


async def test_once_whole_a_body_is_not_waited_for(send):
    """What asks for more from then on asks whether the client is still there."""
    wire = await send("streams", {"content-length": "5"}, b"begin", body_timeout_s=BODY_TIMEOUT_S)
    assert (wire.status, wire.body, wire.is_whole) == (200, b"beginend", True)


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/startupz", "/livez", "/v1/bodies/ignored", "/docs"])
async def test_a_path_with_a_newline_behind_it_is_another_path(reader, placed, path):
    served, prefix = placed(bare(reader.router))
    for method in ("GET", "HEAD", "POST"):
        wire = Wire(served, method, f"{prefix}{path}\n")
        await wire.start()
        assert (wire.status, reader.ran) == (404, False)
    assert refused(wire) == (404, "not_found", None)


async def test_a_layer_that_fails_is_answered_and_logged_once(reader, placed, tracebacks):
    """Between this layer and the innermost one: what FastAPI itself, or one day somebody else, puts there."""
    app = bare(reader.router)

    class Breaks:
        def __init__(self, inner) -> None:
            self.app = inner

        async def __call__(self, scope, receive, send) -> None:
            if scope["type"] == "http":
                raise RuntimeError("canary-0451")
            await self.app(scope, receive, send)

    app.add_middleware(Breaks)
    served, prefix = placed(app)
    wire = Wire(served, "GET", f"{prefix}/livez")
    await wire.start()
    assert refused(wire) == (500, "internal_error", None)
    assert b"canary" not in wire.body
    (line,) = tracebacks()
    assert (line["path"], "canary" in line["exception"]) == (f"{prefix}/livez", True)


async def test_a_layer_that_raises_a_refusal_is_a_bug_and_answered_as_one(reader, placed, tracebacks):
    app = bare(reader.router)

    class Refuses:
        def __init__(self, inner) -> None:
            self.app = inner

        async def __call__(self, scope, receive, send) -> None:
            raise DomainError

    app.add_middleware(Refuses)
    served, prefix = placed(app)
    wire = Wire(served, "GET", f"{prefix}/livez")
    await wire.start()
    assert (refused(wire)[0], len(tracebacks())) == (500, 1)


async def test_a_layer_that_fails_after_the_answer_is_logged_and_changes_nothing(reader, placed, tracebacks):
    app = bare(reader.router)

    class BreaksAfterwards:
        def __init__(self, inner) -> None:
            self.app = inner

        async def __call__(self, scope, receive, send) -> None:
            await self.app(scope, receive, send)
            raise RuntimeError

    app.add_middleware(BreaksAfterwards)
    served, prefix = placed(app)
    wire = Wire(served, "GET", f"{prefix}/livez")
    await wire.start()
    assert (wire.status, wire.is_whole, len(tracebacks())) == (200, True, 1)
