"""What becomes of the index under another FastAPI: requests are answered as before, and the start says what is lost."""

import sys

import pytest
from bare import bare
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse
from fastapi.routing import RouteContext
from starlette.routing import Host, Mount, Route, WebSocketRoute

from core.routing import inactive, install, installed
from core.testing import running


def unindexed(*, redirect_slashes=False, **options) -> FastAPI:
    app = FastAPI(openapi_url=None, redirect_slashes=redirect_slashes, **options)

    @app.get("/items/{item_id:int}")
    async def read(item_id: int, request: Request) -> dict[str, object]:
        return {"id": item_id, "root": request.scope.get("root_path", "")}

    @app.get("/items/me")
    async def me() -> str:
        return "me"

    @app.put("/items/{slug}")
    async def replace(slug: str) -> str:
        return slug

    @app.websocket("/talk/{room}")
    async def talk(websocket: WebSocket, room: str) -> None: ...

    app.router.routes.append(Route("/plain/{name}", lambda request: PlainTextResponse(request.path_params["name"])))
    app.mount("/below/{tenant}", PlainTextResponse("mounted"))
    return app


def indexed(**options) -> FastAPI:
    app = unindexed(**options)
    install(app)
    return app


async def answers(ask, app):
    """HEAD and the Allow of a 405 are left out: those the index itself completes."""
    paths = ["/items/1", "/items/me", "/items/a", "/items/1/2", "/plain/a", "/below/x/y", "/talk/a", "/nowhere", "/"]
    responses = [await ask(app, method, path) for path in paths for method in ("GET", "PUT", "POST", "OPTIONS")]
    return [(response.status_code, response.content) for response in responses]


def rename(monkeypatch, owner, name):
    """An upgrade: FastAPI knows the attribute by another name, and core looks for the old one."""
    for access in ("__getattribute__", "__getattr__", "__setattr__"):
        original = getattr(owner, access, None)
        if original is not None:
            monkeypatch.setattr(owner, access, hiding(original, name))


def hiding(original, name):
    """The same access, by which core does not find the name."""

    def access(self, asked, *value):
        if asked == name and sys._getframe(1).f_globals["__name__"].startswith("core.routing"):
            raise AttributeError(name)
        return original(self, asked, *value)

    return access


async def test_an_index_that_does_its_work_has_nothing_to_say():
    assert await inactive(indexed()) is None


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (APIRouter, "middleware_stack"),
        (APIRouter, "app"),
        (APIRouter, "routes"),
        (APIRouter, "redirect_slashes"),
        (RouteContext, "matches"),
        (RouteContext, "methods"),
        (Route, "methods"),
    ],
)
async def test_what_the_index_cannot_do_without_is_left_to_fastapi(ask, monkeypatch, owner, name):
    expected = await answers(ask, unindexed())
    rename(monkeypatch, owner, name)
    app = indexed()
    assert not installed(app)
    assert await answers(ask, app) == expected
    assert await inactive(app) == f"this FastAPI has moved what it reads (AttributeError: {name})"


@pytest.mark.parametrize("name", ["path", "param_convertors"])
@pytest.mark.parametrize("owner", [Route, WebSocketRoute, Mount])
async def test_a_route_that_the_index_cannot_read_is_tried_on_every_path(ask, monkeypatch, owner, name):
    expected = await answers(ask, unindexed())
    rename(monkeypatch, owner, name)
    app = indexed()
    assert installed(app)
    assert await answers(ask, app) == expected
    assert "routes, which are tried on every path" in str(await inactive(app))


async def test_a_router_that_no_longer_calls_its_stack_searches_as_fastapi_does(ask, monkeypatch):
    expected = await answers(ask, unindexed())
    monkeypatch.setattr(APIRouter, "__call__", APIRouter.app)
    app = indexed()
    assert await answers(ask, app) == expected
    assert await inactive(app) == "a router no longer calls what stands in its middleware_stack"


async def test_a_copy_that_searches_the_routes_of_its_original_costs_time_and_nothing_else(ask, monkeypatch):
    expected = await answers(ask, unindexed())
    making, searching = APIRouter.__init__, APIRouter.app

    def make(self, *args, **options):
        self.compiled = self
        making(self, *args, **options)

    monkeypatch.setattr(APIRouter, "__init__", make)
    monkeypatch.setattr(APIRouter, "app", lambda self, *request: searching(self.compiled, *request))
    app = indexed()
    assert await answers(ask, app) == expected
    assert await inactive(app) == "a copy of a router no longer searches its own routes alone"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"max_body_size": 1}, "something else stands before the router"),
        ({"redirect_slashes": True}, "the app redirects slashes"),
    ],
)
async def test_an_app_that_is_built_otherwise_says_why_it_has_no_index(options, reason):
    assert await inactive(indexed(**options)) == reason


async def test_kinds_of_route_that_decide_for_themselves_are_named():
    app = indexed()
    app.router.routes.append(Host("api.example", PlainTextResponse("")))
    app.include_router(APIRouter(routes=[Route("/x", PlainTextResponse(""))]))
    reason = "it cannot read 2 routes, which are tried on every path: Host, _IncludedRouter"
    assert await inactive(app) == reason


async def test_the_start_says_in_one_line_that_the_index_is_inactive(monkeypatch, logs):
    async with running(bare()):
        assert logs == []
    rename(monkeypatch, APIRouter, "redirect_slashes")
    async with running(bare()):
        (line,) = logs
    assert (line["level"], line["event"]) == ("warning", "route index inactive")
    assert line["reason"] == "this FastAPI has moved what it reads (AttributeError: redirect_slashes)"
