"""The factory of every service: the same application whether it is mounted, standalone or behind the edge."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from core.application.app import ChassisApp
from core.application.chassis import chassis
from core.dependencies.limited import check_limits
from core.dependencies.resources import STATE
from core.events import Announcements, Backlog, Catalogue, Dispatcher, Handlers, Inbox, Relay, Replays
from core.events.bus import Bus, open_bus
from core.housekeeping import housekeeping
from core.jobs import Job, Jobs, Runner, scheduled
from core.lifespan import Opener, Supervisor, begun
from core.opening import heard_from
from core.ports import Ports
from core.resources import ResourceList, Resources
from core.revocations import Denylist, hearing_of
from core.routing import Router, selected
from core.settings import ServiceSettings
from core.web.probes import Readiness


def service(
    name: str,
    settings: ServiceSettings,
    ports: Ports,
    *,
    routers: Sequence[Router],
    resources: ResourceList = (),
    announces: Sequence[Announcements] = (),
    handlers: Sequence[Handlers] = (),
    replays: Sequence[Replays] = (),
    jobs: Sequence[Jobs] = (),
) -> ChassisApp:
    """A service: its routers, events and jobs over its resources, which open in order at the start.

    `announces` are the events that other services may handle, `handlers` what this one does when something has
    happened here or elsewhere, and `replays` how it tells again what is.

    `resources` open after the chassis' own (database, mail, clients). One that is declared under core.tokens.Keys is
    what access tokens are verified with, in place of the issuer's published keys; one under core.tokens.Revocations
    says which are refused all the same, in place of what the issuer tells. Building opens nothing.

    Raises:
        ConfigurationError: a router that the settings choose is not there.
        ScheduleError: two jobs have one name.
        ValueError: two slices announce one type of event, or a limit that the settings choose is no rate.
        AttributeError: the settings do not have such a limit.
    """

    @asynccontextmanager
    async def lifespan(readiness: Readiness) -> AsyncIterator[Mapping[str, Any]]:
        async with _running(application, settings, ports, resources, readiness) as opened:
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
    check_limits(application.routes, settings)
    if (issuer := heard_from(name, settings, resources)) is not None:
        handlers = (*handlers, hearing_of(issuer))
    application.catalogue = Catalogue.of(name, announces=announces, handlers=handlers, replays=replays)
    application.jobs = scheduled([each.declared for each in (housekeeping, *jobs)])
    return application


@asynccontextmanager
async def _running(
    app: ChassisApp, settings: ServiceSettings, ports: Ports, declared: ResourceList, readiness: Readiness
) -> AsyncIterator[Resources]:
    """What a service holds, and does in the background, until the block ends."""
    from core.opening.resources import open_resources  # noqa: PLC0415 - httpx, cryptography: for what is opened

    name, tracer = app.chassis_name, app.tracing.tracer
    limits = settings.server
    async with Opener(name, open_timeout_s=limits.open_timeout_s, close_timeout_s=limits.close_timeout_s) as opener:
        resources = await open_resources(
            opener,
            name,
            settings,
            ports,
            declared=declared,
            outbox=app.catalogue.outbox(ports.clock, tracer),
            metrics=app.metrics,
            tracer=tracer,
        )
        readiness.checks["database"] = resources.database.heartbeat.beat
        bus = ports.bus or await opener.open("bus", open_bus(settings.events, name=name))
        inbox = Inbox(name, resources.database, app.catalogue.subscriptions)
        await opener.open("events", bus.feeding(inbox))
        async with Supervisor() as tasks:
            _start_work(tasks, resources, app.jobs)
            _start_events(tasks, resources, app.catalogue, inbox, bus)
            yield resources


def _start_work(tasks: Supervisor, resources: Resources, jobs: Sequence[Job]) -> None:
    """Starts what a service does by the clock; what may call a sibling, when all of them have started."""
    runner = Runner(
        jobs, database=resources.database, metrics=resources.metrics, resources=resources, tracer=resources.tracer
    )
    tasks.start("jobs", runner.run, after=begun)
    if isinstance(resources.revocations, Denylist):
        # At once: tokens are believed from the first request on.
        tasks.start("revocations", resources.revocations.run)


def _start_events(tasks: Supervisor, resources: Resources, catalogue: Catalogue, inbox: Inbox, bus: Bus) -> None:
    """Starts what publishes and what handles events, when all of the services that they concern have started."""
    tasks.start("backlog", Backlog(resources.database, resources.metrics).run, after=begun)
    outbox = resources.outbox
    relay = partial(Relay, service=resources.name, database=resources.database, own=inbox)
    if catalogue.announced:
        announcing = relay(types=catalogue.announced, bus=bus, awake=outbox.awake)
        tasks.start("relay", announcing.run, after=begun)
    if catalogue.deferred:
        # Apart: while the bus is away, mail must go on.
        deferring = relay(types=catalogue.deferred, bus=None, awake=outbox.awake_for_deferred)
        tasks.start("relay of deferred work", deferring.run, after=begun)
    if catalogue.subscriptions:
        dispatcher = Dispatcher(inbox=inbox, resources=resources, tracer=resources.tracer)
        tasks.start("dispatcher", dispatcher.run, after=begun)
