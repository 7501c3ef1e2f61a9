"""A route may take larger bodies than the service, or only smaller ones; the limit is that of the route that serves."""

import asyncio

import orjson
import pytest
from bare import Wire, bare
from fastapi import Request
from pydantic import BaseModel
from starlette.routing import BaseRoute

from core.dependencies import idempotent
from core.testing.open_router import OpenRouter
from core.web.body_limits import KIB, MIB, BodyLimits, body_max, own_body_max
from core.web.openapi import openapi_of

SERVICE_MAX = 100

router = OpenRouter(prefix="/v1/files", tags=["files"])


class Read(BaseModel):
    """How much arrived."""

    size: int


class Text(BaseModel):
    """A body that FastAPI reads."""

    text: str


async def size_of(request: Request) -> Read:
    return Read(size=len(await request.body()))


@router.post("")
@body_max(200)
async def upload(request: Request) -> Read:
    return await size_of(request)


@router.put("")
async def replace(request: Request) -> Read:
    return await size_of(request)


@router.patch("")
@body_max(10)
async def change(request: Request) -> Read:
    return await size_of(request)


@router.post("/special")
async def special(request: Request) -> Read:
    return await size_of(request)


@router.post("/{file}")
@body_max(300)
async def named(file: str, request: Request) -> Read:
    return await size_of(request)


@router.put("/{file}")
@body_max(20)
async def described(file: str, text: Text) -> Read:
    return Read(size=len(text.text))


@pytest.fixture
def send(placed):
    """`await send("POST", "", 201)`: a body of so many bytes, its length declared; or in chunks."""
    app, prefix = placed(bare(router, server={"body_max_bytes": SERVICE_MAX}))

    async def run(method: str, path: str, size: int, *, chunked: bool = False) -> Wire:
        framing = (b"transfer-encoding", b"chunked") if chunked else (b"content-length", str(size).encode())
        headers = [framing, (b"content-type", b"application/json")]
        wire = Wire(app, method, f"{prefix}/v1/files{path}", headers=headers)
        wire.arrive(b"x" * (size // 2), more_body=True)
        wire.arrive(b"x" * (size - size // 2))
        await asyncio.wait_for(wire.start(), 30)
        return wire

    return run


# Larger and smaller than the service's; several methods on one path; a parameter, and a route that stands before it.
LIMITS = [
    ("POST", "", 200),
    ("PUT", "", SERVICE_MAX),
    ("PATCH", "", 10),
    ("POST", "/special", SERVICE_MAX),
    ("POST", "/other", 300),
    ("POST", "/other/nowhere", SERVICE_MAX),
]


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
@pytest.mark.parametrize(("method", "path", "limit"), LIMITS[:-1])
async def test_the_last_byte_within_the_limit_is_taken_and_the_next_refused(send, method, path, limit, chunked):
    taken = await send(method, path, limit, chunked=chunked)
    assert (taken.status, orjson.loads(taken.body)) == (200, {"size": limit})
    refused = await send(method, path, limit + 1, chunked=chunked)
    problem = orjson.loads(refused.body)
    assert (refused.status, problem["code"]) == (413, "content_too_large")
    assert problem["detail"] == f"At most {limit} bytes are accepted."
    assert refused.headers["connection"] == "close"


@pytest.mark.parametrize(("method", "path", "limit"), LIMITS)
async def test_what_says_that_it_is_too_large_is_refused_unread(send, method, path, limit):
    wire = await send(method, path, limit + 1)
    assert (wire.status, wire.arriving.qsize()) == (413, 2)


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_a_body_that_fastapi_reads_is_bounded_alike(send, chunked):
    wire = await send("PUT", "/other", 21, chunked=chunked)
    assert (wire.status, orjson.loads(wire.body)["detail"]) == (413, "At most 20 bytes are accepted.")


async def test_where_no_route_takes_the_request_the_service_s_limit_holds(send):
    assert (await send("DELETE", "", SERVICE_MAX + 1)).status == 413
    assert (await send("DELETE", "", SERVICE_MAX)).status == 405


def test_only_marked_routes_are_asked_and_none_where_there_are_none():
    asked: list[str] = []

    class Listening(BaseRoute):
        def __init__(self, route) -> None:
            self.route, self.endpoint = route, route.endpoint

        def matches(self, scope):
            asked.append(self.route.name)
            return self.route.matches(scope)

    scope = {"type": "http", "method": "PUT", "path": "/v1/files", "root_path": "", "headers": []}
    limits = BodyLimits([Listening(route) for route in router.routes], default_bytes=SERVICE_MAX)
    assert limits.of(scope) == SERVICE_MAX
    assert asked == ["upload", "change", "named", "described"]
    asked.clear()
    unmarked = [Listening(route) for route in router.routes if own_body_max(route) is None]
    assert (BodyLimits(unmarked, default_bytes=SERVICE_MAX).of(scope), asked) == (SERVICE_MAX, [])


def test_the_mark_survives_a_decorator_around_it():
    @idempotent
    @body_max(10 * MIB)
    async def upload() -> None: ...

    assert own_body_max(type("Route", (), {"endpoint": upload})()) == 10 * 1024 * KIB


@pytest.mark.parametrize("size_bytes", [0, -1])
def test_a_limit_that_lets_nothing_in_is_refused_where_it_is_written(size_bytes):
    with pytest.raises(ValueError, match="is none"):
        body_max(size_bytes)


def test_the_document_tells_of_a_limit_of_its_own():
    paths = openapi_of(bare(router))["paths"]
    refused = {"$ref": "#/components/responses/ContentTooLarge"}
    assert paths["/v1/files"]["post"]["responses"]["413"] == refused
    assert paths["/v1/files/{file}"]["put"]["responses"]["413"] == refused
    assert "413" not in paths["/v1/files"]["put"]["responses"]
