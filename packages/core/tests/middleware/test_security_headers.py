"""Browsers guess nothing and frame nothing; caches keep nothing that belongs to somebody."""

import pytest
from bare import bare
from pydantic import BaseModel
from starlette.responses import HTMLResponse, Response, StreamingResponse

from core.testing import running
from core.testing.open_router import OpenRouter

SIGNED_IN = {"Authorization": "Bearer anything"}
router = OpenRouter(prefix="/v1/secured", tags=["secured"])


class Ok(BaseModel):
    """Nothing to say."""

    ok: bool = True


@router.get("")
async def read() -> Ok:
    return Ok()


@router.post("")
async def write() -> Ok:
    return Ok()


@router.get("/cacheable")
async def cacheable() -> Response:
    return Response(headers={"Cache-Control": "private, no-cache"})


@router.get("/page")
async def page() -> Response:
    return HTMLResponse("<p>")


@router.get("/page-with-its-own-policy")
async def page_with_policy() -> Response:
    return HTMLResponse("<p>", headers={"Content-Security-Policy": "default-src 'none'"})


@router.get("/untyped")
async def untyped() -> Response:
    return Response(b"GIF89a")


@router.get("/untyped-parts")
async def untyped_parts() -> Response:
    async def parts():
        yield b""
        yield b"%PDF-"

    return StreamingResponse(parts())


@router.get("/nothing")
async def nothing() -> Response:
    return Response()


@pytest.fixture
def app():
    return bare(router)


async def test_no_answer_is_guessed_at(anywhere):
    for path in ("/v1/secured", "/v1/nothing-here", "/docs", "/livez"):
        assert (await anywhere.get(path)).headers.get_list("x-content-type-options") == ["nosniff"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_nobody_in_between_guesses_what_content_is(anywhere, method):
    types = {
        path: (await anywhere.request(method, f"/v1/secured{path}")).headers.get_list("content-type")
        for path in ("", "/untyped", "/untyped-parts", "/nothing")
    }
    unknown = ["application/octet-stream"]
    assert types == {"": ["application/json"], "/untyped": unknown, "/untyped-parts": unknown, "/nothing": []}


@pytest.mark.parametrize(
    ("method", "path", "headers", "cache_control"),
    [
        ("GET", "/v1/secured", {}, []),
        ("HEAD", "/v1/secured", {}, []),
        ("GET", "/v1/secured", SIGNED_IN, ["no-store"]),
        ("HEAD", "/v1/secured", SIGNED_IN, ["no-store"]),
        # Answers with tokens are answers to a POST.
        ("POST", "/v1/secured", {}, ["no-store"]),
        ("POST", "/v1/nothing-here", {}, ["no-store"]),
        ("GET", "/v1/nothing-here", SIGNED_IN, ["no-store"]),
        # A refusal tells of one request.
        ("GET", "/v1/nothing-here", {}, ["no-store"]),
        ("GET", "/v1/secured/cacheable", SIGNED_IN, ["private, no-cache"]),
        ("GET", "/openapi.json", SIGNED_IN, ["no-cache"]),
    ],
)
async def test_only_what_is_public_may_be_stored(anywhere, method, path, headers, cache_control):
    response = await anywhere.request(method, path, headers=headers)
    assert response.headers.get_list("cache-control") == cache_control


async def test_a_page_may_use_nothing_from_elsewhere_and_be_framed_by_nobody(anywhere):
    for path in ("/v1/secured/page", "/docs", "/problems/not_found"):
        (policy,) = (await anywhere.get(path)).headers.get_list("content-security-policy")
        rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
        assert rules["default-src"] == "'self'"
        assert rules["frame-ancestors"] == "'none'"
        assert "script-src" not in rules


async def test_a_page_may_have_a_policy_of_its_own(anywhere):
    response = await anywhere.get("/v1/secured/page-with-its-own-policy")
    assert response.headers.get_list("content-security-policy") == ["default-src 'none'"]


async def test_what_is_no_page_has_no_policy(anywhere):
    assert "content-security-policy" not in (await anywhere.get("/v1/secured")).headers


@pytest.mark.parametrize(
    ("public_url", "expected"),
    [
        ("https://api.example.com", ["max-age=31536000; includeSubDomains"]),
        ("http://127.0.0.1:8000", []),
    ],
)
async def test_https_stays_https_where_the_service_is_reached_by_it(public_url, expected):
    async with running(bare(public_url=public_url)) as client:
        for path in ("/livez", "/nothing-here"):
            assert (await client.get(path)).headers.get_list("strict-transport-security") == expected
