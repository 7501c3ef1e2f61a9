"""A deprecated operation says so on whatever is answered in its name, and other operations say nothing."""

from datetime import date

import pytest
from bare import WEB_ORIGIN, bare
from fastapi import FastAPI, Response
from pydantic import BaseModel

from core.mount import ServiceMount
from core.routing import Deprecation, Router, RoutingError, check, deprecated, register
from core.testing import SERVICE_URL, Host, running
from core.testing.open_router import OpenRouter
from core.web.openapi import openapi_of

SINCE, SUNSET = date(2026, 11, 1), date(2027, 11, 1)
# `date -ud 2026-11-01 +%s`
DEPRECATION, SUNSET_DATE = "@1793491200", "Mon, 01 Nov 2027 00:00:00 GMT"
METRIC = "http_server_deprecated_requests_total"


class Order(BaseModel):
    """A body and an answer."""

    amount: int


def handlers(router: Router) -> Router:
    @router.get("")
    async def list_orders() -> Order:
        return Order(amount=1)

    @router.post("/{order_id}")
    async def change_order(order_id: int, order: Order) -> Order:
        return order

    @router.get("/{order_id}")
    async def read_order(order_id: str, response: Response) -> Order:
        response.headers["Link"] = '</v1/orders>; rel="collection"'
        return Order(amount=1 // (order_id != "broken"))

    return router


def versions() -> tuple[Router, Router]:
    deprecation = Deprecation(since=SINCE, sunset=SUNSET, successor="/v2/orders")
    first = OpenRouter(prefix="/v1/orders", tags=["orders"], deprecation=deprecation)
    return handlers(first), handlers(OpenRouter(prefix="/v2/orders", tags=["orders_v2"]))


@pytest.fixture
def app():
    return bare(*versions())


def said(response) -> tuple[str | None, str | None, list[str]]:
    links = [link for link in response.headers.get_list("link") if "successor" in link]
    return response.headers.get("deprecation"), response.headers.get("sunset"), links


def successor(path: str) -> list[str]:
    return [f'<{SERVICE_URL}{path}>; rel="successor-version"']


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/orders", 200),
        ("HEAD", "/orders", 200),
        ("GET", "/orders/7", 200),
        ("GET", "/orders/broken", 500),
        ("POST", "/orders/7", 422),
        ("POST", "/orders/none", 404),
    ],
)
async def test_every_answer_of_a_deprecated_version_says_so(anywhere, method, path, status):
    response = await anywhere.request(method, f"/v1{path}", json={} if method == "POST" else None)
    assert response.status_code == status
    assert said(response) == (DEPRECATION, SUNSET_DATE, successor(f"/v2{path}"))
    following = await anywhere.request(method, f"/v2{path}", json={} if method == "POST" else None)
    assert (following.status_code, said(following)) == (status, (None, None, []))


async def test_a_request_that_takes_too_long_is_told_as_well(app):
    router = OpenRouter(prefix="/v1/slow", tags=["slow"], deprecation=Deprecation(since=SINCE))

    @router.get("")
    async def wait() -> Order:
        raise TimeoutError

    register(app, router)
    app.deadlines.timeout_s = 0
    async with running(app) as client:
        response = await client.get("/v1/slow")
    assert response.status_code in {500, 504}
    assert said(response) == (DEPRECATION, None, [])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("DELETE", "/v1/orders", 405), ("GET", "/v1/orders/7/items", 404)],
)
async def test_what_is_no_operation_is_not_deprecated(anywhere, method, path, status):
    response = await anywhere.request(method, path)
    assert (response.status_code, said(response)) == (status, (None, None, []))


async def test_a_handler_keeps_its_own_links(anywhere):
    response = await anywhere.get("/v1/orders/7")
    assert response.headers.get_list("link") == ['</v1/orders>; rel="collection"', *successor("/v2/orders/7")]


