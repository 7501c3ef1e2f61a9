"""Services in one process: each its own lifespan and state, none in the way of another."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from core.client import InProcess
from core.dependencies.resources import STATE
from core.lifespan import StartupError
from core.mount import Mounts, ServiceMount
from core.ports import Ports
from core.testing import Host, MovableClock, running

MakeService = Callable[..., ServiceMount]


@pytest.fixture
def happened() -> list[str]:
    return []


@pytest.fixture
def mount(happened: list[str]) -> MakeService:
    """`mount("a", starts=…, stops=…)`: a service that notes its start and stop, and may fail at either."""

    def make(name: str, *, starts: Exception | None = None, stops: Exception | None = None) -> ServiceMount:
        @asynccontextmanager
        async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, str]]:
            if starts:
                raise starts
            happened.append(f"{name} started")
            yield {"who": name}
            happened.append(f"{name} stopped")
            if stops:
                raise stops

        app = FastAPI(lifespan=lifespan)

        @app.get("/who")
        async def who(request: Request) -> dict[str, Any]:
            request.state.visits = getattr(request.state, "visits", 0) + 1
            return {"path": request.scope["root_path"], "state": dict(request.scope["state"])}

        return ServiceMount(name, app)

    return make


async def test_services_start_in_order_and_stop_in_reverse(mount, happened):
    async with Mounts([mount("a"), mount("b")]).lifespan():
        happened.append("served")
    assert happened == ["a started", "b started", "served", "b stopped", "a stopped"]


async def test_one_that_does_not_start_is_named_and_the_others_are_stopped(mount, happened):
    with pytest.raises(StartupError) as raised:
        async with Mounts([mount("a"), mount("b", starts=OSError("no disk")), mount("c")]).lifespan():
            pass
    assert str(raised.value) == "b did not start: OSError: no disk"
    assert happened == ["a started", "a stopped"]


async def test_one_that_does_not_stop_keeps_no_other_from_stopping(mount, happened):
    with pytest.raises(OSError, match="no disk"):
        async with Mounts([mount("a"), mount("b", stops=OSError("no disk")), mount("c")]).lifespan():
            pass
    assert happened[3:] == ["c stopped", "b stopped", "a stopped"]


async def test_a_request_sees_the_state_of_its_service_alone(mount):
    async with running(Host(mount("a"), mount("b"))) as client:
        for name in ("a", "b", "a"):
            answer = (await client.get(f"/{name}/who")).json()
            # What a request puts into its state is gone with it.
            assert answer == {"path": f"/{name}", "state": {"who": name, "visits": 1}}


async def test_what_the_host_has_in_its_state_stays_its_own(mount):
    service = mount("a")
    transport = InProcess(service, {"who": "host", "pool": "the host's"})
    async with service.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://host") as client:
        assert (await client.get("/a/who")).json()["state"] == {"who": "a", "visits": 1}


def test_a_service_is_found_by_the_first_segment_alone(mount):
    mounts = Mounts([mount("a"), mount("b")])
    found = {path: mounts.find(path) for path in ("/a", "/a/x", "/b/a", "/ab", "/", "", "*", "/c/a")}
    assert {path: service.name for path, service in found.items() if service} == {"/a": "a", "/a/x": "a", "/b/a": "b"}


async def test_two_applications_of_one_service_share_nothing(service, settings):
    clocks = [MovableClock(), MovableClock()]
    apps = [service.create_app(settings, Ports(clock=clock)) for clock in clocks]
    mounts = [ServiceMount(name, app) for name, app in zip("ab", apps, strict=True)]
    async with Mounts(mounts).lifespan():
        first, second = (mount.state[STATE] for mount in mounts)
        assert (first.clock, second.clock) == tuple(clocks)
        assert first.database.engine is not second.database.engine
        assert first.wake_relay != second.wake_relay
    assert apps[0].dependency_overrides is not apps[1].dependency_overrides
