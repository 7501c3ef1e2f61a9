"""The document is served in few bytes; the page that shows it works anywhere, without a network."""

import json
import re
import sys

import httpx
import pytest
from bare import bare
from pydantic import BaseModel

from core.application import ChassisApp
from core.mount import ServiceMount
from core.testing import SERVICE_URL, Host, problem, running
from core.testing.open_router import OpenRouter
from core.web.openapi import documentation, openapi_of
from core.web.openapi.documentation import OpenApiDocument

router = OpenRouter(prefix="/v1/orders", tags=["orders"])


class Order(BaseModel):
    """A body and an answer."""

    amount: int


@router.post("", status_code=201)
async def place_order(order: Order) -> Order:
    return order


@router.get("/{order_id}")
async def read_order(order_id: str) -> Order:
    return Order(amount=1)


@router.delete("/{order_id}", status_code=204)
async def cancel_order(order_id: str) -> None:
    return None


@pytest.fixture
def app() -> ChassisApp:
    return bare(router)


def test_probes_pages_and_documents_are_no_operations(app):
    assert openapi_of(app)["paths"].keys() == {"/v1/orders", "/v1/orders/{order_id}"}


async def test_the_same_bytes_are_served_standalone_and_mounted(app):
    async with running(app) as client:
        standalone = await client.get("/openapi.json")
    async with running(Host(ServiceMount("example", app))) as client:
        mounted = await client.get("/example/openapi.json")
    assert standalone.content == mounted.content
    assert standalone.headers["content-type"] == "application/json"
    assert json.loads(standalone.content) == openapi_of(app)


async def test_operations_are_called_beside_the_document(anywhere, app):
    """OpenAPI 3.1, section 4.8.5: a relative URL starts where the document is."""
    (server,) = (await anywhere.get("/openapi.json")).json()["servers"]
    document = httpx.URL("https://edge.example/example/openapi.json")
    assert str(document.join(server["url"])) == "https://edge.example/example/"


@pytest.mark.parametrize("sent", ["{etag}", "W/{etag}", '"other", {etag}', '"a",W/{etag} , "b"', "*"])
async def test_who_has_the_document_gets_none(anywhere, sent):
    first = await anywhere.get("/openapi.json")
    etag = first.headers["etag"]
    again = await anywhere.get("/openapi.json", headers={"If-None-Match": sent.format(etag=etag)})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert again.headers["cache-control"] == first.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("sent", ["", '"other"', "{bare}", "W/", '"*"'])
async def test_who_has_another_document_gets_this_one(anywhere, sent):
    etag = (await anywhere.get("/openapi.json")).headers["etag"]
    sent = sent.format(bare=etag.strip('"'))
    response = await anywhere.get("/openapi.json", headers={"If-None-Match": sent})
    assert (response.status_code, bool(response.content)) == (200, True)


async def test_the_document_is_made_once(app):
    made = []

    def make():
        made.append(1)
        return {"openapi": "3.1.0"}

    app.router.routes.append(documentation.PlainRoute("/once.json", OpenApiDocument(make).answer))
    async with running(app) as client:
        assert [(await client.get("/once.json")).status_code for _ in range(3)] == [200] * 3
    assert made == [1]


@pytest.mark.parametrize("prefix", ["", "/example"])
async def test_the_page_finds_all_it_needs_wherever_it_is_shown(app, prefix):
    """A mount says its path; a proxy that takes a prefix away does not. Every URL is relative to the page's."""
    page_url = httpx.URL(f"{SERVICE_URL}{prefix}/docs")
    app = Host(ServiceMount("example", app)) if prefix else app
    async with running(app) as client:
        page = await client.get(str(page_url))
        sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(sources) == 3
        for source in sources:
            assert not source.startswith("/")
            loaded = await client.get(str(page_url.join(source)))
            assert loaded.status_code == 200
            assert loaded.headers["content-type"].split(";")[0] in {"text/css", "text/javascript"}
        start = (await client.get(str(page_url.join("docs-assets.js")))).text
        (document,) = re.findall(r'url: "([^"]+)"', start)
        assert (await client.get(str(page_url.join(document)))).status_code == 200


async def test_the_page_asks_nobody_else_and_runs_nothing_inline(anywhere):
    page = (await anywhere.get("/docs")).text
    assert "://" not in page
    assert re.findall(r"<script[^>]*>([^<]*)</script>", page) == ["", ""]
    assert " on" not in re.sub(r"\s+", " ", page)


async def test_the_page_runs_under_its_policy(anywhere):
    """What Chromium showed, as far as the sources of Swagger UI tell: no eval, no worker, no script it makes itself."""
    bundle = (await anywhere.get("/docs-assets/swagger-ui-bundle.js")).text
    # Found by core-js and by a fallback for old engines; both are guarded by what every browser has.
    assert set(re.findall(r"new Function\([^)]*\)", bundle)) <= {'new Function("return this")'}
    assert not re.search(r"""[^.\w]eval\(|new Worker\(|createElement\("script"\)""", bundle)
    sheet = (await anywhere.get("/docs-assets/swagger-ui.css")).text
    assert not [url for url in re.findall(r"url\(([^)]*)\)", sheet) if not url.strip("\"'").startswith("data:")]


async def test_only_assets_are_served(anywhere):
    for path in (
        "/docs-assets/",
        "/docs-assets/none.js",
        "/docs-assets/..%2f..%2f__init__.py",
        "/docs-assets//etc/passwd",
    ):
        assert problem(await anywhere.get(path)) == (404, "not_found")
    assert problem(await anywhere.post("/docs-assets/swagger-ui.css")) == (405, "method_not_allowed")


async def test_without_assets_there_is_a_document_and_no_page(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi_standalone_docs", None)
    monkeypatch.setattr(documentation, "find_spec", lambda _name: None)
    async with running(bare(router)) as client:
        assert (await client.get("/openapi.json")).status_code == 200
        assert problem(await client.get("/docs")) == (404, "not_found")


async def test_documentation_can_be_switched_off():
    async with running(bare(router, docs_enabled=False)) as client:
        for path in ("/openapi.json", "/docs", "/docs-assets.js", "/docs-assets/swagger-ui.css", "/redoc"):
            assert problem(await client.get(path)) == (404, "not_found")