@pytest.mark.parametrize("sent", ["a%22%3E%0D%0AX: 1", "%3C%3E", "a%2Cb", "é"])
async def test_a_link_is_one_whatever_was_asked_for(anywhere, sent):
    (link,) = said(await anywhere.get(f"/v1/orders/{sent}"))[2]
    assert link.startswith(f"<{SERVICE_URL}/v2/orders/")
    assert link.count("<") == link.count(">") == 1
    assert link.isascii()


async def test_a_web_page_may_read_it(app):
    async with running(app) as client:
        response = await client.get("/v1/orders", headers={"Origin": WEB_ORIGIN})
    exposed = response.headers["access-control-expose-headers"].split(", ")
    assert {"Deprecation", "Sunset", "Link"} <= set(exposed)


def test_the_document_says_it(app):
    paths = openapi_of(app)["paths"]
    assert all(operation["deprecated"] for operation in paths["/v1/orders/{order_id}"].values())
    assert not any("deprecated" in operation for operation in paths["/v2/orders/{order_id}"].values())
    assert {"Deprecation", "Link", "Sunset"} <= paths["/v1/orders"]["get"]["responses"]["200"]["headers"].keys()


async def test_who_still_calls_it_is_counted(app):
    async with running(Host(ServiceMount("example", app))) as client:
        for path in ("/v1/orders", "/v1/orders", "/v1/orders/7", "/v2/orders", "/v1/nothing"):
            await client.get(f"/example{path}")
        scraped = (await client.get("/example/metrics")).text
    lines = [line for line in scraped.splitlines() if line.startswith(METRIC)]
    assert lines == [
        f'{METRIC}{{operation="orders_list_orders"}} 2.0',
        f'{METRIC}{{operation="orders_read_order"}} 1.0',
    ]


async def test_one_operation_may_be_deprecated_by_itself():
    router = OpenRouter(prefix="/v1/orders", tags=["orders"])

    @router.get("/old")
    @deprecated(since=SINCE, successor="/v1/orders/new")
    async def old() -> Order:
        return Order(amount=1)

    @router.get("/new")
    async def new() -> Order:
        return Order(amount=1)

    async with running(bare(router)) as client:
        assert said(await client.get("/v1/orders/old")) == (DEPRECATION, None, successor("/v1/orders/new"))
        assert said(await client.get("/v1/orders/new")) == (None, None, [])


def problems(*routers: Router) -> list[str]:
    app = FastAPI()
    for router in routers:
        register(app, router)
    try:
        check(app)
    except RoutingError as error:
        return list(error.problems)
    return []


async def answer() -> str:
    return ""


def operation(**deprecation) -> Router:
    router = OpenRouter(prefix="/v1/x", tags=["x"], deprecation=Deprecation(**deprecation))
    router.add_api_route("/{name}", answer)
    return router


def test_a_sound_deprecation_passes():
    successor = OpenRouter(prefix="/v2/x", tags=["y"])
    successor.add_api_route("/{name}", answer)
    assert problems(operation(since=SINCE, sunset=SUNSET, successor="/v2/x"), successor) == []
    assert problems(operation(since=SINCE, sunset=SINCE)) == []


def test_a_deprecation_without_a_date_is_a_problem():
    router = OpenRouter(prefix="/v1/x", tags=["x"])
    router.add_api_route("", answer, deprecated=True)
    assert problems(router) == ["GET /v1/x is deprecated and does not say since when: use core.routing's Deprecation"]


def test_a_sunset_before_the_deprecation_is_a_problem():
    assert problems(operation(since=SUNSET, sunset=SINCE)) == [
        "GET /v1/x/{name} goes on 2026-11-01, before it is deprecated on 2027-11-01"
    ]


@pytest.mark.parametrize("successor", ["/v2/x", "/v1/x/{name}/y"])
def test_a_successor_that_is_no_route_is_a_problem(successor):
    assert problems(operation(since=SINCE, successor=successor)) == [
        f"GET /v1/x/{{name}} is succeeded by {successor}/{{name}}, which is no route"
    ]
