"""The factory of every service: the same application whether it is mounted, standalone or behind the edge."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from core.application.app import ChassisApp
from core.application.chassis import chassis
from core.dependencies.resources import STATE
from core.events import Backlog, Handlers, Relay
from core.housekeeping import housekeeping
from core.jobs import Job, Jobs, Runner, scheduled
from core.lifespan import Opener, Supervisor, begun
from core.opening import open_resources
from core.ports import Ports
from core.resources import ResourceList, Resources
from core.routing import Router, selected
from core.settings import ServerSettings, ServiceSettings
from core.web.probes import Readiness


def service(
    name: str,
    settings: ServiceSettings,
    ports: Ports,
    *,
    routers: Sequence[Router],
    resources: ResourceList = (),
    handlers: Sequence[Handlers] = (),
    jobs: Sequence[Jobs] = (),
) -> ChassisApp:
    """A service: its routers, event handlers and jobs over its resources, which open in order at the start.

    `resources` open after the chassis' own (database, mail, clients). One that is declared under core.tokens.Keys is
    what access tokens are verified with, in place of the issuer's published keys. Building opens nothing.

    Raises:
        ConfigurationError: a router that the settings choose is not there.
        ScheduleError: two jobs have one name.
    """

    @asynccontextmanager
    async def lifespan(readiness: Readiness) -> AsyncIterator[Mapping[str, Any]]:
        relay_awake = asyncio.Event()
        async with _opener(name, settings.server) as opener:
            opened = await open_resources(
                opener,
                name,
                settings,
                ports,
                declared=resources,
                wake_relay=relay_awake.set,
                metrics=application.metrics,
                tracer=application.tracing.tracer,
            )
            readiness.checks["database"] = opened.database.heartbeat.beat
            async with Supervisor() as tasks:
                _start_work(tasks, opened, handlers=handlers, jobs=application.jobs, relay_awake=relay_awake)
                yield {STATE: opened}

    served = selected(routers, settings.routers, service=name, setting=f"{settings.name}_routers".upper())
    application = chassis(
        name,
        settings,
        routers=served,
        unserved=[router for router in routers if router not in served],
        lifespan=lifespan,
        span_processors=ports.span_processors,
    )
    application.jobs = scheduled([each.declared for each in (housekeeping, *jobs)])
    return application


def _opener(name: str, limits: ServerSettings) -> Opener:
    return Opener(name, open_timeout_s=limits.open_timeout_s, close_timeout_s=limits.close_timeout_s)


def _start_work(
    tasks: Supervisor,
    resources: Resources,
    *,
    handlers: Sequence[Handlers],
    jobs: Sequence[Job],
    relay_awake: asyncio.Event,
) -> None:
    """Starts what a service does without being asked; what may call a sibling, when all of them have started."""
    database, metrics = resources.database, resources.metrics
    tasks.start("jobs", Runner(jobs, database=database, metrics=metrics, resources=resources).run, after=begun)
    tasks.start("outbox backlog", Backlog(database, metrics).run)
    subscriptions = [each for table in handlers for each in table.subscriptions]
    if subscriptions:
        relay = Relay(resources.name, database, subscriptions, resources, relay_awake, resources.tracer)
        tasks.start("relay", relay.run, after=begun)
