"""An operation that does not say who may call it stops the boot, and so does one that says two things."""

from datetime import date
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.security import HTTPBearer

from core.dependencies import Caller, idempotent, requires
from core.errors import Conflict
from core.lifespan import StartupError
from core.routing import Router, RoutingError, check, deprecated, public, register
from core.testing import problem, running
from core.testing.open_router import OpenRouter
from core.tokens import Principal

SILENT = "does not say who may call it: ask for Caller, or a scope, or mark it @public"
TWICE = "is marked @public and asks for its caller: one of the two is a mistake"


async def answer() -> str:
    return ""


async def answer_caller(_: Caller) -> str:
    return ""


async def answer_writer(_: Annotated[Principal, Depends(requires("things:write"))]) -> str:
    return ""


@idempotent
async def answer_once() -> str:
    return ""


async def answer_bearer(_: Annotated[str, Depends(HTTPBearer())]) -> str:
    """A token that nobody verifies."""
    return ""


@public
async def answer_anybody() -> str:
    return ""


@public
async def answer_both(_: Caller) -> str:
    return ""


@public
@deprecated(since=date(2026, 1, 1))
async def answer_anybody_still() -> str:
    return ""


def problems(endpoint, **options) -> list[str]:
    app, router = FastAPI(), Router(tags=["t"], **options)
    router.add_api_route("/x", endpoint, methods=["GET"])
    register(app, router)
    return problems_of(app)


def problems_of(app: FastAPI) -> list[str]:
    try:
        check(app)
    except RoutingError as refused:
        return list(refused.problems)
    return []


@pytest.mark.parametrize("endpoint", [answer_caller, answer_writer, answer_once, answer_anybody, answer_anybody_still])
def test_who_may_call_is_said_by_what_is_asked_for_or_by_a_mark(endpoint):
    assert problems(endpoint) == []


def test_a_router_may_ask_for_all_of_its_operations():
    assert problems(answer, dependencies=[Depends(requires("things:read"))]) == []
    app, nested = FastAPI(), APIRouter()
    nested.add_api_route("/x", answer, methods=["GET"])
    app.include_router(nested, dependencies=[Depends(requires("things:read"))])
    assert problems_of(app) == []


@pytest.mark.parametrize("endpoint", [answer, answer_bearer])
def test_an_operation_that_does_not_say_it_is_refused(endpoint):
    assert problems(endpoint) == [f"GET /x {SILENT}"]


def test_an_operation_that_says_both_is_refused():
    assert problems(answer_both) == [f"GET /x {TWICE}"]


def test_a_websocket_is_no_exception():
    async def talk(websocket: WebSocket) -> None: ...

    app = FastAPI()
    app.add_api_websocket_route("/talk", talk)
    assert problems_of(app) == [f"WEBSOCKET /talk {SILENT}"]


async def test_the_application_does_not_start_and_names_each(app):
    router = Router(prefix="/v1/silent", tags=["silent"])
    for method in ("GET", "POST"):
        router.add_api_route("", answer, methods=[method], name=method)
    register(app, router)
    with pytest.raises(StartupError) as refused:
        async with running(app):
            pass
    assert f"GET /v1/silent {SILENT}\nPOST /v1/silent {SILENT}" in str(refused.value)


async def test_a_router_of_tests_marks_what_asks_for_no_caller(app):
    router = OpenRouter(prefix="/v1/open", tags=["open"])
    router.add_api_route("/anybody", answer)
    router.add_api_route("/caller", answer_caller)
    register(app, router)
    async with running(app) as client:
        assert (await client.get("/v1/open/anybody")).status_code == 200
        assert problem(await client.get("/v1/open/caller")) == (401, "unauthenticated")


async def refuse() -> str:
    raise Conflict


async def refuse_with_caller(_refused: Annotated[str, Depends(refuse)], _caller: Caller) -> str:
    return ""


async def answer_late(_refused: Annotated[str, Depends(refuse)], _caller: Caller) -> str:
    return ""


async def answer_later(_nested: Annotated[str, Depends(refuse_with_caller)]) -> str:
    return ""


async def test_nobody_learns_what_is_refused_to_callers_but_by_what_a_route_lists_first(app, signed_in):
    router = Router(prefix="/v1/late", tags=["late"])
    router.add_api_route("/caller", answer_late)
    router.add_api_route("/nested", answer_later)
    listed = [Depends(refuse), Depends(requires("things:read"))]
    router.add_api_route("/listed", answer_caller, dependencies=listed)
    register(app, router)
    async with running(app) as client:
        for path in ("caller", "nested"):
            assert problem(await client.get(f"/v1/late/{path}")) == (401, "unauthenticated")
            assert problem(await client.get(f"/v1/late/{path}", headers=signed_in())) == (409, "conflict")
        assert problem(await client.get("/v1/late/listed")) == (409, "conflict")
