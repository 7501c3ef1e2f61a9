"""Every rule of the route table has a table that breaks it and, where it matters, one that only seems to."""

import functools
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, WebSocket
from fastapi.responses import FileResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from fastapi.routing import iter_route_contexts
from fastapi.security import HTTPBearer
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import Host, Route

from core.routing import Router, RoutingError, check, function_scoped, public, register

HERE = __name__


def problems(*routers, app=None):
    app = app or FastAPI()
    for router in routers:
        register(app, router)
    for route in iter_route_contexts(app.routes):
        # Who may call it is not what these tables are about; test_access has that.
        _let_everybody_call(route.endpoint)
    try:
        check(app)
    except RoutingError as error:
        return list(error.problems)
    return []


def _let_everybody_call(endpoint):
    with suppress(AttributeError):
        public(endpoint)


def table(*routes):
    """A router of `("GET", "/path")` routes, with a handler of its own for each."""
    router = Router(tags=["t"])
    for number, (method, path) in enumerate(routes):

        async def answer() -> str:
            return ""

        answer.__name__ = f"answer_{number}"
        router.add_api_route(path, answer, methods=[method])
    return router


def endpoint(handler, path="/x", **options):
    router = Router(tags=["t"])
    router.add_api_route(path, handler, **options)
    return router


class Body(BaseModel):
    text: str


def test_a_sound_table_passes():
    assert problems(table(("GET", "/x/me"), ("GET", "/x/{id}"), ("PUT", "/x/{id}"), ("GET", "/x"))) == []


def test_every_problem_is_told_at_once_and_once():
    def blocking() -> str:
        return ""

    found = problems(endpoint(blocking), endpoint(blocking))
    assert found == ["GET /x is never reached: /x stands before it", f"{_where(blocking)} is not async: {_IN_A_THREAD}"]
    assert str(RoutingError(found)) == "\n".join(found)


def test_two_operations_may_not_have_one_id():
    async def read() -> str:
        return ""

    found = problems(endpoint(read, "/a"), endpoint(read, "/b"))
    assert found == ["GET /b and GET /a have the same operationId t_read"]


def test_one_route_with_two_methods_has_one_id_for_two_operations():
    async def read() -> str:
        return ""

    found = problems(endpoint(read, methods=["GET", "POST"]))
    assert found == ["POST /x and GET /x have the same operationId t_read"]


def test_an_operation_outside_the_document_needs_no_id_of_its_own():
    async def read() -> str:
        return ""

    assert problems(endpoint(read, "/a"), endpoint(read, "/b", include_in_schema=False)) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/x/{id}", "/x/me"),
        ("/x/{id}", "/x/{other}"),
        ("/x/{id}", "/x/{id:int}"),
        ("/x/{id:float}", "/x/{id:int}"),
        ("/x/{id:uuid}", "/x/{other:uuid}"),
        ("/x/{id}", "/x/{a}.{b}"),
        ("/x/{rest:path}", "/x/{id}/y"),
        ("/{rest:path}", "/x/{rest:path}"),
        ("/x", "/x"),
    ],
)
def test_a_route_may_not_stand_before_a_narrower_one(first, second):
    found = problems(table(("GET", first), ("GET", second)))
    assert found == [f"GET {second} is never reached: {first} stands before it"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/x/me", "/x/{id}"),
        ("/x/{id:int}", "/x/{id}"),
        ("/x/{id:int}", "/x/{id:float}"),
        ("/x/{id:uuid}", "/x/{id:int}"),
        ("/x/{a}.{b}", "/x/{id}"),
        ("/x/{id}", "/x/{rest:path}"),
        ("/x/{id}", "/x/{id}/y"),
        ("/x/{id}/{y}/{z}", "/x/{rest:path}"),
    ],
)
def test_a_narrower_route_may_stand_before_a_wider_one(first, second):
    assert problems(table(("GET", first), ("GET", second))) == []


def test_a_mount_hides_the_routes_behind_it():
    app = FastAPI()
    app.mount("/v1", FastAPI())
    found = problems(table(("GET", "/v1/x"), ("GET", "/v2/x")), app=app)
    assert found == ["GET /v1/x is never reached: /v1 stands before it"]


