"""The index against plain FastAPI, on random tables of every kind of route: it narrows, and decides nothing."""

import asyncio
import mimetypes
from functools import cache

import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.convertors import CONVERTOR_TYPES, Convertor, register_url_convertor
from starlette.routing import Host, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from core.routing import Router, install, register

METHODS = ["GET", "HEAD", "POST", "PUT", "OPTIONS"]
SEGMENTS = [
    *("items", "me", "é", "", ".", ".."),
    *("{}", "{:int}", "{:float}", "{:uuid}", "{:two}", "{:path}"),
    *("{}.{}", "x{}", "x{:path}"),
]
TEXTS = [
    *("items", "me", "é", "", ".", "..", "Items", "%2F", "a b"),
    *("7", "7.5", "a.b", "xa", "8c9d0f3e-1a2b-4c3d-8e4f-5a6b7c8d9e0f"),
    *("\n", "a\n", "me\r", "index.html", "page.txt"),
    # What a client sends as %2F, the server has decoded.
    *("items/me", "/", "a/"),
]
HOSTS = ["service.example", "api.example"]
KINDS = [
    *("api", "api", "api", "included", "nested", "starlette", "mount", "host", "static", "frontend"),
    *("websocket", "api websocket", "included websocket"),
]
# Where FastAPI answers with its own route, which has no HEAD; Starlette's has.
FASTAPIS = {"api", "included", "nested"}


class Two(Convertor[str]):
    """A convertor of somebody's own, which takes a slash."""

    regex = "[a-z]+/[a-z]+"

    def convert(self, value):
        return value

    def to_string(self, value):
        return value


@pytest.fixture(scope="module", autouse=True)
def _two():
    register_url_convertor("two", Two())
    mimetypes.init()  # reads a file, once a process
    yield
    del CONVERTOR_TYPES["two"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What a frontend and static files show."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "index.html").write_text("<p>hello")
    (folder / "page.txt").write_text("a page")
    return folder


def template(segments):
    """`/items/{}` with its parameters named: a name may stand in a path once."""
    count = iter(range(10))
    pieces = ("/" + "/".join(segments)).replace("{", "{{").split("{{")
    return pieces[0] + "".join(f"{{p{next(count)}{piece}" for piece in pieces[1:])


paths = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3).map(template)
http_methods = st.sets(st.sampled_from(["GET", "POST", "PUT", "HEAD"]), min_size=1, max_size=2).map(sorted).map(tuple)
tables = st.lists(st.tuples(st.sampled_from(KINDS), paths, http_methods), min_size=1, max_size=6)
requests = st.lists(
    st.tuples(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4), st.sampled_from(HOSTS)), min_size=1, max_size=4
)


def told(kind, path, request):
    """Which route answered, in what place, with what parameters."""
    parameters = {name: str(value) for name, value in request.path_params.items()}
    return {"kind": kind, "path": path, "root": request.scope.get("root_path", ""), "parameters": parameters}


@cache
def router_of(make, kind, path, methods):
    router = make(tags=["things"])

    async def answer(request: Request) -> JSONResponse:
        return JSONResponse(told(kind, path, request), headers={"Kind": kind})

    async def converse(websocket: WebSocket):
        await websocket.accept(subprotocol=f"{kind} {path}")

    if "websocket" in kind:
        router.add_api_websocket_route(path, converse)
    else:
        router.add_api_route(path, answer, methods=list(methods))
    return router


@cache
def nested(path, methods):
    outer = APIRouter()
    outer.include_router(router_of(APIRouter, "nested", path, methods), prefix="/items")
    return outer


@cache
def route_object(kind, path, methods, folder):
    async def answer(request: Request):
        return JSONResponse(told(kind, path, request), headers={"Kind": kind})

    async def converse(websocket: WebSocket):
        await websocket.accept(subprotocol=path)

    async def any_method(scope, receive, send):
        answering = answer(Request(scope)) if scope["type"] == "http" else None
        await (await answering)(scope, receive, send) if answering else await converse(WebSocket(scope, receive, send))

    match kind:
        case "starlette":
            return Route(path, answer, methods=list(methods))
        case "websocket":
            return WebSocketRoute(path, converse)
        case "mount":
            return Mount(path, any_method)
        case "static":
            return Mount(path, StaticFiles(directory=folder, html=True))
        case _:
            return Host("api.example", any_method)


