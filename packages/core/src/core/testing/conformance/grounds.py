"""What the suite runs on: the service with operations added that fail, standalone and mounted beside each other."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from core.client import InProcess
from core.lifespan import started
from core.mount import ServiceMount
from core.ports import Ports
from core.resources import STATE, Resources
from core.routing import installed, register
from core.services import Service
from core.settings import ServiceSettings
from core.testing.applications import SERVICE_URL, Host
from core.testing.databases import TemplateDatabase
from core.testing.exits import Exit, FailingLayer, exits, transactions
from core.testing.locally import Mint, local_settings, minting
from core.tokens import LocalKey

# Soon enough for a test that takes all connections; nothing else waits for one.
LIMITS = {"pool_timeout_s": 0.25}
AT_ONCE = 20
TOPOLOGIES = ("standalone", "mounted")


@dataclass(frozen=True, slots=True)
class Conforming:
    """What the service under test runs with."""

    settings: ServiceSettings
    mint: Mint
    key: LocalKey


@dataclass(frozen=True, slots=True)
class Place:
    """Where the service runs: what to speak ASGI to, with which state, below which path; the service and a client."""

    served: ASGIApp
    state: Mapping[str, Any]
    prefix: str
    app: Any
    client: httpx.AsyncClient
    resources: Resources

    async def take(self, exit_: Exit, **headers: str) -> httpx.Response:
        """The answer of this way out; what is meant to be late is so at once."""
        with self.impatient() if exit_.is_late else nullcontext():
            return await exit_.take(self.client, **headers)

    def operations(self, segment: str) -> Iterator[tuple[str, str]]:
        """Method and path of every operation of the service's own, with this in place of each parameter."""
        for route in self.app.router.routes:
            if isinstance(route, APIRoute) and not route.path.startswith("/v1/exits"):
                for method in route.methods or ():
                    yield method, re.sub("{[^}]+}", lambda _: segment, route.path)

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """Gives the requests that begin within no time at all: each ends when the deadlines are next looked at."""
        deadlines = self.app.deadlines
        usual, deadlines.timeout_s = deadlines.timeout_s, 0
        try:
            yield
        finally:
            deadlines.timeout_s = usual

    def end_the_time(self) -> None:
        """Makes the requests in flight late."""
        for request in self.app.deadlines.requests.values():
            request.deadline = 0

    @property
    def in_use(self) -> int:
        """How many connections of the service's pools are."""
        database = self.resources.database
        return database.pool.checkedout() + database.reads.pool.get_size() - database.reads.pool.get_idle_size()


@asynccontextmanager
async def placed(
    service: Service, settings: ServiceSettings, topology: str, ports: Ports = Ports()
) -> AsyncIterator[Place]:
    """The running service, with the operations and the layer that fail."""
    # Building reads files: a process does it before it serves.
    app: Any = await asyncio.to_thread(service.create_app, settings, ports)
    register(app, exits)
    register(app, transactions)
    app.add_middleware(FailingLayer)
    assert installed(app), "requests do not go through the route index"
    mount = ServiceMount(service.name, app) if topology == "mounted" else None
    served = Host(mount) if mount else app
    prefix = f"/{service.name}" if mount else ""
    async with (
        started(served, name="service under test") as state,
        httpx.AsyncClient(transport=InProcess(served, state), base_url=f"{SERVICE_URL}{prefix}") as client,
    ):
        yield Place(served, state, prefix, app, client, (mount.state if mount else state)[STATE])


class Grounds:
    """The fixtures of every topic."""

    @pytest.fixture(scope="class")
    async def conforming(
        self, service: Service, template: TemplateDatabase, tmp_path_factory: pytest.TempPathFactory
    ) -> AsyncIterator[Conforming]:
        """One database and one folder for the whole suite: it changes nothing that its next test would notice."""
        database = await template.copy()
        folder = tmp_path_factory.mktemp("conformance")
        settings = local_settings(service, database_url=template.postgres.url(database), folder=folder)
        updates = {
            "database": settings.database.model_copy(update=LIMITS),
            "server": settings.server.model_copy(update={"concurrency_max": AT_ONCE}),
        }
        settings = settings.model_copy(update=updates)
        mint = await asyncio.to_thread(minting, settings, folder)
        yield Conforming(settings, mint, await asyncio.to_thread(LocalKey.open, folder, environment="local"))
        await template.drop(database)

    @pytest.fixture(scope="class")
    async def places(self, service: Service, conforming: Conforming) -> AsyncIterator[Mapping[str, Place]]:
        """The service in every topology."""
        async with AsyncExitStack() as stack:
            yield {
                topology: await stack.enter_async_context(placed(service, conforming.settings, topology))
                for topology in TOPOLOGIES
            }

    @pytest.fixture(params=TOPOLOGIES)
    def place(self, request: pytest.FixtureRequest, places: Mapping[str, Place]) -> Place:
        """The service in one topology after the other."""
        return places[request.param]

    @pytest.fixture
    def somewhere(self, place: Place) -> httpx.AsyncClient:
        """A client of the service in one topology after the other."""
        return place.client
