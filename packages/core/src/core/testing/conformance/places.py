"""Where the suite runs: the service with operations added that fail, in each topology."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
from fastapi.routing import APIRoute

from core.client import InProcess
from core.lifespan import started
from core.mount import ServiceMount
from core.ports import Ports
from core.resources import STATE, Resources
from core.routing import installed, register
from core.services import Service
from core.settings import ServiceSettings
from core.testing.applications import SERVICE_URL, Host
from core.testing.at_work import AtWork
from core.testing.caddy import START_TIMEOUT_S
from core.testing.edges import Edges
from core.testing.exits import Exit, FailingLayer, exits, transactions
from core.testing.serving import serving
from core.testing.socket_wire import OverSockets, RawHeaders, SocketWire
from core.testing.wire import Wire

STANDALONE, MOUNTED, EDGE = "standalone", "mounted", "edge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The running service in one topology, and how it is spoken to."""

    topology: str
    app: Any
    resources: Resources
    # Below the path that its clients know.
    client: httpx.AsyncClient
    # As an orchestrator and a scraper do, past the edge.
    inside: httpx.AsyncClient
    # A request message by message: `wire("POST", "/v1/things", headers=[…])`.
    wire: Callable[..., Wire | SocketWire]
    # What the service itself knows of the path before its own.
    mount: str = ""

    @property
    def is_edge(self) -> bool:
        """Whether the answers come through the edge."""
        return self.topology == EDGE

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
    service: Service,
    settings: ServiceSettings,
    topology: str,
    ports: Ports = Ports(),
    edges: Edges | None = None,
) -> AsyncIterator[Place]:
    """The running service, with the operations and the layer that fail."""
    # Building reads files: a process does it before it serves.
    app: Any = await asyncio.to_thread(service.create_app, settings, ports)
    register(app, exits)
    register(app, transactions)
    app.add_middleware(FailingLayer)
    assert installed(app), "requests do not go through the route index"
    if edges and topology == EDGE:
        place = _behind_the_edge(service.name, app, settings, edges)
    else:
        place = _in_process(service.name, app, topology)
    async with place as running:
        yield running


@asynccontextmanager
async def _in_process(name: str, app: Any, topology: str) -> AsyncIterator[Place]:
    mount = ServiceMount(name, app) if topology == MOUNTED else None
    served = Host(mount) if mount else app
    prefix = f"/{name}" if mount else ""
    async with (
        started(served, name="service under test") as state,
        httpx.AsyncClient(transport=InProcess(served, state), base_url=f"{SERVICE_URL}{prefix}") as client,
    ):

        def wire(method: str, path: str, headers: RawHeaders = ()) -> Wire:
            told = [(b"host", b"service.test"), *headers]
            return Wire(served, method, f"{prefix}{path}", state=dict(state), headers=told)

        resources = (mount.state if mount else state)[STATE]
        yield Place(
            topology=topology, app=app, resources=resources, client=client, inside=client, wire=wire, mount=prefix
        )


@asynccontextmanager
async def _behind_the_edge(name: str, app: Any, settings: ServiceSettings, edges: Edges) -> AsyncIterator[Place]:
    at_work = AtWork(app)
    transport = OverSockets(at_work)
    async with (
        edges.lent(name) as front,
        serving(at_work, settings.server, port=front.port) as state,
        httpx.AsyncClient(transport=transport, base_url=front.url) as client,
        httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{front.port}") as inside,
    ):
        # It finds out by itself that the service is there, and lets a request wait until then.
        status = 503
        async with asyncio.timeout(START_TIMEOUT_S):
            while status != 200:
                status = (await client.get("/livez")).status_code
        wire = partial(_wire, httpx.URL(front.url), at_work)
        yield Place(topology=EDGE, app=app, resources=state[STATE], client=client, inside=inside, wire=wire)


def _wire(url: httpx.URL, at_work: AtWork, method: str, path: str, headers: RawHeaders = ()) -> SocketWire:
    told = [(b"host", url.netloc), (b"x-request-id", b"wire"), *headers]
    return SocketWire(url.copy_with(raw_path=f"{url.path}{path}".encode()), method, headers=told, at_work=at_work)
