"""What every process on core serves beside its own routers: probes, problem pages, metrics, documents."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from core.application.app import ChassisApp
from core.dependencies.resources import READINESS
from core.lifespan import Supervisor, current_closing
from core.metrics import Metrics
from core.routing import Router, check, install, register, warn_if_inactive
from core.settings import ChassisSettings
from core.telemetry.exchange import current_service
from core.telemetry.logs import lines_dropped
from core.watchdog import loop_lag
from core.web.metrics_page import metrics_route
from core.web.openapi import documentation_routes, openapi_of
from core.web.probes import Readiness, probe_routes
from core.web.problems import problem_pages

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

# Several services of one process end one after the other, and a collector that hangs is no reason to be killed.
FLUSH_TIMEOUT_S_MAX = 2.0


def chassis(
    name: str,
    settings: ChassisSettings,
    *,
    routers: Sequence[Router],
    unserved: Sequence[Router] = (),
    lifespan: Callable[[Readiness], AbstractAsyncContextManager[Mapping[str, Any]]],
    span_processors: "Sequence[SpanProcessor]" = (),
) -> ChassisApp:
    """An application with everything but a service's resources: what the gateway is, and what a service is built on.

    `lifespan` opens what lives as long as the process, tells readiness what to check, and gives the state of requests.
    `unserved` are routers that only other deployments serve: what is deprecated here may be succeeded there.
    """
    readiness = Readiness(interval_s=settings.server.readiness_interval_s)

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        current_service.set(application.identity)
        # At the start, not at every build: a broken route table must stop a boot.
        check(app, elsewhere={route.path for router in unserved for route in iter_route_contexts(router.routes)})
        await warn_if_inactive(app)
        _measure_process(application.metrics)
        # The first to begin and the last to end: what closes is traced, too.
        listening = application.tracing.listening(
            flush_timeout_s=lambda: current_closing().share_s(FLUSH_TIMEOUT_S_MAX)
        )
        async with listening, lifespan(readiness) as state, Supervisor() as tasks:
            await readiness.check()
            tasks.start("readiness", readiness.run)
            tasks.start("deadlines", application.deadlines.sweep)
            yield {**state, READINESS: readiness}

    application = ChassisApp(name, settings, lifespan=run, span_processors=span_processors)
    for router in routers:
        register(application, router)
    application.router.routes.extend(
        probe_routes(readiness, application.problems, detailed=settings.environment == "local")
    )
    application.router.routes.extend(problem_pages(application.problems))
    application.router.routes.append(metrics_route(application.metrics))
    if settings.docs_enabled:
        application.router.routes.extend(documentation_routes(name, lambda: openapi_of(application)))
    install(application)
    return application


def _measure_process(metrics: Metrics) -> None:
    """What is one in a process, and shown by each of its services."""
    metrics.counted("log_lines_dropped_total", "Log lines that nobody read in time.", lines_dropped)
    lag = loop_lag.get()
    metrics.gauge(
        "event_loop_lag_seconds",
        "How late the event loop was at most, within the last 30 to 60 s.",
        lag.read if lag else dict,
    )
