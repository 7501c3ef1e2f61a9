"""The application: FastAPI, with the layers of the chassis around and within its own."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from opentelemetry.context import detach
from starlette.types import ASGIApp, Receive, Scope, Send

from core.events import Catalogue
from core.jobs import Job
from core.metrics import Metrics
from core.middleware.client_address import is_trusted
from core.middleware.in_flight import Deadlines
from core.middleware.stack import layers
from core.routing import serving
from core.settings import ChassisSettings
from core.telemetry.exchange import Identity
from core.tracing import TELEMETRY, Tracing
from core.web.problems import Problems

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

# What is asked for all day and says nothing of the service: probes, metrics, documents.
UNTRACED = ("/livez", "/readyz", "/startupz", "/metrics", "/docs", "/openapi.json")
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Mapping[str, Any]]]


class ChassisApp(FastAPI):
    """FastAPI in the chassis: the layers of core.middleware around and within its own, one shape for every failure."""

    def __init__(
        self,
        name: str,
        settings: ChassisSettings,
        *,
        lifespan: Lifespan,
        span_processors: "Sequence[SpanProcessor]" = (),
    ) -> None:
        self.chassis_name = name
        self.identity = Identity.of(name, settings.environment)
        self.settings = settings
        self.problems = Problems(settings.public_url)
        self.deadlines = Deadlines(settings.server.request_timeout_s)
        self.metrics = Metrics()
        self.tracing = Tracing(
            self.identity.fields,
            ratio=settings.tracing.ratio,
            believes=self._believes,
            untraced=UNTRACED,
            processors=span_processors,
        )
        self.deprecated_requests = self.metrics.counter(
            "http_server_deprecated_requests_total", "Requests to operations that are deprecated.", "operation"
        )
        self.jobs: Sequence[Job] = ()
        self.catalogue = Catalogue.of(name)
        super().__init__(
            title=name,
            version=self.identity.version,
            lifespan=lifespan,
            redirect_slashes=False,
            # Where the document itself is: below a mount, or a prefix that a proxy takes away.
            servers=[{"url": "."}],
            # core.web.openapi serves both: without a network, and serialised once.
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            telemetry={
                "tracer_provider": self.tracing,
                "tracing": True,
                # A span for each dependency costs more than the request itself.
                "operation_spans": False,
                # Both are the chassis' own.
                "metrics": False,
                "logs": False,
                "auto_configure": False,
            },
        )
        self.problems.install(self)

    def build_middleware_stack(self) -> ASGIApp:
        """The layers around the router, in place of FastAPI's own."""
        app: ASGIApp = self.router
        stack = layers(
            self,
            self.identity,
            self.settings,
            problems=self.problems,
            requests=self.metrics.requests,
            deadlines=self.deadlines,
        )
        for layer, arguments, options in reversed(stack):
            app = layer(app, *arguments, **options)
        return app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection; route objects are shared between applications, and this names the one that serves."""
        token = serving.set(self)
        passed_on = self.tracing.enter(scope)
        try:
            if self.middleware_stack is None or scope.get(TELEMETRY, self) is not None:
                await super().__call__(scope, receive, send)
            else:
                # All that FastAPI does where it has no lifespan to run and no span to start.
                scope["app"] = self
                await self.middleware_stack(scope, receive, send)
        finally:
            if passed_on is not None:
                detach(passed_on)
            serving.reset(token)

    def _believes(self, scope: Scope) -> bool:
        """Whether the caller of this request may say that it is traced, and as part of which trace."""
        return self.settings.environment == "local" or is_trusted(scope, self.settings.server.trusted_proxies)