def test_a_host_hides_nothing():
    app = FastAPI()
    app.router.routes.append(Host("api.example", FastAPI()))
    assert problems(table(("GET", "/x")), app=app) == []


def test_a_starlette_route_is_hidden_as_well():
    app = FastAPI()
    register(app, table(("GET", "/{rest:path}")))
    app.router.routes.append(Route("/x", PlainTextResponse("")))  # no methods: it is not asked about
    app.router.routes.append(Route("/y", PlainTextResponse(""), methods=["GET"]))
    assert problems(app=app) == ["GET /y is never reached: /{rest:path} stands before it"]


def test_included_routers_are_entered():
    app, included = FastAPI(), APIRouter()

    @included.get("/{name}")
    async def read(name: str) -> str:
        return name

    @included.get("/me")
    async def me():
        return ""

    app.include_router(included, prefix="/x")
    assert problems(app=app) == [
        "GET /x/me is never reached: /x/{name} stands before it",
        "GET /x/me states no response model",
    ]


def test_websockets_hide_websockets_only():
    router = table(("GET", "/talk"))

    async def talk(websocket: WebSocket) -> None: ...

    router.add_api_websocket_route("/{room}", talk)
    router.add_api_websocket_route("/talk", talk)
    assert problems(router) == ["WEBSOCKET /talk is never reached: /{room} stands before it"]


def test_a_parameter_of_a_kind_that_we_do_not_know_is_not_judged():
    class Year(Convertor[int]):
        regex = "[0-9]{4}"

    register_url_convertor("year", Year())
    assert problems(table(("GET", "/x/{id}"), ("GET", "/x/{id:year}"))) == []


async def _nothing(): ...


async def _nothing_said() -> None: ...


async def _stream_of_nothing_said():
    yield "a"


@pytest.mark.parametrize("handler", [_nothing, _nothing_said, _stream_of_nothing_said])
def test_a_route_states_its_response_model(handler):
    assert problems(endpoint(handler)) == ["GET /x states no response model"]


async def _response() -> Response:
    return Response()


async def _one_of_two_responses() -> FileResponse | RedirectResponse:
    return RedirectResponse("/")


async def _items() -> AsyncIterator[Body]:
    yield Body(text="")


async def _bytes() -> AsyncIterator[bytes]:
    yield b""


async def _events() -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(data="")


@pytest.mark.parametrize(
    ("handler", "options"),
    [
        (_nothing_said, {"status_code": 204}),
        (_nothing, {"response_model": Body}),
        (_response, {}),
        (_one_of_two_responses, {"response_model": None}),
        (_items, {}),
        (_bytes, {"response_class": StreamingResponse}),
        (_events, {"response_class": EventSourceResponse}),
    ],
)
def test_what_has_nothing_to_serialise_needs_no_model(handler, options):
    assert problems(endpoint(handler, **options)) == []


_IN_A_THREAD = "it would run in a thread, at ten times the cost"


def blocking() -> str:
    return ""


def blocking_generator():
    yield ""


class Collaborator:
    """A class is called in a thread too."""


class Callable:
    def __call__(self) -> str:
        return ""


@pytest.mark.parametrize("provider", [blocking, blocking_generator, Collaborator, functools.partial(blocking)])
def test_a_dependency_is_async(provider):
    async def outer(inner: Annotated[Any, Depends(provider)]) -> str:
        return inner

    async def read(value: Annotated[str, Depends(outer)]) -> str:
        return value

    name = getattr(provider, "func", provider).__name__
    assert problems(endpoint(read)) == [f"{HERE}.{name} is not async: {_IN_A_THREAD}"]


def test_a_callable_object_is_async():
    async def read(value: Annotated[str, Depends(Callable())]) -> str:
        return value

    assert problems(endpoint(read)) == [f"{HERE}.Callable is not async: {_IN_A_THREAD}"]


