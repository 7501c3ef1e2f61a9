"""A web page of another origin reads nothing unless a setting names it, and caches are told that it depends."""

import pytest
from bare import WEB_ORIGIN, Wire, bare
from pydantic import BaseModel
from starlette.responses import Response

from core.testing import problem, running
from core.testing.open_router import OpenRouter

OTHER_ORIGIN = "https://other.example"
PREFLIGHT = {"Origin": WEB_ORIGIN, "Access-Control-Request-Method": "POST"}


class Ok(BaseModel):
    """Nothing to say."""

    ok: bool = True


router = OpenRouter(prefix="/v1/cross", tags=["cross"])


@router.post("")
async def cross() -> Ok:
    return Ok()


@router.get("/varies")
async def varies() -> Response:
    return Response(headers={"Vary": "Accept-Encoding"})


@pytest.fixture
def app():
    return bare(router)


def varies_by(response) -> set[str]:
    return {name.strip() for value in response.headers.get_list("vary") for name in value.split(",")}


async def test_cors_is_closed_by_default():
    async with running(bare(router, cors={})) as client:
        response = await client.post("/v1/cross", headers={"Origin": WEB_ORIGIN})
        preflight = await client.options("/v1/cross", headers=PREFLIGHT)
    assert response.status_code == 200
    assert problem(preflight) == (405, "method_not_allowed")
    assert not any(name.startswith("access-control") for name in [*response.headers, *preflight.headers])


async def test_a_page_of_a_named_origin_may_read(anywhere):
    response = await anywhere.post("/v1/cross", headers={"Origin": WEB_ORIGIN})
    assert response.headers["access-control-allow-origin"] == WEB_ORIGIN
    assert "access-control-allow-credentials" not in response.headers
    assert "X-Request-ID" in response.headers["access-control-expose-headers"]
    assert "Retry-After" in response.headers["access-control-expose-headers"]


async def test_a_page_of_another_origin_is_served_and_may_not_read(anywhere):
    response = await anywhere.post("/v1/cross", headers={"Origin": OTHER_ORIGIN})
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("origin", [None, WEB_ORIGIN, OTHER_ORIGIN])
async def test_every_answer_says_that_it_varies_with_the_origin(anywhere, origin):
    headers = {"Origin": origin} if origin else {}
    for path in ("/v1/cross/varies", "/v1/nothing-here"):
        response = await anywhere.get(path, headers=headers)
        assert varies_by(response) == {"Origin", "Accept-Encoding"} if "varies" in path else {"Origin"}


async def test_a_preflight_is_answered_before_anything_runs(anywhere, requests):
    response = await anywhere.options("/v1/nothing-here", headers=PREFLIGHT)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == WEB_ORIGIN
    assert response.headers["access-control-max-age"] == "600"
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "Idempotency-Key" in response.headers["access-control-allow-headers"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert [(line["method"], line["status"]) for line in requests()] == [("OPTIONS", 200)]


async def test_a_page_may_ask_for_headers_alone_wherever_it_may_read(anywhere):
    asked = PREFLIGHT | {"Access-Control-Request-Method": "HEAD", "Access-Control-Request-Headers": "Authorization"}
    assert (await anywhere.options("/v1/cross/varies", headers=asked)).status_code == 200


@pytest.mark.parametrize(
    "asked",
    [
        {"Origin": OTHER_ORIGIN},
        {"Access-Control-Request-Method": "PURGE"},
        {"Access-Control-Request-Headers": "X-Other"},
    ],
    ids=str,
)
async def test_a_preflight_that_is_refused_is_a_problem(anywhere, asked):
    response = await anywhere.options("/v1/cross", headers=PREFLIGHT | asked)
    assert problem(response) == (403, "cross_origin_refused")
    assert (response.headers.get("access-control-allow-origin") == WEB_ORIGIN) is ("Origin" not in asked)
    assert "Origin" in varies_by(response)
    assert len(response.headers.get_list("content-length")) == 1


async def test_options_without_a_preflights_header_is_a_method_like_others(anywhere):
    response = await anywhere.options("/v1/cross", headers={"Origin": WEB_ORIGIN})
    assert problem(response) == (405, "method_not_allowed")


async def test_credentials_name_the_origin():
    cors = {"allow_origins": [WEB_ORIGIN], "allow_credentials": True}
    async with running(bare(router, cors=cors)) as client:
        response = await client.post("/v1/cross", headers={"Origin": WEB_ORIGIN, "Cookie": "a=b"})
    assert response.headers["access-control-allow-origin"] == WEB_ORIGIN
    assert response.headers["access-control-allow-credentials"] == "true"


async def test_any_origin_is_any_origin():
    async with running(bare(router, cors={"allow_origins": ["*"]})) as client:
        response = await client.post("/v1/cross", headers={"Origin": OTHER_ORIGIN})
    assert response.headers["access-control-allow-origin"] == "*"


async def test_other_protocols_pass(app):
    wire = Wire(app, "GET", "/v1/cross", type="websocket", headers=[(b"origin", OTHER_ORIGIN.encode())])
    wire.arriving.put_nowait({"type": "websocket.connect"})
    await wire.start()
    assert wire.sent[0]["type"] == "websocket.close"
