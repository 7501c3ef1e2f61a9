"""The index against plain FastAPI, on random tables of every kind of route: it narrows, and decides nothing."""

import asyncio
from functools import cache
from urllib.parse import quote

import httpx
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import Host, Mount, Route, WebSocketRoute

from core.routing import Router, install, register

METHODS = ["GET", "HEAD", "POST", "PUT", "OPTIONS"]
SEGMENTS = ["items", "me", "{}", "{:int}", "{:float}", "{:uuid}", "{}.{}", "x{}", "{:path}", "x{:path}", ""]
TEXTS = ["items", "me", "7", "7.5", "a.b", "xa", "8c9d0f3e-1a2b-4c3d-8e4f-5a6b7c8d9e0f", "\n", "a\n", ""]
HOSTS = ["service.example", "api.example"]


def template(segments):
    """`/items/{}` with its parameters named: a name may stand in a path once."""
    count = iter(range(10))
    pieces = ("/" + "/".join(segments)).replace("{", "{{").split("{{")
    return pieces[0] + "".join(f"{{p{next(count)}{piece}" for piece in pieces[1:])


paths = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3).map(template)
http_methods = st.sets(st.sampled_from(["GET", "POST", "PUT", "HEAD"]), min_size=1, max_size=2).map(sorted).map(tuple)
kinds = st.sampled_from(["api", "api", "api", "included", "starlette", "mount", "host", "websocket"])
tables = st.lists(st.tuples(kinds, paths, http_methods), min_size=1, max_size=6)
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

    router.add_api_route(path, answer, methods=list(methods))
    return router


@cache
def route_object(kind, path, methods):
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
        case _:
            return Host("api.example", any_method)


def two_apps(table):
    """Plain FastAPI as its manual has it, and ours."""
    plain, ours = FastAPI(redirect_slashes=False), FastAPI(redirect_slashes=False)
    for kind, path, methods in table:
        if kind == "api":
            router = router_of(Router, kind, path, methods)
            plain.include_router(router)
            register(ours, router)
        elif kind == "included":
            plain.include_router(router_of(APIRouter, kind, path, methods))
            ours.include_router(router_of(APIRouter, kind, path, methods))
        else:
            route = route_object(kind, path, methods)
            plain.router.routes.append(route)
            ours.router.routes.append(route)
    install(ours)
    return plain, ours


async def connect(app, path, host):
    """What a WebSocket client is told first."""
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    headers = [(b"host", host.encode())]
    scope = {"type": "websocket", "path": path, "headers": headers, "query_string": b"", "subprotocols": []}
    await app(scope, receive, send)
    return sent


async def compare(table, asked, root_path):
    plain, ours = two_apps(table)
    transports = [httpx.ASGITransport(app, root_path=root_path) for app in (plain, ours)]
    clients = [httpx.AsyncClient(transport=transport) for transport in transports]
    for texts, host in asked:
        path = root_path + "/" + "/".join(texts)
        expected, got = [
            {method: await client.request(method, f"http://{host}{quote(path)}") for method in METHODS}
            for client in clients
        ]
        takes_get = expected["GET"].headers.get("kind") in {"api", "included"}
        allowed = {method for method in METHODS if "kind" in expected[method].headers}
        for method in METHODS:
            theirs, mine = expected[method], got[method]
            if method == "HEAD" and takes_get and theirs.headers.get("kind") not in {"api", "included", "starlette"}:
                as_get = (mine.status_code, mine.content, mine.headers) == (200, b"", expected["GET"].headers)
                # A mount between a GET and a HEAD of the same path takes HEAD, as it does in FastAPI.
                assert as_get or (mine.content == theirs.content and any("HEAD" in entry[2] for entry in table))
            else:
                assert (mine.status_code, mine.content) == (theirs.status_code, theirs.content)
            if mine.status_code == 405:
                named = set(mine.headers["allow"].split(", "))
                assert named >= {*theirs.headers["allow"].split(", "), *allowed, *(["HEAD"] if takes_get else [])}
        assert await connect(ours, path, host) == await connect(plain, path, host)


@settings(max_examples=120, deadline=None)
@given(table=tables, asked=requests, root_path=st.sampled_from(["", "", "/shop"]))
def test_every_request_is_answered_as_plain_fastapi_answers_it(table, asked, root_path):
    asyncio.run(compare(table, asked, root_path))
