"""The factory of every service: the same application whether it is mounted, standalone or behind the edge."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from core.dependencies.resources import READINESS, STATE
from core.events import Handlers, Relay
from core.idempotency import Claims
from core.lifespan import Opener, Supervisor
from core.middleware.deadlines import DeadlineTable
from core.middleware.stack import inner_layers, outer_layers
from core.opening import open_resources
from core.ports import Ports
from core.resources import ResourceList
from core.routing import Router, check, install, register, serving
from core.settings import ChassisSettings, ServiceSettings
from core.telemetry.exchange import current_service
from core.web.documentation import documentation_routes, openapi_of
from core.web.probes import Readiness, probe_routes
from core.web.problem_pages import problem_pages
from core.web.problems import Problems

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Mapping[str, Any]]]


class ChassisApp(FastAPI):
    """FastAPI in the chassis: the layers of core.middleware around and within its own, one shape for every failure."""

    def __init__(self, name: str, settings: ChassisSettings, *, lifespan: Lifespan) -> None:
        self.chassis_name = name
        self.settings = settings
        self.problems = Problems(settings.public_url)
        self.deadlines = DeadlineTable(settings.server.request_timeout_s)
        super().__init__(
            title=name,
            version=_version(name),
            lifespan=lifespan,
            middleware=inner_layers(self.deadlines, self.problems),
            redirect_slashes=False,
            # Where the document itself is: below a mount, or a prefix that a proxy takes away.
            servers=[{"url": "."}],
            # core.web.documentation serves both: without a network, and serialised once.
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            telemetry={"tracing": False, "metrics": False, "logs": False},
        )
        self.problems.install(self)

    def build_middleware_stack(self) -> ASGIApp:
        """FastAPI's own stack, with the outer layers around it."""
        app = super().build_middleware_stack()
        for layer, arguments, options in reversed(outer_layers(self.chassis_name, self.settings, self.problems)):
            app = layer(app, *arguments, **options)
        return app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection; route objects are shared between applications, and this names the one that serves."""
        token = serving.set(self)
        try:
            await super().__call__(scope, receive, send)
        finally:
            serving.reset(token)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        # A service that is not installed: an example, or one in a test.
        return "0"


def chassis(
    name: str,
    settings: ChassisSettings,
    *,
    routers: Sequence[Router],
    lifespan: Callable[[Readiness], AbstractAsyncContextManager[Mapping[str, Any]]],
) -> ChassisApp:
    """An application with everything but a service's resources: what the gateway is, and what a service is built on.

    `lifespan` opens what lives as long as the process, tells readiness what to check, and gives the state of requests.
    """
    readiness = Readiness(interval_s=settings.server.readiness_interval_s)

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        current_service.set(name)
        # At the start, not at every build: a broken route table must stop a boot.
        check(app)
        async with lifespan(readiness) as state, Supervisor() as tasks:
            await readiness.check()
            tasks.start("readiness", readiness.run)
            tasks.start("deadlines", application.deadlines.sweep)
            yield {**state, READINESS: readiness}

    application = ChassisApp(name, settings, lifespan=run)
    for router in routers:
        register(application, router)
    application.router.routes.extend(
        probe_routes(readiness, application.problems, detailed=settings.environment == "local")
    )
    application.router.routes.extend(problem_pages(application.problems))
    if settings.docs_enabled:
        application.router.routes.extend(documentation_routes(name, lambda: openapi_of(application)))
    install(application)
    return application


def service(
    name: str,
    settings: ServiceSettings,
    ports: Ports,
    *,
    routers: Sequence[Router],
    resources: ResourceList = (),
    handlers: Sequence[Handlers] = (),
) -> ChassisApp:
    """A service: its routers and event handlers over its resources, which open in order at the start.

    `resources` open after the chassis' own (database, mail, clients). One that is declared under core.tokens.Keys is
    what access tokens are verified with, in place of the issuer's published keys. Building opens nothing.
    """

    @asynccontextmanager
    async def lifespan(readiness: Readiness) -> AsyncIterator[Mapping[str, Any]]:
        relay_awake = asyncio.Event()
        server = settings.server
        limits = {"open_timeout_s": server.open_timeout_s, "close_timeout_s": server.close_timeout_s}
        async with Opener(name, **limits) as opener:
            opened = await open_resources(opener, name, settings, ports, declared=resources, wake_relay=relay_awake.set)
            readiness.checks["database"] = opened.database.ping
            async with Supervisor() as tasks:
                tasks.start("idempotency keys", Claims(opened.database).sweep)
                subscriptions = [each for table in handlers for each in table.subscriptions]
                if subscriptions:
                    relay = Relay(name, opened.database, subscriptions, opened, relay_awake)
                    tasks.start("relay", relay.run)
                yield {STATE: opened}

    return chassis(name, settings, routers=routers, lifespan=lifespan)
