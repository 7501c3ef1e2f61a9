"""What a client sees of the index: HEAD, Allow, mounts; and what it does when something stands in its way."""

import asyncio
import mimetypes
import socket
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.routing import APIRoute
from starlette.endpoints import HTTPEndpoint
from starlette.routing import Match, Route

from core.routing import Router, install, installed, register
from core.routing.index import RouteIndex


def indexed(**options) -> FastAPI:
    app = FastAPI(redirect_slashes=False, **options)
    install(app)
    return app


def index_of(app) -> RouteIndex:
    assert isinstance(app.router.middleware_stack, RouteIndex)
    return app.router.middleware_stack


@pytest.fixture
def app():
    app = indexed()

    @app.get("/items/{item_id}")
    async def read(item_id: int, request: Request) -> dict[str, object]:
        return {"id": item_id, "method": request.method}

    @app.put("/items/{item_id}")
    async def replace(item_id: int) -> dict[str, int]:
        return {"id": item_id}

    @app.delete("/items/{slug}")
    async def remove(slug: str) -> dict[str, str]:
        return {"slug": slug}

    @app.post("/items")
    async def create() -> dict[str, bool]:
        return {"created": True}

    return app


async def test_head_has_the_status_and_the_fields_of_get_without_its_content(app, ask):
    get, head = await ask(app, "GET", "/items/1"), await ask(app, "HEAD", "/items/1")
    assert (head.status_code, head.headers) == (200, get.headers)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(get.content)))


async def test_head_is_refused_where_there_is_no_get(app, ask):
    response = await ask(app, "HEAD", "/items")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_head_fails_as_get_does(app, ask):
    response = await ask(app, "HEAD", "/items/none")
    assert (response.status_code, response.content) == (422, b"")


async def test_head_goes_where_get_goes_though_a_mount_would_take_it(app, ask):
    mounted = indexed()
    app.mount("/items", mounted)
    assert (await ask(app, "HEAD", "/items/1")).headers["content-length"] == "23"
    assert (await ask(app, "HEAD", "/items/1/2")).status_code == 404


async def test_a_mount_that_comes_first_takes_head_and_get(ask):
    app = indexed()
    app.mount("/items", indexed())

    @app.get("/items/{item_id}")
    async def read(item_id: int) -> int:
        return item_id

    assert [(await ask(app, method, "/items/1")).status_code for method in ("GET", "HEAD")] == [404, 404]


async def test_a_route_of_its_own_answers_head(app, ask):
    @app.head("/items")
    async def count() -> PlainTextResponse:
        return PlainTextResponse("", headers={"X-Count": "7"})

    assert (await ask(app, "HEAD", "/items")).headers["x-count"] == "7"


async def test_head_of_a_stream_and_of_a_file_has_no_content(app, tmp_path):
    (tmp_path / "page.txt").write_text("0123456789")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks():
            yield "one"
            yield "two"

        return StreamingResponse(chunks())

    @app.get("/file")
    async def file() -> FileResponse:
        return FileResponse(tmp_path / "page.txt", media_type="text/plain")

    for path in ("/stream", "/file", "/items/1"):
        _, *rest = await sent_by(app, "HEAD", path)
        assert b"".join(message["body"] for message in rest) == b""
        assert not rest[-1].get("more_body")


async def test_head_keeps_the_server_from_sending_the_file_itself_and_lets_other_messages_pass(app, tmp_path):
    (tmp_path / "page.txt").write_text("0123456789")

    class Hinting(FileResponse):
        async def __call__(self, scope, receive, send):
            await send({"type": "http.response.early_hint", "links": [b"</style.css>"]})
            await super().__call__(scope, receive, send)

    @app.get("/file")
    async def file() -> Hinting:
        return Hinting(tmp_path / "page.txt", media_type="text/plain")

    sent = await sent_by(app, "HEAD", "/file", extensions={"http.response.pathsend": {}})
    assert [message["type"].removeprefix("http.response.") for message in sent] == ["early_hint", "start", "body"]


async def test_the_layers_outside_see_the_route_of_a_head_as_its_answer_leaves(app, ask):
    seen = []

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError

    async def outside(scope, receive, send):
        async def watch(message):
            seen.append((message["type"], scope["method"], scope["route"].path))
            await send(message)

        await app(scope, receive, watch)

    await ask(outside, "HEAD", "/items/1")
    await ask(outside, "HEAD", "/broken")
    assert seen == [
        ("http.response.start", "HEAD", "/items/{item_id}"),
        ("http.response.body", "HEAD", "/items/{item_id}"),
        ("http.response.start", "HEAD", "/broken"),
        ("http.response.body", "HEAD", "/broken"),
    ]


async def test_a_server_accepts_the_answer_to_head(app):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            head, get = await client.head("/items/1"), await client.get("/items/1")
        server.should_exit = True
        await serving
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(get.content)))


@pytest.mark.parametrize("method", ["PATCH", "OPTIONS", "TRACE", "BREW"])
async def test_405_names_every_method_of_the_path(app, ask, method):
    response = await ask(app, method, "/items/1")
    assert (response.status_code, response.headers["allow"]) == (405, "DELETE, GET, HEAD, PUT")