def two_apps(table, folder, *, redirect_slashes):
    """Plain FastAPI as its manual has it, and ours."""
    plain, ours = FastAPI(redirect_slashes=redirect_slashes), FastAPI(redirect_slashes=redirect_slashes)
    for kind, path, methods in table:
        if kind in {"api", "api websocket"}:
            router = router_of(Router, kind, path, methods)
            plain.include_router(router)
            register(ours, router)
            continue
        for app in (plain, ours):
            match kind:
                case "included" | "included websocket":
                    app.include_router(router_of(APIRouter, kind, path, methods))
                case "nested":
                    app.include_router(nested(path, methods), prefix="/me")
                case "frontend":
                    app.frontend("/items" if "items" in path else "/", directory=folder)
                case _:
                    app.router.routes.append(route_object(kind, path, methods, folder))
    install(ours)
    return plain, ours


async def said_by(app, *, first, **scope):
    """The messages of the answer. A client would tidy the path before it sends it: `..`, for one."""
    sent = []

    async def receive():
        return {"type": first, "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await app({"asgi": {"spec_version": "2.4"}, "query_string": b"", **scope}, receive, send)
    return sent


async def ask(app, method, **scope):
    """Status, headers and content."""
    scope |= {"type": "http", "scheme": "http", "server": ("service.example", 80), "method": method}
    start, *parts = await said_by(app, first="http.request", **scope)
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, b"".join(part.get("body", b"") for part in parts)


async def connect(app, **scope):
    """What a WebSocket client is told first."""
    return await said_by(app, first="websocket.connect", type="websocket", subprotocols=[], **scope)


def without_allow(answer):
    status, headers, content = answer
    return status, headers | {"allow": ""}, content


def compare(table, expected, got):
    """What the index may do: HEAD wherever there is a GET, and a complete Allow."""
    kinds = {method: headers.get("kind") for method, (_, headers, _) in expected.items()}
    takes_get = kinds["GET"] in FASTAPIS
    for method in METHODS:
        theirs, mine = expected[method], got[method]
        if method == "HEAD" and takes_get and kinds["HEAD"] not in {*FASTAPIS, "starlette"}:
            # A mount between a GET and a HEAD of the same path takes HEAD, as it does in FastAPI.
            taken = mine[2] == theirs[2] and any("HEAD" in entry[2] for entry in table)
            assert taken or mine == (200, expected["GET"][1], b"")
        else:
            assert without_allow(mine) == without_allow(theirs)
        # Static files take every method of every path below them and refuse most; so do frontends, without an Allow.
        if mine[0] == 405 and "allow" in theirs[1] and not any(entry[0] == "static" for entry in table):
            certain = {method for method in METHODS if kinds[method]} | ({"HEAD"} if takes_get else set())
            assert set(mine[1]["allow"].split(", ")) >= {*theirs[1]["allow"].split(", "), *certain}


async def compare_all(table, asked, root_path, folder, *, redirect_slashes):
    apps = two_apps(table, folder, redirect_slashes=redirect_slashes)
    for texts, host in asked:
        path = root_path + "/" + "/".join(texts)
        scope = {"path": path, "root_path": root_path, "headers": [(b"host", host.encode())]}
        expected, got = [{method: await ask(app, method, **scope) for method in METHODS} for app in apps]
        if redirect_slashes:
            assert got == expected
        else:
            compare(table, expected, got)
        plain, ours = [await connect(app, **scope) for app in apps]
        assert ours == plain


@settings(max_examples=150, deadline=None)
@given(
    table=tables,
    asked=requests,
    root_path=st.sampled_from(["", "", "/shop"]),
    redirect_slashes=st.sampled_from([False, False, False, True]),
)
def test_every_request_is_answered_as_plain_fastapi_answers_it(table, asked, root_path, redirect_slashes, folder):
    asyncio.run(compare_all(table, asked, root_path, folder, redirect_slashes=redirect_slashes))
