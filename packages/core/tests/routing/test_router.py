"""Routes that are built once and shared: by apps, each with its own overrides, with the document FastAPI would make."""

from enum import Enum
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.exceptions import FastAPIError
from fastapi.routing import APIRoute
from pydantic import BaseModel

from core.routing import Router, install, register, serving
from core.routing.router import operation_id


class Serving(FastAPI):
    """An app that says so while it serves, as core's does."""

    async def __call__(self, scope, receive, send):
        token = serving.set(self)
        try:
            await super().__call__(scope, receive, send)
        finally:
            serving.reset(token)


class Thing(BaseModel):
    name: str


async def source() -> str:
    return "real"


async def guard() -> None: ...


def things(make, **options):
    router = make(
        prefix="/v1/things",
        tags=["things"],
        dependencies=[Depends(guard)],
        responses={404: {"description": "There is no such thing."}},
        **options,
    )

    @router.get("/{thing_id}")
    async def read(thing_id: int, origin: Annotated[str, Depends(source)]) -> dict[str, int | str]:
        return {"id": thing_id, "origin": origin}

    @router.put("/{thing_id}", status_code=202, tags=["changes"])
    async def replace(thing_id: int, thing: Thing) -> Thing:
        return thing

    @router.websocket("/talk")
    async def talk(websocket: WebSocket) -> None: ...

    return router


def served(*routers):
    app = Serving(redirect_slashes=False)
    for router in routers:
        register(app, router)
    install(app)
    return app


async def test_apps_share_the_route_objects_and_not_the_overrides(ask):
    router = things(Router)
    first, second = served(router), served(router)

    async def replacement() -> str:
        return "replaced"

    first.dependency_overrides[source] = replacement
    assert first.routes[-1] is second.routes[-1]
    assert (await ask(first, "GET", "/v1/things/1")).json() == {"id": 1, "origin": "replaced"}
    assert (await ask(second, "GET", "/v1/things/1")).json() == {"id": 1, "origin": "real"}


async def test_a_mounted_app_keeps_its_overrides(ask):
    async def replacement() -> str:
        return "replaced"

    async def hosts() -> str:
        return "the host's"

    router = things(Router)
    host, mounted = served(router), served(router)
    host.dependency_overrides[source] = hosts
    mounted.dependency_overrides[source] = replacement
    host.mount("/below", mounted)
    assert (await ask(host, "GET", "/below/v1/things/1")).json()["origin"] == "replaced"
    assert (await ask(host, "GET", "/v1/things/1")).json()["origin"] == "the host's"


async def test_without_a_serving_app_nothing_is_overridden(ask):
    app = FastAPI()
    register(app, things(Router))
    app.dependency_overrides[source] = guard
    assert (await ask(app, "GET", "/v1/things/1")).json()["origin"] == "real"


async def test_a_dependency_of_the_router_guards_its_routes(ask):
    app = served(things(Router))

    async def missing(token: str) -> None: ...

    app.dependency_overrides[guard] = missing
    assert (await ask(app, "GET", "/v1/things/1")).status_code == 422


def test_the_document_is_the_one_of_include_router():
    theirs = FastAPI()
    theirs.include_router(things(APIRouter, generate_unique_id_function=operation_id))
    assert served(things(Router)).openapi() == theirs.openapi()


def test_a_router_that_joins_late_is_documented():
    app = served()
    assert app.openapi()["paths"] == {}
    register(app, things(Router))
    assert list(app.openapi()["paths"]) == ["/v1/things/{thing_id}"]


def test_an_operation_is_built_when_its_routes_are_asked_for_and_then_once():
    built = []

    class Counted(APIRoute):
        def __init__(self, path, *arguments, **options):
            built.append(path)
            super().__init__(path, *arguments, **options)

    async def read() -> str:
        return ""

    router = Router(prefix="/v1", route_class=Counted)
    router.add_api_route("/things", read)
    router.add_api_route("/more", read)
    assert built == []
    first, second = served(router), served(router)
    assert built == ["/v1/things", "/v1/more"]
    assert first.routes[-2:] == second.routes[-2:] == router.routes


def test_routes_stand_in_the_order_of_their_declaration():
    router = things(Router)

    @router.delete("/{thing_id}")
    async def remove(thing_id: int) -> None: ...

    names = ["read", "replace", "talk", "remove"]
    assert [getattr(route, "name", None) for route in router.routes] == names
    assert [getattr(route, "name", None) for route in router.routes] == names


def test_an_operation_that_cannot_be_built_fails_for_every_app():
    class NoSchema: ...

    async def read() -> NoSchema:
        return NoSchema()

    router = Router()
    router.add_api_route("/things", read)
    for _ in range(2):
        with pytest.raises(FastAPIError, match="NoSchema"):
            served(router)


class Tag(Enum):
    THINGS = "things"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [(["things"], "things_read"), (["things", "public"], "things_read"), ([Tag.THINGS], "things_read"), ([], "read")],
)
def test_an_operation_is_named_by_its_first_tag_and_its_handler(tags, expected):
    router = Router(tags=tags)

    @router.get("/things")
    async def read() -> str:
        return ""

    assert [getattr(route, "unique_id", None) for route in router.routes] == [expected]


def test_two_versions_stand_beside_each_other():
    first, second = Router(prefix="/v1/things", tags=["things"]), Router(prefix="/v2/things", tags=["things_v2"])

    async def read() -> str:
        return ""

    for router in (first, second):
        router.add_api_route("", read)
    document = served(first, second).openapi()
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert ids == ["things_read", "things_v2_read"]


def test_a_router_may_stay_out_of_the_document():
    router = Router(prefix="/livez", include_in_schema=False)
    router.add_api_route("", guard)
    assert served(router).openapi()["paths"] == {}
