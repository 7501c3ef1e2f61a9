"""A service in another process's house: its own rules, its own state, its own name."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
from bare import Wire, bare
from fastapi import Depends, Request
from pydantic import BaseModel

from core.application import chassis
from core.dependencies.resources import STATE
from core.lifespan import StartupError, started
from core.mount import Dispatch, Mounts, ServiceMount
from core.ports import Ports
from core.settings import ChassisSettings
from core.testing import SERVICE_URL, Host, MovableClock, problem, running
from core.testing.open_router import OpenRouter
from core.web.probes import Readiness


class Seen(BaseModel):
    """What a handler saw."""

    path: str
    root_path: str
    found: str | None
    keys: list[str]
    answer: str


async def _answer() -> str:
    return "real"


router = OpenRouter(prefix="/v1/seen", tags=["seen"])


@router.get("")
@router.get("/{rest:path}", include_in_schema=False)
async def seen(request: Request, answer: Annotated[str, Depends(_answer)], rest: str = "") -> Seen:
    found = getattr(request.state, "left_behind", None)
    request.state.left_behind = "by another request"
    keys = [key for key in request.scope["state"] if key != "left_behind"]
    path, root_path = request.scope["path"], request.scope["root_path"]
    return Seen(path=path, root_path=root_path, found=found, keys=sorted(keys), answer=answer)


def app_with(
    name: str,
    log: list[str] | None = None,
    *,
    failure: Exception | None = None,
    stops: Exception | None = None,
    state: Any = (),
):
    """A service that notes when it starts and stops, and may fail at either."""
    said = log if log is not None else []

    @asynccontextmanager
    async def lifespan(_readiness: Readiness) -> AsyncIterator[Mapping[str, Any]]:
        said.append(f"{name} starts")
        if failure:
            raise failure
        yield dict(state)
        said.append(f"{name} stops")
        if stops:
            raise stops

    settings = ChassisSettings(environment="local", public_url=f"{SERVICE_URL}/{name}")
    return chassis(name, settings, routers=[router], lifespan=lifespan)


class TheHost:
    """What answers where no service does."""

    def __init__(self, mounts: Mounts) -> None:
        self.asked: list[str] = []
        self._mounts = mounts

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            async with self._mounts.lifespan():
                scope["state"]["of_the_host"] = True
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body"})


@pytest.fixture
async def house():
    """Two services and a host; the client, and the host."""
    users, billing = (ServiceMount(name, app_with(name, state={name: True})) for name in ("users", "billing"))
    mounts = Mounts([users, billing])
    host = TheHost(mounts)
    async with running(Dispatch(host, mounts)) as client:
        yield client, host


async def test_a_path_goes_to_the_service_whose_name_is_its_first_segment(house):
    client, host = house
    for name in ("users", "billing"):
        told = (await client.get(f"/{name}/v1/seen")).json()
        assert (told["root_path"], told["path"]) == (f"/{name}", f"/{name}/v1/seen")
    assert (await client.get("/%75sers/v1/seen")).status_code == 200
    assert host.asked == []


@pytest.mark.parametrize("path", ["/", "/nobody/v1/seen", "/usersx/v1/seen", "/user", "/v1/users", "//users/v1/seen"])
async def test_any_other_path_goes_to_the_host(house, path):
    client, host = house
    assert (await client.get(f"{SERVICE_URL}{path}")).status_code == 299
    assert host.asked == [path]


async def test_a_path_that_is_none_goes_to_the_host():
    mounts = Mounts([ServiceMount("users", app_with("users"))])
    assert [mounts.find(path) for path in ("", "*", "users")] == [None] * 3


@pytest.mark.parametrize("path", ["/users", "/users/", "/users/nothing", "/users//v1/seen"])
async def test_what_a_service_does_not_know_is_refused_by_the_service(house, path, logs):
    client, host = house
    response = await client.get(path)
    assert problem(response) == (404, "not_found")
    assert response.json()["type"] == f"{SERVICE_URL}/users/problems/not_found"
    assert host.asked == []
    assert [(line["service.name"], line["route"]) for line in logs if line["event"] == "request"] == [
        ("users", "unmatched")
    ]


async def test_a_request_sees_its_services_state_in_a_copy_of_its_own(house):
    client, _ = house
    for name in ("users", "billing"):
        for _ in range(2):
            told = (await client.get(f"/{name}/v1/seen")).json()
            assert (told["found"], told["keys"]) == (None, sorted([name, "chassis.readiness"]))


async def test_below_a_path_of_the_servers_the_mount_comes_after_it():
    mount = ServiceMount("users", app_with("users"))
    async with mount.lifespan():
        wire = Wire(mount, "GET", "/api/users/v1/seen", root_path="/api")
        await wire.start()
    told = Seen.model_validate_json(wire.body)
    assert (told.root_path, told.path) == ("/api/users", "/api/users/v1/seen")


async def test_a_template_is_whole(house, logs):
    client, _ = house
    await client.get("/users/v1/seen/a/b")
    assert [line["route"] for line in logs if line["event"] == "request"] == ["/users/v1/seen/{rest:path}"]


async def test_other_protocols_reach_the_service_too():
    mounts = Mounts([ServiceMount("users", app_with("users"))])
    wire = Wire(Dispatch(TheHost(mounts), mounts), "GET", "/users/v1/seen", type="websocket")
    wire.arriving.put_nowait({"type": "websocket.connect"})
    await asyncio.wait_for(wire.start(), 30)
    assert wire.sent[0]["type"] == "websocket.close"


async def test_services_start_in_order_and_stop_in_reverse():
    said: list[str] = []
    mounts = [ServiceMount(name, app_with(name, said)) for name in ("users", "billing")]
    async with running(Host(*mounts)):
        assert said == ["users starts", "billing starts"]
    assert said[2:] == ["billing stops", "users stops"]


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (StartupError("billing: database did not open"), "billing: database did not open"),
        (KeyError("plan"), "billing did not start: KeyError: 'plan'"),
    ],
    ids=str,
)
async def test_a_service_that_does_not_start_is_named_and_the_others_stop(failure, sentence):
    said: list[str] = []
    mounts = [
        ServiceMount("users", app_with("users", said)),
        ServiceMount("billing", app_with("billing", said, failure=failure)),
        ServiceMount("later", app_with("later", said)),
    ]
    with pytest.raises(StartupError) as refused:
        async with running(Host(*mounts)):
            pass
    assert str(refused.value) == sentence
    assert said == ["users starts", "billing starts", "users stops"]


async def test_a_service_that_does_not_stop_keeps_no_other_from_stopping():
    said: list[str] = []
    failing = app_with("billing", said, stops=OSError("no disk"))
    mounts = [ServiceMount("users", app_with("users", said)), ServiceMount("billing", failing)]
    mounts.append(ServiceMount("later", app_with("later", said)))
    with pytest.raises(OSError, match="no disk"):
        async with Mounts(mounts).lifespan():
            pass
    assert said[3:] == ["later stops", "billing stops", "users stops"]


async def test_two_applications_of_one_service_share_no_resource(service, settings):
    clocks = [MovableClock(), MovableClock()]
    apps = [service.create_app(settings, Ports(clock=clock)) for clock in clocks]
    mounts = [ServiceMount(name, app) for name, app in zip("ab", apps, strict=True)]
    async with Mounts(mounts).lifespan():
        first, second = (mount.state[STATE] for mount in mounts)
        assert (first.clock, second.clock) == tuple(clocks)
        assert first.database.engine is not second.database.engine
        assert first.outbox.awake is not second.outbox.awake


async def test_two_applications_of_one_service_share_nothing():
    first, second = app_with("users"), app_with("users")
    first.dependency_overrides[_answer] = lambda: "overridden"
    first.deadlines.timeout_s = 7
    mounts = [ServiceMount("first", first), ServiceMount("second", second)]
    async with running(Host(*mounts)) as client:
        answers = [(await client.get(f"/{name}/v1/seen")).json()["answer"] for name in ("first", "second", "first")]
    assert answers == ["overridden", "real", "overridden"]
    assert second.deadlines.timeout_s != 7
    assert mounts[0].state["chassis.readiness"] is not mounts[1].state["chassis.readiness"]


async def test_overrides_of_a_host_do_not_reach_a_service():
    host, inner = bare(name="host"), app_with("users")
    host.dependency_overrides[_answer] = lambda: "overridden"
    mount = ServiceMount("users", inner)
    async with started(inner, name="users") as mount.state, running(Dispatch(host, Mounts([mount]))) as client:
        assert (await client.get("/users/v1/seen")).json()["answer"] == "real"


async def test_two_requests_at_once_are_served_by_their_own_applications():
    """Route objects are shared: the one that serves is found by the context of each request."""
    first, second = app_with("users"), app_with("users")
    first.dependency_overrides[_answer] = lambda: "first"
    second.dependency_overrides[_answer] = lambda: "second"
    async with running(Host(ServiceMount("first", first), ServiceMount("second", second))) as client:
        names = ["first", "second"] * 10
        answers = await asyncio.gather(*(client.get(f"/{name}/v1/seen") for name in names))
    assert [answer.json()["answer"] for answer in answers] == names


async def test_a_host_of_tests_answers_nothing_itself():
    async with running(Host(ServiceMount("users", app_with("users")))) as client:
        with pytest.raises(AssertionError, match="no service is mounted at /elsewhere"):
            await client.get("/elsewhere")