async def test_405_names_the_methods_of_this_path_and_not_of_its_neighbours(app, ask):
    @app.patch("/items/{number:int}")
    async def amend(number: int) -> None: ...

    assert (await ask(app, "BREW", "/items/1")).headers["allow"] == "DELETE, GET, HEAD, PATCH, PUT"
    assert (await ask(app, "BREW", "/items/a")).headers["allow"] == "DELETE, GET, HEAD, PUT"
    # PATCH is a method of paths like this one, and not of this one.
    assert (await ask(app, "PATCH", "/items/a")).headers["allow"] == "DELETE, GET, HEAD, PUT"


async def test_405_is_answered_by_the_handler_of_the_app(app, ask):
    @app.exception_handler(405)
    async def refuse(request, refused):
        return JSONResponse({"route": request.scope["route"].path}, 405, refused.headers)

    response = await ask(app, "POST", "/items/1")
    assert response.json() == {"route": "/items/{item_id}"}
    assert response.headers["allow"] == "DELETE, GET, HEAD, PUT"


async def test_a_405_of_the_endpoint_stays_its_own(app, ask):
    @app.get("/closed")
    async def closed() -> None:
        raise HTTPException(405, headers={"Allow": "POST"})

    assert (await ask(app, "GET", "/closed")).headers["allow"] == "POST"


async def test_included_routers_have_head_and_a_whole_allow_too(ask):
    app, router = indexed(), APIRouter()

    @router.get("/x")
    async def read() -> str:
        return "x"

    @router.put("/x")
    async def replace() -> str:
        return "x"

    app.include_router(router, prefix="/v1")
    assert (await ask(app, "HEAD", "/v1/x")).headers["content-length"] == "3"
    assert (await ask(app, "POST", "/v1/x")).headers["allow"] == "GET, HEAD, PUT"


async def test_an_unknown_path_is_fastapis_own_404(app, ask):
    response = await ask(app, "GET", "/nowhere")
    assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})


async def test_a_mounted_app_is_searched_below_its_mount(app, ask):
    host = indexed()
    host.mount("/shop/{tenant}", app)
    assert (await ask(host, "GET", "/shop/a/items/1")).json() == {"id": 1, "method": "GET"}
    assert (await ask(host, "HEAD", "/shop/a/items/1")).headers["content-length"] == "23"
    assert (await ask(host, "POST", "/shop/a/items/1")).headers["allow"] == "DELETE, GET, HEAD, PUT"
    assert (await ask(host, "GET", "/shop/a/nowhere")).status_code == 404
    assert (await ask(host, "GET", "/shop")).status_code == 404


@pytest.mark.parametrize(
    ("path", "root_path", "status"),
    [
        ("/api/items/1", "/api", 200),
        ("/items/1", "/api", 200),
        ("/apis/items/1", "/api", 404),
        ("/items/1", "/items", 404),
        ("/items/1", "/it", 200),
        ("/api", "/api", 404),
    ],
)
async def test_the_root_path_is_taken_off_as_a_whole_segment(app, path, root_path, status):
    transport = httpx.ASGITransport(app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="http://service.example") as client:
        assert (await client.get(path)).status_code == status


async def test_a_route_that_joins_or_leaves_late_is_seen(app, ask):
    @app.get("/late")
    async def late() -> str:
        return "late"

    assert (await ask(app, "GET", "/late")).status_code == 200
    app.router.routes[-1] = Route("/later", lambda request: PlainTextResponse("later"))
    assert (await ask(app, "GET", "/late")).status_code == 404
    assert (await ask(app, "GET", "/later")).status_code == 200


async def test_an_endpoint_class_takes_its_own_methods(app, ask):
    class Ping(HTTPEndpoint):
        async def get(self, request):
            return PlainTextResponse("pong")

    app.router.routes.append(Route("/ping", Ping))
    assert (await ask(app, "GET", "/ping")).text == "pong"
    assert (await ask(app, "POST", "/ping")).headers["allow"] == "GET, HEAD"


async def test_a_route_that_matches_in_its_own_way_is_asked_about_every_path(app, ask):
    class AnyCase(Route):
        def matches(self, scope):
            return super().matches(scope | {"path": scope["path"].lower()})

    class Nothing(Route):
        """Knows the path, and does not say by which methods."""

        def matches(self, scope):
            return (Match.PARTIAL, {}) if scope["path"] == "/nothing" else (Match.NONE, {})

    app.router.routes.append(AnyCase("/shout", lambda request: PlainTextResponse("heard")))
    app.router.routes.append(Nothing("/nothing", PlainTextResponse("nothing")))
    assert (await ask(app, "GET", "/SHOUT")).text == "heard"
    assert (await ask(app, "GET", "/nothing")).text == "nothing"


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/files/{name}.{suffix}", "/files/a.txt"),
        ("/files/{rest:path}", "/files/a/b/c"),
        ("/files/v{number:int}/{name}", "/files/v1/a"),
        ("/files/v{rest:path}", "/files/v1/a/b"),
        ("/files/plain", "/files/plain%0A"),  # the `$` of its expression matches before the newline
    ],
)
async def test_what_the_index_cannot_read_is_left_to_fastapi(app, ask, template, path):
    @app.get(template)
    async def read(request: Request) -> str:
        return "found"

    assert (await ask(app, "GET", path)).status_code == 200
    assert (await ask(app, "PUT", path)).headers["allow"] == "GET, HEAD"