def test_a_dependency_of_a_websocket_is_async():
    router = Router()

    async def talk(websocket: WebSocket, value: Annotated[str, Depends(blocking)]) -> None: ...

    router.add_api_websocket_route("/talk", talk)
    assert problems(router) == [f"{HERE}.blocking is not async: {_IN_A_THREAD}"]


def test_async_comes_in_many_forms():
    async def plain() -> str:
        return ""

    async def generator() -> AsyncIterator[str]:
        yield ""

    @functools.wraps(plain)
    def wrapped():
        return plain()

    providers = [plain, generator, wrapped, functools.partial(plain), HTTPBearer()]

    async def read() -> str:
        return ""

    assert problems(endpoint(read, dependencies=[Depends(provider) for provider in providers])) == []


@function_scoped
async def session() -> AsyncIterator[str]:
    yield ""


def test_a_function_scoped_provider_is_used_so_wherever_it_is_needed():
    async def repository(held: Annotated[str, Depends(session)]) -> str:
        return held

    async def read(rows: Annotated[str, Depends(repository)]) -> str:
        return rows

    assert problems(endpoint(read)) == [f'{HERE}.session is used without scope="function"']


def test_the_scope_is_also_asked_of_the_dependencies_of_a_route():
    async def read() -> str:
        return ""

    assert problems(endpoint(read, dependencies=[Depends(session, scope="function")])) == []
    assert problems(endpoint(read, dependencies=[Depends(session)])) == [
        f'{HERE}.session is used without scope="function"'
    ]


@functools.wraps(session)
async def wrapped_session() -> AsyncIterator[str]:
    async for value in session():
        yield value


@pytest.mark.parametrize("provider", [wrapped_session, functools.partial(session)])
def test_a_function_scoped_provider_keeps_its_mark_when_it_is_wrapped(provider):
    async def read(held: Annotated[str, Depends(provider)]) -> str:
        return held

    assert problems(endpoint(read)) == [f'{HERE}.session is used without scope="function"']


async def principal() -> str:
    return "usr"


async def _principal_or_none(caller: Annotated[str, Depends(principal)] | None = None) -> str:
    return caller or ""


async def _principal_without_depends(caller: Annotated[str, principal]) -> str:
    return caller


async def _body_or_none(caller: Annotated[Body, Depends(principal)] | None = None) -> str:
    return ""


@pytest.mark.parametrize("handler", [_principal_or_none, _principal_without_depends, _body_or_none])
def test_a_dependency_that_became_a_parameter_stops_the_boot(handler):
    assert problems(endpoint(handler)) == [
        f"{HERE}.{handler.__name__}, parameter caller: its dependency is not used, so the caller would fill it in"
    ]


@pytest.mark.parametrize("annotation", ["Local", "Local | None"])
def test_an_alias_that_cannot_be_looked_up_stops_the_boot(annotation):
    Local = Annotated[str, Depends(principal)]  # noqa: N806, F841 - an alias, in the place where FastAPI cannot see it

    async def read(caller: annotation) -> str:
        return caller

    read.__annotations__["caller"] = annotation
    assert problems(endpoint(read)) == [
        f"{_where(read)}, parameter caller: its annotation was never resolved, so the caller would fill it in"
    ]


@dataclass(frozen=True)
class Caller:
    subject: str


@pytest.mark.parametrize("annotation", [Caller, Caller | None, list[Caller]])
def test_a_dataclass_is_not_read_from_the_body(annotation):
    async def read(caller: annotation) -> str:
        return ""

    assert problems(endpoint(read, methods=["POST"])) == [
        f"{_where(read)}, parameter caller: a dataclass would be read from the body"
    ]


def test_what_a_request_may_say_is_no_accident():
    class Filters(BaseModel):
        limit: int = 20

    async def read(
        request: Request,
        item_id: int,
        body: Body,
        filters: Annotated[Filters, Query()],
        trace: Annotated[str | None, Header()] = None,
    ) -> str:
        return ""

    assert problems(endpoint(read, "/x/{item_id}", methods=["POST"])) == []


def _where(handler):
    return f"{handler.__module__}.{handler.__qualname__}"