async def test_the_last_of_many_routes_is_one_of_few_candidates():
    app = indexed(openapi_url=None)
    for number in range(100):
        app.router.add_route(f"/v1/things-{number}/{{id}}", lambda request: PlainTextResponse(""))
    index = index_of(app)
    assert index.find("/v1/things-99/7").routes == [app.routes[99]]
    assert index.find("/v1/things-100/7").routes == []


@pytest.mark.parametrize(
    ("method", "path", "matched"),
    [
        ("GET", "/v1/domain-0/things/a/parts/0", ["/v1/domain-0/things/{thing}/parts/0"]),
        ("GET", "/v1/domain-49/things/a/parts/9", ["/v1/domain-49/things/{thing}/parts/9"]),
        # Once for the Allow, once by FastAPI.
        ("PUT", "/v1/domain-49/things/a/parts/9", ["/v1/domain-49/things/{thing}/parts/9"] * 2),
        ("GET", "/v1/domain-49/things/a/parts/10", []),
    ],
)
async def test_of_500_routes_in_50_routers_a_request_is_matched_against_its_own_alone(ask, method, path, matched):
    app, asked = FastAPI(redirect_slashes=False, openapi_url=None), []

    async def read(thing: str) -> str:
        return thing

    for domain in range(50):
        router = Router(prefix=f"/v1/domain-{domain}", tags=["things"])
        for number in range(10):
            router.add_api_route(f"/things/{{thing}}/parts/{number}", read)
        register(app, router)
    for route in app.routes:
        assert isinstance(route, APIRoute)
        vars(route)["path_regex"] = Listening(route, asked)
    install(app)
    asked.clear()
    await ask(app, method, path)
    assert asked == matched


class Listening:
    """The expression of a route, which notes whenever a path is held against it."""

    def __init__(self, route, asked):
        self.route, self.expression, self.asked = route, route.path_regex, asked

    def match(self, path):
        self.asked.append(self.route.path)
        return self.expression.match(path)


async def test_the_paths_of_a_route_share_one_entry(app, ask):
    index = index_of(app)
    assert index.find("/items/1") is index.find("/items/2")


def test_an_app_says_whether_it_is_indexed(app):
    assert installed(app)
    assert not installed(FastAPI())


async def test_installing_twice_is_installing_once(app):
    index = index_of(app)
    install(app)
    assert index_of(app) is index


def test_a_router_that_has_no_place_for_an_index_goes_without():
    app = FastAPI()
    del app.router.middleware_stack
    install(app)
    assert not installed(app)


async def test_what_stands_before_the_router_is_left_there(ask):
    app = indexed(max_body_size=1)
    assert not installed(app)

    @app.post("/x")
    async def read(body: dict[str, int]) -> None: ...

    assert (await ask(app, "POST", "/x", json={"a": 1})).status_code == 413


async def test_an_app_that_redirects_slashes_is_searched_by_fastapi(ask):
    app = FastAPI()
    install(app)

    @app.get("/x/")
    async def read() -> str:
        return "x"

    assert (await ask(app, "GET", "/x")).status_code == 307


async def test_the_lifespan_passes():
    seen = []
    app = indexed(lifespan=_noting(seen))
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive():
        return next(messages)

    async def send(message):
        seen.append(message["type"])

    await app({"type": "lifespan", "state": {}}, receive, send)
    assert seen == ["open", "lifespan.startup.complete", "closed", "lifespan.shutdown.complete"]


async def test_urls_are_built_from_the_whole_table(app, ask):
    @app.get("/where")
    async def where(request: Request) -> str:
        return str(request.url_for("read", item_id="5"))

    assert (await ask(app, "GET", "/where")).json() == "http://service.example/items/5"


async def test_a_frontend_answers_what_no_route_knows(app, ask, tmp_path):
    mimetypes.init()  # reads a file, once a process
    (tmp_path / "index.html").write_text("<p>hello")
    app.frontend("/", directory=tmp_path)
    assert (await ask(app, "GET", "/")).text == "<p>hello"
    assert (await ask(app, "GET", "/items/1")).json()["id"] == 1


def _noting(seen):
    @asynccontextmanager
    async def lifespan(app):
        seen.append("open")
        yield
        seen.append("closed")

    return lifespan


async def sent_by(app, method, path, **more):
    """The messages of the answer as a server gets them; a client would drop the content of a HEAD itself."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    # By version 2.4 of the specification a stream learns of a disconnect by sending, and waits for no message.
    scope = {"type": "http", "asgi": {"spec_version": "2.4"}, "method": method, "path": path, "query_string": b""}
    await app(scope | {"headers": [], **more}, receive, send)
    return sent
